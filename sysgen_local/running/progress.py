"""The progress of a run as numbers, and the views that show it.

The pipeline counts. Each view (a terminal, plain lines, the side file that `sysgen status` reads
while the database is locked) reads the numbers regularly in its own thread, so it is updated also
while the model is slow.
"""

from __future__ import annotations

import math
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Protocol

from sysgen_local.core.advice import ENDLESS, FEWEST, Finding, findings
from sysgen_local.core.quality import QualityCounts
from sysgen_local.core.records import Cost, Row
from sysgen_local.core.sizes import LONGEST, Size
from sysgen_local.engine.request import Completion, Costs, Engine
from sysgen_local.running.forecast import Forecast, Pace
from sysgen_local.running.stage import StageResult, WorkItem

SPEAK_FROM = 0.04
"""Share of a run's time from which the time left is shown, ..."""

SPEAK_AFTER = 5.0
"""... and seconds from which it is shown: before that, the estimate would be a guess."""

SPEAK_AFTER_ROWS = 24
"""Number of finished rows after which it is shown at any share of the time."""


@dataclass(slots=True)
class PhaseProgress:
    """`done`: rows that passed (the last phase: final rows). `dropped`: reason -> rows that ended
    here. `running`: rows in work."""

    done: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    running: int = 0

    @property
    def through(self) -> int:
        return self.done + self.dropped.total()


@dataclass(frozen=True, slots=True)
class Pass:
    """Phases that one model does together. `weight` is the relative cost of its tokens; None if it
    is not known."""

    phases: tuple[str, ...]
    weight: float | None = None


