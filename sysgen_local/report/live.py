"""The terminal view of a run: a line a phase, speed, time left, the last finished row.

On a terminal it is drawn in place (rich); elsewhere one plain line every ten seconds.
"""

from __future__ import annotations

import time
from typing import IO, TYPE_CHECKING

from sysgen_local.progress import Progress, Reporter
from sysgen_local.records import PHASES
from sysgen_local.report.colours import colour

if TYPE_CHECKING:
    from rich.console import Console, RenderableType


def reporter_for(stream: IO[str], *, quiet: bool = False) -> Reporter:
    """The view that suits the stream: drawn on a terminal, plain lines elsewhere."""
    if quiet:
        return Plain(stream, every=float("inf"))
    from rich.console import Console

    console = Console(file=stream)
    return Live(console) if console.is_terminal else Plain(stream)


class Plain:
    """One line every `every` seconds."""

    def __init__(self, stream: IO[str], every: float = 10.0) -> None:
        self._stream = stream
        self._every = every
        self._said = time.monotonic()

    def update(self, progress: Progress) -> None:
        if time.monotonic() - self._said >= self._every:
            self._said = time.monotonic()
            print(summary(progress), file=self._stream, flush=True)

    def close(self, progress: Progress) -> None:
        if self._every != float("inf"):
            print(summary(progress), file=self._stream, flush=True)


class Live:
    """Redrawn in place, at most eight times a second."""

    def __init__(self, console: Console) -> None:
        from rich.live import Live as RichLive

        self._console = console
        self._live = RichLive(console=console, auto_refresh=False, transient=False)
        self._drawn = 0.0

    def update(self, progress: Progress) -> None:
        if time.monotonic() - self._drawn < 0.125:
            return
        if not self._drawn:
            self._live.start()
        self._drawn = time.monotonic()
        self._live.update(self._view(progress), refresh=True)

    def close(self, progress: Progress) -> None:
        if self._drawn:
            self._live.update(self._view(progress), refresh=True)
            self._live.stop()

    def _view(self, progress: Progress) -> RenderableType:
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        roomy = self._console.width >= 70
        table = Table.grid(padding=(0, 2 if roomy else 1))
        names = ["phase", "", "done", "dropped", "running", "waiting"]
        cells: list[RenderableType]
        for name in names if roomy else names[:1] + names[2:]:
            table.add_column(justify="left" if name in ("phase", "") else "right", no_wrap=True)
        table.add_row(*(Text(n, "dim") for n in names if roomy or n))
        for phase in PHASES:
            state = progress.phases[phase]
            numbers = (
                state.done,
                state.dropped.total(),
                state.running,
                progress.waiting(phase) - state.running,
            )
            cells = [phase, *(f"{n:,}" for n in numbers)]
            if roomy:
                whole = max(progress.rows, 1)
                cells.insert(1, ProgressBar(total=whole, completed=state.through, width=24))
            table.add_row(*cells)
        return Group(table, Text(speed(progress), style="bold"), _last(progress))


def _last(progress: Progress) -> RenderableType:
    from rich.text import Text

    row = progress.last
    if row is None or row.verified is None:
        return Text("")
    text = Text(f"row {row.row}: ", style="dim", overflow="ellipsis")
    for verdict in row.verified.verdicts:
        if verdict.text in (row.verified.system or ""):
            text.append(f"{verdict.text} ".replace("\n", " "), style=colour(verdict.tag))
    return text


def speed(progress: Progress) -> str:
    """Rows an hour, tokens a second, time left: of this run alone."""
    seconds = max(progress.seconds, 1e-6)
    rate = progress.finished_here / seconds
    parts = [
        f"{progress.finished_here:,} rows in {clock(seconds)}",
        f"{rate * 3600:,.0f} rows/h",
        f"{progress.cost.tokens_in / seconds:,.0f} tok/s in",
        f"{progress.cost.tokens_out / seconds:,.0f} tok/s out",
    ]
    if progress.pending and rate:
        parts.append(f"{clock(progress.pending / rate)} left")
    return " · ".join(parts)


def summary(progress: Progress) -> str:
    """The whole state in one plain line."""
    return (
        f"{progress.final:,} final, {progress.dropped:,} dropped, {progress.rejected:,} rejected, "
        f"{progress.pending:,} pending | {speed(progress)}"
    )


def clock(seconds: float) -> str:
    """1:02:03, or 2:03 below an hour."""
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"
