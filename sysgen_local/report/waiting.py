"""A status line that is redrawn while rows are in work, below the printed rows."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING

from sysgen_local.report.live import MessageView, Plain, Silent, clock
from sysgen_local.running.progress import Progress

if TYPE_CHECKING:
    from rich.console import Console
    from rich.live import Live


def waiting_for(out: Console, err: Console, label: str, *, quiet: bool) -> MessageView:
    """The status line on the terminal of stdout, or else of stderr. Without a terminal, a plain
    line every ten seconds."""
    if quiet:
        return Silent()
    terminal = next((console for console in (out, err) if console.is_terminal), None)
    return Waiting(terminal, label) if terminal is not None else Lines(err.file, label)


class Lines(Plain):
    """A plain line every ten seconds and at the end."""

    def __init__(self, stream: IO[str], label: str) -> None:
        super().__init__(stream)
        self._label = label

    def line(self, progress: Progress) -> str:
        return state(progress, self._label)


class Waiting:
    """A line that is redrawn four times a second and removed at the end."""

    every = 0.25

    def __init__(self, console: Console, label: str) -> None:
        self._console = console
        self._label = label
        self._live: Live | None = None

    def say(self, line: str) -> None:
        self._console.print(line, style="dim", markup=False, highlight=False, soft_wrap=True)

    def show(self, progress: Progress) -> None:
        from rich.live import Live
        from rich.text import Text

        if self._live is None:
            self._live = Live(console=self._console, auto_refresh=False, transient=True)
            self._live.start()
        text = Text(state(progress, self._label), "dim", overflow="ellipsis", no_wrap=True)
        self._live.update(text, refresh=True)

    def close(self, progress: Progress) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None


def state(progress: Progress, label: str) -> str:
    """The progress of the rows in one line."""
    through = progress.final + progress.dropped
    running = [f"{of.running} in {name}" for name, of in progress.phases.items() if of.running]
    if not progress.finished_here and progress.pending:
        running.append(str(progress.activity))
    parts = [f"{label}: {through} of {progress.rows}", *running, clock(progress.seconds)]
    if written := progress.cost.tokens_out:
        parts.append(f"{written / max(progress.seconds, 1e-6):,.0f} tok/s out")
    return " · ".join(parts)