class Progress:
    """The counts of the whole store, including earlier runs. `cost` is that of this run.

    `phases` are in their order: a row that passes one waits for the next. `passes` are those of
    this run. `advice` follows from `evidence`; both are about the rows of this run.
    """

    def __init__(
        self,
        phases: Sequence[str],
        *,
        rows: int = 0,
        rejected: int = 0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.rows = rows
        self.rejected = rejected
        self.phases = {phase: PhaseProgress() for phase in phases}
        self.passes: Sequence[Pass] = (Pass(tuple(phases)),)
        self.forecast = Forecast(phases)
        self.cost = Cost()
        self.finished_here = 0
        self.last: WorkItem | None = None
        self.evidence: QualityCounts | None = None
        self.advice: Sequence[Finding] = ()
        self._results = 0
        self._look_at = ENDLESS
        self._next: dict[str, str | None] = dict(zip(phases, [*phases[1:], None], strict=True))
        self._clock = clock
        self.started = clock()
        self._pace = Pace(clock)
        self._passing = 0
        self._costs: dict[float | None, Costs] = {}
        self._estimating = threading.Lock()
        self._last_left: tuple[float, float | None] = (-math.inf, None)

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
        return self._clock() - self.started

    def waiting(self, phase: str) -> int:
        """The number of rows that have reached this phase and not finished it."""
        reached = self.rows
        for name, state in self.phases.items():
            if name == phase:
                return reached - state.through
            reached = state.done
        raise KeyError(phase)

    def begin_pass(self, number: int, engine: Engine | None) -> None:
        """A pass begins on this engine; None if it asks no model."""
        if now := self._pace.now():
            self._costs[self.passes[self._passing].weight] = now.costs
        self._passing = number
        self._pace = Pace(self._clock, engine)

    def begin_row(self, row: WorkItem, phase: str) -> None:
        """A row that waited for a phase begins it."""
        self.phases[phase].running += 1
        self.forecast.begin_row(phase, row.row, size_of(row))

    def request_sent(self, row: WorkItem, phase: str, request: str) -> None:
        """A request of a row is given to the engine."""
        self.forecast.request_sent(phase, row.row, request)
        self._pace.request_sent(request)

    def request_done(self, phase: str, completion: Completion) -> None:
        """A request of a phase is complete."""
        read, written = completion.tokens_in, completion.tokens_out
        spent = self.cost
        self.cost = Cost(
            spent.tokens_in + read, spent.tokens_out + written, spent.seconds + completion.seconds
        )
        if completion.tokens_decoded is not None:
            read = completion.tokens_decoded
        self.forecast.request_done(completion.id, read, written)
        self._pace.request_done(completion, read)

    def postpone_row(self, row: WorkItem, phase: str) -> None:
        """A row that had begun a phase waits for it again."""
        self.phases[phase].running -= 1
        self.forecast.postpone_row(phase, row.row, size_of(row))

    def finish_row(
        self, row: WorkItem, phase: str, result: StageResult, *, goes_on: bool = False
    ) -> None:
        """A row has finished a phase; `row` has the result already. With `goes_on` it begins the
        next phase immediately."""
        state = self.phases[phase]
        state.running -= 1
        if result.dropped:
            state.dropped[result.dropped] += 1
        else:
            state.done += 1
        following = None if result.dropped else self._next[phase]
        self.forecast.finish_row(phase, row.row, following, at_once=goes_on)
        if following is None:
            self.finished_here += 1
            if not result.dropped:
                self.last = row
        elif goes_on:
            self.phases[following].running += 1
        if self.evidence is not None:
            self.evidence.add(row, phase, result)
            self._results += 1
            if self._results >= self._look_at:
                self.advice = findings(self.evidence)
                few = ENDLESS if self._look_at < FEWEST else FEWEST // 2
                self._look_at += max(few, self._look_at // 20)

    @property
    def seconds_left(self) -> float | None:
        """Estimated seconds until the end of this run; None as long as there is no estimate. It is
        computed at most once a second."""
        if not self.pending:
            return None
        with self._estimating:
            at, left = self._last_left
            if self._clock() - at >= 1:
                left = self._estimated_left()
                self._last_left = self._clock(), left
            return left

    def _estimated_left(self) -> float | None:
        if (now := self._pace.now()) is None:
            return None
        counts = {
            name: (
                max(0, self.waiting(name) - state.running),
                (state.done + 9.5) / (state.through + 10),
            )
            for name, state in self.phases.items()
        }
        passes = [of.phases for of in self.passes]
        remaining = self.forecast.remaining(counts, passes, now.flights)
        if remaining is None:
            return None
        left = sum(
            work.seconds(self._costs_of(number, now.costs), now.slots)
            for number, work in enumerate(remaining)
        )
        seconds = self.seconds
        early = self.finished_here < SPEAK_AFTER_ROWS and seconds < SPEAK_FROM * (seconds + left)
        return None if early or seconds < SPEAK_AFTER or not left else left

    def _costs_of(self, number: int, now: Costs) -> Costs:
        """The costs of a pass's steps: the current ones, those of an earlier pass with such a
        model, or the current ones times the ratio of the models' weights."""
        own, weight = self.passes[self._passing].weight, self.passes[number].weight
        if number == self._passing or weight == own:
            return now
        if weight in self._costs:
            return self._costs[weight]
        return Costs(*(cost * weight / own for cost in now)) if weight and own else now


def size_of(item: WorkItem) -> Size:
    """The lengths of a row's texts. An item that is not a row has no lengths."""
    if not isinstance(item, Row):
        return Size(1.0, 0.0, 0.0, 1.0)
    asked = answered = answers = usable = 0
    for turn in item.conversation.turns:
        text = turn.text
        length = len(text) if text.isascii() else len(text.encode(errors="surrogatepass"))
        if turn.role == "assistant":
            answered += length
            answers += 1
            usable += min(length, LONGEST)
        else:
            asked += length
    return Size(1.0, asked, answered, answers, usable)


class View(Protocol):
    """Shows the progress every `every` seconds and at the end."""

    every: float

    def show(self, progress: Progress) -> None: ...

    def close(self, progress: Progress) -> None: ...


@contextmanager
def showing(progress: Progress, views: Sequence[View]) -> Iterator[None]:
    """The views show the progress while this context lasts."""
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
