"""Shows a run: redrawn in place on a terminal, one line every ten seconds elsewhere.

The terminal has a table with one line for each phase, the speed, the time left, and the last
finished row.
"""

from __future__ import annotations

import json
from typing import IO, TYPE_CHECKING, Protocol

import psutil

from sysgen_local.core import terminal
from sysgen_local.core.counted import counted
from sysgen_local.core.records import Row
from sysgen_local.report.colours import colour
from sysgen_local.report.status import state
from sysgen_local.running.progress import Progress, View

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.live import Live as RichLive

NARROW = 72
"""Width in columns below which the bars are left out."""


MOST = 3
"""Maximum number of findings that are shown during a run. The end of a run shows all."""


class MessageView(View, Protocol):
    """A view that can also print single messages."""

    def say(self, line: str) -> None: ...


def view_for(stream: IO[str], *, quiet: bool = False, json_log: bool = False) -> MessageView:
    """The view for this stream and these options."""
    if json_log:
        return JsonLines(stream)
    if quiet:
        return Silent()
    console = terminal.console(stream)
    return Live(console) if console.is_terminal else Plain(stream)


class Silent:
    """Prints nothing."""

    every = 3600.0

    def say(self, line: str) -> None: ...

    def show(self, progress: Progress) -> None: ...

    def close(self, progress: Progress) -> None: ...


class Plain:
    """One line every ten seconds, and each piece of advice once."""

    every = 10.0

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream
        self._advised: set[str] = set()

    def say(self, line: str) -> None:
        print(terminal.shown(line), file=self._stream, flush=True)

    def show(self, progress: Progress) -> None:
        if progress.seconds >= self.every:
            self.advise(progress)
            self.close(progress)

    def advise(self, progress: Progress) -> None:
        for finding in progress.advice:
            if finding.name not in self._advised:
                self._advised.add(finding.name)
                self.say(note(finding.says))

    def close(self, progress: Progress) -> None:
        Plain.say(self, self.line(progress))

    def line(self, progress: Progress) -> str:
        return summary(progress)


class JsonLines(Plain):
    """For programs: every ten seconds one JSON object, as in the side file but without rows."""

    def say(self, line: str) -> None: ...

    def line(self, progress: Progress) -> str:
        return json.dumps(state(progress))


class Live:
    """Redrawn in place four times a second."""

    every = 0.25

    def __init__(self, console: Console) -> None:
        self.console = console
        self._live: RichLive | None = None

    def say(self, line: str) -> None:
        self.console.print(line, markup=False, highlight=False, soft_wrap=True)

    def show(self, progress: Progress) -> None:
        if progress.pending:
            self._draw(progress)

    def close(self, progress: Progress) -> None:
        if self._live or progress.finished_here:
            self._draw(progress, ended=True)
        if self._live:
            self._live.stop()
            self._live = None  # one that was stopped would overwrite what was printed since

    def _draw(self, progress: Progress, *, ended: bool = False) -> None:
        from rich.live import Live as RichLive

        if self._live is None:
            self._live = RichLive(console=self.console, auto_refresh=False, transient=False)
            self._live.start()
        self._live.update(view(progress, self.console.width, ended=ended), refresh=True)


def view(progress: Progress, width: int, *, ended: bool = False) -> RenderableType:
    """The whole state in this width (columns). `ended`: without what the run does now."""
    from rich.console import Group
    from rich.text import Text

    doing = Text(f"now: {progress.activity}", "dim", overflow="ellipsis", no_wrap=True)
    now = [] if ended else [doing]
    pace = Text(" · ".join(speed(progress)), "bold")
    advice = [Text(note(finding.says), "yellow") for finding in progress.advice[:MOST]]
    memory_ = Text(memory(), "dim")
    title = [Text(progress.title, overflow="ellipsis", no_wrap=True)] if progress.title else []
    return Group(*title, _funnel(progress, width), *now, pace, memory_, _last(progress), *advice)


def _funnel(progress: Progress, width: int) -> RenderableType:
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    roomy = width >= NARROW
    table = Table.grid(padding=(0, 2 if roomy else 1))
    names = ["phase", "", "done", "dropped", "running", "waiting"]
    if not roomy:
        names.remove("")
    for name in names:
        table.add_column(justify="left" if name in ("phase", "") else "right", no_wrap=True)
    table.add_row(*(Text(name, "dim") for name in names))
    for phase, counts in progress.phases.items():
        waiting = progress.waiting(phase) - counts.running
        numbers = (counts.done, counts.dropped.total(), counts.running, waiting)
        cells: list[RenderableType] = [phase, *(f"{n:,}" for n in numbers)]
        if roomy:
            whole = max(progress.rows, 1)
            bar = ProgressBar(total=whole, completed=counts.through, width=max(12, width - 56))
            cells.insert(1, bar)
        table.add_row(*cells)
    return table


def _last(progress: Progress) -> RenderableType:
    from rich.text import Text

    row = progress.last
    if not isinstance(row, Row) or row.verified is None:
        return Text("")
    text = Text(f"row {row.row}: ", style="dim", overflow="ellipsis")
    for verdict in row.verified.verdicts:
        if verdict.text in (row.verified.system or ""):
            text.append(f"{verdict.text} ".replace("\n", " "), style=colour(verdict.tag))
    return text


def speed(progress: Progress) -> list[str]:
    """Rows per hour, tokens per second and time left, of this run only, and the workers of a
    cluster. Before the first answer, time and workers alone."""
    now = progress.activity
    workers = [str(now.workers)] if now.workers else []
    seconds = max(progress.seconds, 1e-6)
    written = progress.cost.tokens_out + now.writing[1]
    if not progress.cost.tokens_in and not progress.finished_here:
        return [clock(seconds), *workers]
    parts = [
        f"{counted(progress.finished_here, 'row')} in {clock(seconds)}",
        f"{progress.finished_here / seconds * 3600:,.0f} rows/h",
        f"{progress.cost.tokens_in / seconds:,.0f} tok/s in",
        f"{written / seconds:,.0f} out",
    ]
    if (left := progress.seconds_left) is not None:
        parts.append(f"{clock(left)} left")
    return [*parts, *workers]


def note(sentence: str) -> str:
    """A piece of advice as one line."""
    return f"note: {sentence}"


def memory() -> str:
    """How much of the machine's memory this process uses."""
    own = psutil.Process().memory_info().rss
    return f"{own / 1e9:.1f} of {psutil.virtual_memory().total / 1e9:.0f} GB memory"


def summary(progress: Progress) -> str:
    """The whole state in one plain line. Until a row is finished, it says what the run does."""
    now = [] if progress.finished_here or not progress.pending else [str(progress.activity)]
    title = f"{progress.title} | " if progress.title else ""
    return (
        f"{title}{progress.final:,} {progress.end}, {progress.dropped:,} dropped, "
        f"{progress.rejected:,} rejected, {progress.pending:,} pending | "
        f"{' · '.join([*now, *speed(progress), memory()])}"
    )


def clock(seconds: float) -> str:
    """1:02:03, or 2:03 below an hour."""
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"
