"""How far a run is, as a plain object for a program's callback."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sysgen_local.running.progress import Progress


@dataclass(frozen=True, slots=True)
class Update:
    """Rows of the whole store by where they stand; `seconds` and `rows_per_hour` are this run's.
    `seconds_left` is None until it can be told. `str()` is a line to print."""

    final: int
    dropped: int
    rejected: int
    pending: int
    seconds: float
    rows_per_hour: float
    seconds_left: float | None

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
        )

    def __str__(self) -> str:
        left = "" if self.seconds_left is None else f", {self.seconds_left:,.0f} s left"
        return (
            f"{self.final:,} final, {self.dropped:,} dropped, {self.rejected:,} rejected, "
            f"{self.pending:,} pending after {self.seconds:,.0f} s, "
            f"{self.rows_per_hour:,.0f} rows/h{left}"
        )


class Callback:
    """A view that calls a function about once a second in a thread of its own, and once more at
    the end in the caller's. What the function raises there ends the run's call, once the work is
    done: a callback loses no rows."""

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
