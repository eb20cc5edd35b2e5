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
from typing import NamedTuple, Protocol

from sysgen_local.core.advice import ENDLESS, FEWEST, Finding, findings
from sysgen_local.core.counted import counted
from sysgen_local.core.quality import QualityCounts
from sysgen_local.core.records import NOTHING, Row
from sysgen_local.core.sizes import LONGEST, Size
from sysgen_local.engine.request import Completion, Costs, Engine, Telling
from sysgen_local.running.activity import Activity, Step
from sysgen_local.running.forecast import Forecast, Pace, RemainingWork
from sysgen_local.running.stage import StageResult, WorkItem, cost_of

RECENT = 10
"""Number of finished rows that are kept to be shown."""

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


@dataclass(frozen=True, slots=True)
class _Left:
    """The seconds left as estimated at a moment, and how many requests were answered by then."""

    at: float = -math.inf
    left: float | None = None
    done: int = 0


class Finished(NamedTuple):
    """A row that has ended: the phase it ended in, and the reason if that dropped it."""

    row: WorkItem
    phase: str
    dropped: str | None


class Part(NamedTuple):
    """A run that is one of several: its number from 1, of how many, its name, and the rows that the
    others before it had and that all have."""

    number: int
    of: int
    name: str
    rows_before: int
    rows_of_all: int


class Progress:
    """The counts of the whole store, including earlier runs. `cost` is that of this run.

    `phases` are in their order: a row that passes one waits for the next. `passes` are those of
    this run. `advice` follows from `evidence`; both are about the rows of this run, as are `last`,
    the last final row, and `recent`, the last `RECENT` rows that ended, the latest at the end.
    `end`: what a row is called that has passed the last phase.
    """

    def __init__(
        self,
        phases: Sequence[str],
        *,
        rows: int = 0,
        rejected: int = 0,
        part: Part | None = None,
        end: str = "final",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.rows = rows
        self.rejected = rejected
        self.part = part
        self.end = end
        self.phases = {phase: PhaseProgress() for phase in phases}
        self.passes: Sequence[Pass] = (Pass(tuple(phases)),)
        self.forecast = Forecast(phases)
        self.cost = NOTHING
        self.finished_here = 0
        self.last: WorkItem | None = None
        self.recent: tuple[Finished, ...] = ()
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
        self._last_left = _Left()
        self._requests_done = 0
        self._step: tuple[Step, str, float] = ("starting", "", self.started)
        self._engine: Engine | None = None

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

    @property
    def title(self) -> str:
        """Which part of the work this is: the run, if it is one of several, and the model, if the
        run has several. Empty for a run of one model."""
        parts = []
        if self.part:
            number, of, name, before, every = self.part
            through = before + self.final + self.dropped
            parts.append(
                f"{number} of {of}: {name} ({through:,} of {counted(every, 'row')} of all)"
            )
        if len(self.passes) > 1:
            phases = ", ".join(self.passes[self._passing].phases)
            parts.append(f"model {self._passing + 1} of {len(self.passes)}: {phases}")
        return " · ".join(parts)

    @property
    def activity(self) -> Activity:
        """What the run does now. Another thread may ask during the run."""
        step, model, since = self._step
        here = Activity(step, model, self._clock() - since, waiting=self._pace.requests_sent)
        return here.with_load(self._engine.load()) if isinstance(self._engine, Telling) else here

    def begin_loading(self, model: str) -> None:
        """A model is about to be loaded."""
        self._engine = None
        self._step = "loading", model, self._clock()

    def begin_calibration(self, engine: Engine) -> None:
        """The model is loaded, and is asked before the first row."""
        self._engine = engine
        self._step = "calibrating", self._step[1], self._clock()

    def begin_pass(self, number: int, engine: Engine | None) -> None:
        """A pass begins on this engine; None if it asks no model."""
        self._engine = engine
        self._step = "working", self._step[1], self._clock()
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
        self._requests_done += 1
        self.cost = self.cost.plus(cost_of((completion,)))
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
            # A new tuple: another thread may be going through the one of before.
            self.recent = (*self.recent[1 - RECENT :], Finished(row, phase, result.dropped))
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
        computed at most once a second. While no request is answered it does not grow: the model may
        be slow, or hang, and neither says more about the rest of the run."""
        if not self.pending:
            return None
        with self._estimating:
            last, now = self._last_left, self._clock()
            if now - last.at >= 1:
                left = self._estimated_left()
                if left is not None and last.left is not None and self._requests_done == last.done:
                    left = min(left, last.left)
                self._last_left = _Left(now, left, self._requests_done)
            return self._last_left.left

    def whole(self) -> tuple[float, float, float] | None:
        """(seconds, tokens to read, tokens to write) of what is left, as a guess from what this run
        has done so far, however little that is. None without any answer."""
        remaining = self._remaining()
        if remaining is None:
            return None
        works, seconds = remaining
        return seconds, sum(work.read for work in works), sum(work.written for work in works)

    def _estimated_left(self) -> float | None:
        if (remaining := self._remaining()) is None:
            return None
        left, seconds = remaining[1], self.seconds
        early = self.finished_here < SPEAK_AFTER_ROWS and seconds < SPEAK_FROM * (seconds + left)
        return None if early or seconds < SPEAK_AFTER or not left else left

    def _remaining(self) -> tuple[list[RemainingWork], float] | None:
        """The remaining work of each pass, and the seconds of all."""
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
        return remaining, left

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
