"""The progress of a run as a plain object, for a program's callback."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sysgen_local.running.progress import Progress


@dataclass(frozen=True, slots=True)
class Update:
    """The rows of the whole store by state. `seconds` and `rows_per_hour` are those of this run.
    `seconds_left` is None as long as there is no estimate. `now` says what the run does at this
    moment. `str()` gives a line to print."""

    final: int
    dropped: int
    rejected: int
    pending: int
    seconds: float
    rows_per_hour: float
    seconds_left: float | None
    now: str = ""

    @classmethod
    def of(cls, progress: Progress) -> Update:
        seconds = progress.seconds
        return cls(
            progress.final,
            progress.dropped,
            progress.rejected,
            progress.pending,
            seconds,
            progress.finished_here * 3600 / max(seconds, 1e-6),
            progress.seconds_left,
            str(progress.activity),
        )

    def __str__(self) -> str:
        left = "" if self.seconds_left is None else f", {self.seconds_left:,.0f} s left"
        return (
            f"{self.final:,} final, {self.dropped:,} dropped, {self.rejected:,} rejected, "
            f"{self.pending:,} pending after {self.seconds:,.0f} s, "
            f"{self.rows_per_hour:,.0f} rows/h{left}"
        )


class Callback:
    """A view that calls a function about once a second in its own thread, and at the end of the run
    in the caller's thread. An exception of the function is raised after the end of the run, so it
    loses no rows."""

    every = 1.0

    def __init__(self, call: Callable[[Update], None]) -> None:
        self._call = call
        self._error: Exception | None = None

    def show(self, progress: Progress) -> None:
        if self._error is None and progress.seconds >= self.every:
            try:
                self._call(Update.of(progress))
            except Exception as error:
                self._error = error

    def close(self, progress: Progress) -> None:
        if self._error is not None:
            raise self._error
        self._call(Update.of(progress))
