"""Shows a training: redrawn in place on a terminal, one line every ten seconds elsewhere."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import IO, TYPE_CHECKING, Any

from sysgen_local.core import terminal
from sysgen_local.core.counted import counted
from sysgen_local.report.live import clock
from sysgen_local.training.folder import Point

if TYPE_CHECKING:
    from rich.live import Live

EVERY = 10.0
_BLOCKS = "▁▂▃▄▅▆▇█"
CURVE = 30
"""Characters of the drawn curve."""


def training_view(stream: IO[str], *, quiet: bool = False) -> TrainingView:
    """The view for this stream."""
    if quiet:
        return TrainingView()
    console = terminal.console(stream)
    return _InPlace(console) if console.is_terminal else _Lines(stream)


class TrainingView:
    """Shows nothing. A context manager; `say` prints a line, `show` the state after a step."""

    def __enter__(self) -> TrainingView:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def say(self, line: str) -> None: ...

    def show(self, point: Point) -> None: ...

    def close(self) -> None: ...


class _Lines(TrainingView):
    """One line every ten seconds, and one at the end."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream
        self._printed = 0.0
        self._points: list[Point] = []
        self._last: Point | None = None

    def say(self, line: str) -> None:
        print(terminal.shown(line), file=self._stream, flush=True)

    def show(self, point: Point) -> None:
        self._points.append(point)
        if time.monotonic() - self._printed >= EVERY:
            self._print()

    def close(self) -> None:
        if self._points and self._last is not self._points[-1]:
            self._print()

    def _print(self) -> None:
        self._last = self._points[-1]
        self.say(state(self._points))
        self._printed = time.monotonic()


class _InPlace(TrainingView):
    """The state and the curve so far, redrawn at every step."""

    def __init__(self, console: Any) -> None:
        self._console = console
        self._live: Live | None = None
        self._points: list[Point] = []

    def say(self, line: str) -> None:
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)

    def show(self, point: Point) -> None:
        from rich.live import Live
        from rich.text import Text

        self._points.append(point)
        if self._live is None:
            self._live = Live(console=self._console, auto_refresh=False)
            self._live.start()
        losses = [of.loss for of in self._points if of.loss is not None]
        drawn = f"{drawn_curve(losses, CURVE)}  {state(self._points)}"
        self._live.update(Text(drawn), refresh=True)

    def close(self) -> None:
        if self._live:
            self._live.stop()
            self._live = None


def drawn_curve(values: Sequence[float], width: int) -> str:
    """The values as blocks of eight heights, at most `width` of them; each is a mean."""
    size = -(-len(values) // width)
    parts = [values[start : start + size] for start in range(0, len(values), size or 1)]
    means = [sum(part) / len(part) for part in parts]
    low, high = min(means, default=0.0), max(means, default=0.0)
    span = high - low or 1.0
    return "".join(_BLOCKS[round((mean - low) / span * (len(_BLOCKS) - 1))] for mean in means)


def state(points: Sequence[Point]) -> str:
    """The state after the last of these points, in one line."""
    last = points[-1]
    parts = [f"step {last.step:,} of {counted(last.steps, 'step')}", f"epoch {last.epoch:.2f}"]
    losses = [of.loss for of in points if of.loss is not None]
    if losses:
        recent = losses[-10:]
        parts.append(f"loss {sum(recent) / len(recent):.3f}")
    held_out = [of.held_out_loss for of in points if of.held_out_loss is not None]
    if held_out:
        parts.append(f"held-out loss {held_out[-1]:.3f}")
    if last.seconds:
        parts.append(f"{last.tokens / last.seconds:,.0f} tok/s")
    left = last.seconds_left
    parts.append(f"{clock(left)} left" if left else f"in {clock(last.seconds)}")
    return " · ".join(parts)
