"""What a run has done so far, as numbers, and who is told of them.

The pipeline counts, reporters show: a terminal view, plain lines, the side file that `sysgen
status` reads while the database is locked. Knows nothing of any of them.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Protocol

from sysgen_local.records import PHASES, Cost, Phase, Result, Row


@dataclass(slots=True)
class PhaseProgress:
    """`done` rows went on (or are final), `dropped` ended here by reason, `running` are in work."""

    done: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    running: int = 0

    @property
    def through(self) -> int:
        return self.done + self.dropped.total()


@dataclass(slots=True)
class Progress:
    """Counts over the whole store, what earlier runs did included; `cost` is this run's."""

    rows: int = 0
    rejected: int = 0
    phases: dict[Phase, PhaseProgress] = field(
        default_factory=lambda: {phase: PhaseProgress() for phase in PHASES}
    )
    cost: Cost = field(default_factory=Cost)
    finished_here: int = 0
    last: Row | None = None
    started: float = field(default_factory=time.monotonic)

    @property
    def final(self) -> int:
        return self.phases["respond"].done

    @property
    def dropped(self) -> int:
        return sum(p.dropped.total() for p in self.phases.values())

    @property
    def pending(self) -> int:
        return self.rows - self.final - self.dropped

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.started

    def waiting(self, phase: Phase) -> int:
        """Rows this phase has yet to finish, of those that have reached it."""
        before = PHASES.index(phase) - 1
        reached = self.phases[PHASES[before]].done if before >= 0 else self.rows
        return reached - self.phases[phase].through

    def count(self, row: Row, phase: Phase, result: Result) -> None:
        """One row got through one phase; `row` already carries the result."""
        if result.dropped:
            self.phases[phase].dropped[result.dropped] += 1
        else:
            self.phases[phase].done += 1
        self.cost += getattr(result, "cost", Cost())
        if result.dropped or phase == PHASES[-1]:
            self.finished_here += 1
        if phase == PHASES[-1] and not result.dropped:
            self.last = row


class Reporter(Protocol):
    """Is shown the progress often, and decides itself how often to say something."""

    def update(self, progress: Progress) -> None: ...

    def close(self, progress: Progress) -> None: ...


class Reporters:
    """Several reporters as one."""

    def __init__(self, reporters: Iterable[Reporter]) -> None:
        self._reporters = list(reporters)

    def update(self, progress: Progress) -> None:
        for reporter in self._reporters:
            reporter.update(progress)

    def close(self, progress: Progress) -> None:
        for reporter in self._reporters:
            reporter.close(progress)
