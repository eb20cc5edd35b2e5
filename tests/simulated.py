"""A run in simulated time: the real pipeline, scheduler and progress, and an engine whose steps
take what a table says. Nothing is random: lengths are drawn by seeds."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from sysgen_local.core.records import Conversation, Row, Turn
from sysgen_local.engine.llama.scheduler import Scheduler
from sysgen_local.engine.llama.step_costs import CPU_COSTS, StepCosts
from sysgen_local.engine.request import Completion, Costs, Flight, Load, Request
from sysgen_local.running.pipeline import Pipeline
from sysgen_local.running.progress import Pass, Progress, size_of

CPU = Costs(fixed=0.018, read=0.0034, written=0.0097)
"""Seconds: a model of 1.5 billion parameters on two cores, sixteen slots."""

GPU = Costs(fixed=0.006, read=0.00002, written=0.00003)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@dataclass(slots=True)
class _Sequence:
    request: Request
    pending_tokens: int
    read: int
    to_write: int
    started: float
    slot: int = 0
    position: int = 480  # the prefix that is kept
    written: int = 0
    is_prefilling: bool = True
    one_token_per_step: bool = False
    finish: str | None = None


class SimulatedEngine:
    """The tokens of a request are in its id: NAME/READ/WRITTEN."""

    description = "simulated"

    def __init__(
        self, clock: Clock, costs: Costs, slots: int = 16, usual: Costs = CPU_COSTS
    ) -> None:
        self.clock = clock
        self.costs = costs
        self.slots = slots
        self.times = StepCosts(usual)
        self.scheduler: Any = Scheduler(512)
        self.watch = lambda: None

    def complete(self, requests: Iterable[Request | None]) -> Iterator[Completion]:
        source = iter(requests)
        running = self.scheduler.running
        while True:
            running = self.scheduler.running
            while len(running) < self.slots and (request := next(source, None)) is not None:
                _, first, last = request.id.split("/")
                running.append(
                    _Sequence(request, int(first), int(first), int(last), self.clock.now)
                )
            if not running:
                return
            shares = self.scheduler.schedule()
            read = sum(s.length for s in shares if s.sequence.is_prefilling)
            written = sum(s.length for s in shares if not s.sequence.is_prefilling)
            step = self.costs.fixed + self.costs.read * read + self.costs.written * written
            self.clock.now += step
            self.times.add(read, written, step)
            for sequence, length in shares:
                sequence.position += length
                sequence.pending_tokens -= length
                if not sequence.pending_tokens:
                    sequence.is_prefilling = False
                    sequence.written += sequence.to_write > 0
                    sequence.pending_tokens = 1
                    if sequence.written >= sequence.to_write:
                        sequence.finish = "stop"
            self.watch()
            for done in self.scheduler.remove_finished():
                yield Completion(
                    done.request.id, "", "stop", done.read + 480, done.written,
                    self.clock.now - done.started, tokens_decoded=done.read,
                )  # fmt: skip

    def load(self) -> Load:
        flights = tuple(
            Flight(s.request.id, s.read - s.pending_tokens * s.is_prefilling, s.written)
            for s in self.scheduler.running
        )
        times = self.times
        return Load(
            times.steps,
            times.prefill_tokens,
            times.generated_tokens,
            self.slots,
            flights,
            times.costs,
        )

    def cancel(self) -> None: ...

    def close(self) -> None: ...


class SilentEngine(SimulatedEngine):
    """The same as a server is: it tells nothing but completions."""

    load = None


@dataclass(frozen=True, slots=True)
class Done:
    dropped: str | None = None


@dataclass(frozen=True)
class Stage:
    """`model(random, row)` gives the requests of a row, (read, written) each, and whether it is
    dropped."""

    phase: str
    model: Callable[..., Any]
    seed: int = 0

    def work(self, row: Row):
        drawn = random.Random(f"{self.seed}:{self.phase}:{row.row}")
        requests, dropped = self.model(drawn, row)
        for i, (read, written) in enumerate(requests):
            yield [Request(f"{row.row}:{self.phase}:{i}/{max(1, round(read))}/{round(written)}",
                           self.phase, ())]  # fmt: skip
        return Done(dropped)
        yield

    def facts(self) -> dict[str, str]:
        return {}


class SimulatedItem(Row):
    def after(self, phase, result):
        return self


@dataclass
class SimulatedQueue:
    rows: Sequence[Row]
    done: dict[str, dict[int, Done]] = field(default_factory=dict)
    phases: Sequence[str] = ()

    def due(self, phase: str) -> Iterator[Row]:
        at = self.phases.index(phase)
        for row in self.rows:
            before = at == 0 or self._passed(self.phases[at - 1], row.row)
            if before and row.row not in self.done.get(phase, {}):
                yield row

    def of(self, rows: Sequence[Row]) -> SimulatedQueue:
        """The same queue with some of its rows."""
        return SimulatedQueue(rows, self.done, self.phases)

    def _passed(self, phase: str, row: int) -> bool:
        found = self.done.get(phase, {}).get(row)
        return found is not None and found.dropped is None

    def commit(self, results) -> None:
        for row, phase, result in results:
            assert row not in self.done.setdefault(phase, {})
            self.done[phase][row] = result


def rows(number: int, seed: int, *, answer: float = 600, spread: float = 0.7, turns: int = 1):
    """Rows whose texts differ in length log-normally around so many characters."""
    made = []
    for i in range(1, number + 1):
        drawn = random.Random(f"{seed}:{i}")
        said = []
        for _ in range(drawn.randint(1, turns)):
            said.append(Turn("user", "q" * round(300 * math.exp(drawn.gauss(0, spread)))))
            said.append(Turn("assistant", "a" * round(answer * math.exp(drawn.gauss(0, spread)))))
        made.append(SimulatedItem(i, Conversation(tuple(said), i)))
    return made


def _bytes(row: Row, role: str) -> int:
    return sum(len(t.content) for t in row.conversation.turns if t.role == role)


def _answers(drawn: random.Random, row: Row, longer: float) -> list[float]:
    """Tokens of each new answer; cut off at 1024."""
    return [
        min(1024, (100 + 0.8 * len(t.content) / 4.3) * longer * math.exp(drawn.gauss(-0.18, 0.6)))
        for t in row.conversation.turns
        if t.role == "assistant"
    ]


def stages(seed: int, *, phrases: float = 6, longer: float = 1.0, fails: float = 0.25, drop=0.05):
    """The five phases. `longer`: how much longer the model's answers are than usual; `fails`: the
    share of answers that are written again."""

    def generate(drawn, row):
        read = 40 + (_bytes(row, "user") + _bytes(row, "assistant")) / 4.3
        return [(read, drawn.gauss(16 * phrases, 8))], "cut_off" if drawn.random() < 0.02 else None

    def filter_(drawn, row):
        return [], None

    def verify(drawn, row):
        first = (20 + _bytes(row, "user") / 4.3, 0)
        return [first] + [(18, 0)] * (round(drawn.gauss(phrases, 1)) - 1), None

    def respond(drawn, row):
        read = 70 + _bytes(row, "user") / 4.3
        asked = [(read if i == 0 else 100, n) for i, n in enumerate(_answers(drawn, row, longer))]
        return asked, "cut_off" if drawn.random() < drop else None

    def check(drawn, row):
        both = (_bytes(row, "user") + _bytes(row, "assistant")) / 4.3
        requests, dropped = [], None
        for tried in range(3):
            new = _answers(drawn, row, longer)
            if tried:
                requests += [(100, n) for n in new]
            requests += [(60 + both + sum(new), 0), (60 + both + sum(new), 0)] + [(20, 0)] * 3
            if drawn.random() > fails:
                break
        else:
            dropped = "disagrees"
        return requests, dropped

    models = {
        "generate": generate, "filter": filter_, "verify": verify, "respond": respond,
        "check": check,
    }  # fmt: skip
    return [Stage(name, model, seed) for name, model in models.items()]


@dataclass
class Told:
    """What a run said: (seconds, seconds left) at moments a second or so apart."""

    took: float
    said: list[tuple[float, float | None]]
    progress: Progress

    def at(self, share: float) -> float | None:
        """The time that the whole run was said to take, over what it took, at this share of it."""
        moment, left = next((t, x) for t, x in self.said if t >= share * self.took)
        return None if left is None else (moment + left) / self.took


def run(
    the_rows: Sequence[Row],
    the_stages: Sequence[Stage],
    *,
    passes: Sequence[tuple[int, float | None]] | None = None,
    engine=SimulatedEngine,
    costs: Costs = CPU,
    slots: int = 16,
    queue: SimulatedQueue | None = None,
    usual: Costs = CPU_COSTS,
    every: float = 2.0,
) -> Told:
    """Runs the stages; `passes` are (number of stages, weight of their model) where there are
    several."""
    clock = Clock()
    names = tuple(stage.phase for stage in the_stages)
    queue = queue or SimulatedQueue(the_rows, phases=names)
    progress = Progress(queue.phases, rows=len(the_rows), clock=clock)
    for name in queue.phases:
        for result in queue.done.get(name, {}).values():
            if result.dropped:
                progress.phases[name].dropped[result.dropped] += 1
            else:
                progress.phases[name].done += 1
    for name in queue.phases:
        for row in queue.due(name):
            progress.forecast.add_waiting(name, size_of(row))
    groups = passes or [(len(the_stages), None)]
    at, grouped = 0, []
    for number, _ in groups:
        grouped.append(list(the_stages[at : at + number]))
        at += number
    progress.passes = [
        Pass(tuple(s.phase for s in group), weight)
        for group, (_, weight) in zip(grouped, groups, strict=True)
    ]
    said: list[tuple[float, float | None]] = []

    def watch() -> None:
        if not said or clock.now - said[-1][0] >= every:
            said.append((clock.now, progress.seconds_left))

    base = next((weight for _, weight in groups if weight), 1.0)
    for number, group in enumerate(grouped):
        dearer = (groups[number][1] or base) / base
        one = engine(clock, Costs(*(cost * dearer for cost in costs)), slots, usual)
        one.watch = watch
        progress.begin_pass(number, one)
        Pipeline(queue, group, progress).run(one)
    said.append((clock.now, progress.seconds_left))
    return Told(clock.now, said, progress)
