"""What a run has done so far, as numbers, and who shows them.

The pipeline counts. Views (a terminal's, plain lines, the side file that `sysgen status` reads
while the database is locked) look at the numbers when it is time for them, in a thread of their
own: a run that waits for a slow model still shows that it lives.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Protocol

from sysgen_local.engine.request import Completion
from sysgen_local.records import Cost
from sysgen_local.stage import Item, Outcome

WRITTEN = 4
"""A written token takes as long as about so many that are read: 2 on a CPU, more on a GPU."""


@dataclass(slots=True)
class PhaseProgress:
    """`done` rows went on (or are final), `dropped` ended here by reason, `running` are in work.

    `work` is what this run's `rows_here` rows took: tokens read, and WRITTEN times those written.
    """

    done: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    running: int = 0
    rows_here: int = 0
    work: float = 0.0

    @property
    def through(self) -> int:
        return self.done + self.dropped.total()


class Progress:
    """Counts over the whole store, what earlier runs did included; `cost` is this run's.

    `phases` are in their order: a row that one of them lets through waits for the next. `working`
    are those that this run does.
    """

    def __init__(self, phases: Sequence[str], *, rows: int = 0, rejected: int = 0) -> None:
        self.rows = rows
        self.rejected = rejected
        self.phases = {phase: PhaseProgress() for phase in phases}
        self.working = set(phases)
        self.cost = Cost()
        self.finished_here = 0
        self.last: Item | None = None
        self.started = time.monotonic()
        self._first: float | None = None
        self._before_first = 0.0

    @property
    def final(self) -> int:
        return list(self.phases.values())[-1].done

    @property
    def dropped(self) -> int:
        return sum(phase.dropped.total() for phase in self.phases.values())

    @property
    def pending(self) -> int:
        return self.rows - self.final - self.dropped

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.started

    def waiting(self, phase: str) -> int:
        """Rows this phase has yet to finish, of those that have reached it."""
        reached = self.rows
        for name, state in self.phases.items():
            if name == phase:
                return reached - state.through
            reached = state.done
        raise KeyError(phase)

    def answered(self, phase: str, completion: Completion) -> None:
        """One request of a phase came back."""
        read, written = completion.tokens_in, completion.tokens_out
        spent = self.cost
        self.cost = Cost(
            spent.tokens_in + read, spent.tokens_out + written, spent.seconds + completion.seconds
        )
        self.phases[phase].work += read + WRITTEN * written
        if self._first is None:
            self._first = time.monotonic()
            self._before_first = self._work

    def count(self, row: Item, phase: str, result: Outcome) -> None:
        """One row got through one phase; `row` already carries the result."""
        state = self.phases[phase]
        state.rows_here += 1
        if result.dropped:
            state.dropped[result.dropped] += 1
        else:
            state.done += 1
        is_last = phase == next(reversed(self.phases))
        if result.dropped or is_last:
            self.finished_here += 1
        if is_last and not result.dropped:
            self.last = row

    @property
    def left(self) -> float | None:
        """Seconds until nothing is pending; None until there is something to go by.

        From tokens: what a phase's rows took so far, times the rows that will come to it. The
        pace is counted from the first completion on, because what runs at its end ran then too.
        """
        if self._first is None or not self.pending:
            return None
        pace = (self._work - self._before_first) / max(time.monotonic() - self._first, 1e-6)
        if pace <= 0:
            return None
        coming = 0.0
        ahead = 0.0
        known = [s.work / s.rows_here for s in self.phases.values() if s.rows_here]
        for phase, state in self.phases.items():
            coming += self.waiting(phase)
            each = state.work / state.rows_here if state.rows_here else max(known, default=0.0)
            ahead += coming * each if phase in self.working else 0.0
            coming *= state.done / state.through if state.through else 1.0
        return ahead / pace if ahead else None

    @property
    def _work(self) -> float:
        return sum(phase.work for phase in self.phases.values())


class View(Protocol):
    """Shows the progress every so many seconds, and once more at the end."""

    every: float

    def show(self, progress: Progress) -> None: ...

    def close(self, progress: Progress) -> None: ...


@contextmanager
def shown(progress: Progress, views: Sequence[View]) -> Iterator[None]:
    """While this lasts, the views show the progress."""
    over = threading.Event()

    def watch(view: View) -> None:
        view.show(progress)
        while not over.wait(view.every):
            view.show(progress)

    with ExitStack() as ends:
        for view in views:
            ends.callback(view.close, progress)
        threads = [threading.Thread(target=watch, args=(view,), daemon=True) for view in views]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            over.set()
            for thread in threads:
                thread.join()
