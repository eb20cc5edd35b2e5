"""Runs stages: due rows -> requests -> completions -> committed rows. The only loop over an engine.

The first rows go through all stages at once, so that they are finished early. Later rows go in
waves: some rows are begun, and then these go through the next stage together, and through the one
after it. So a batch holds requests of one stage, which are about equally long. llama.cpp computes
the attention of every sequence of a batch over as many cells as the longest one has, so short
prompts beside long ones cost as much as they. A wave grows with the rows that are finished, up to
`WAVE` times the engine's slots. Measured: see docs/engine.md.

Results are committed while a row moves; with a real model, each result is committed immediately. A
killed run loses only the rows that are in work.

One row cannot end a run: an exception in its work is recorded as that row's failure. If the first
rows of a phase all fail, the cause is not in the rows: the run ends and nothing is recorded of
them.
"""

from __future__ import annotations

import gc
import time
from collections import defaultdict, deque
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from typing import Generic, TypeVar

from sysgen_local.core.errors import SysgenError
from sysgen_local.engine.request import Completion, Engine, Request, Telling
from sysgen_local.running.progress import Progress
from sysgen_local.running.stage import STAGE_FAILED, Stage, StageResult, Work, WorkItem, WorkQueue

PhaseT = TypeVar("PhaseT", bound=str)
ItemT = TypeVar("ItemT", bound=WorkItem)
ResultT = TypeVar("ResultT", bound=StageResult)

COMMIT_SHARE = 20
"""After a commit, the next one waits for this many times the seconds that it took. So commits take
at most a twentieth of the time, and results are collected only where they come faster."""

COMMIT_SAVED = 10.0
"""Seconds of waiting that can be saved up while no result comes. So a real model's results are
written immediately, also if many come together after a pause."""

COMMIT_RESULTS = 2048
"""Results that are collected at most before a commit."""

FAILED = (STAGE_FAILED, f"judge_{STAGE_FAILED}")
"""Reasons of a row whose work raised an exception (`judge_failed`: the judge of a benchmark)."""

WAVE = 3
"""Rows of a wave for each slot of the engine. Larger waves gain little, and the user waits longer
for the next finished row."""

DOUBTFUL = 16
"""If this many rows of a phase fail before one succeeds, the run ends with an error."""


@contextmanager
def _rare_garbage_collection() -> Iterator[None]:
    """Raises the thresholds of the garbage collector while this lasts.

    Rows, requests and completions have no reference cycles. With Python's default (a collection
    after every 700 new objects) the collector takes a sixth of the pipeline's time.
    """
    before = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


class Job(Generic[ItemT, ResultT]):
    """One item at one stage: its generator, and the requests without an answer so far."""

    __slots__ = ("_answers", "_order", "_waiting", "postponed", "row", "stage", "work")

    def __init__(self, row: ItemT, stage: int, work: Work[ResultT]) -> None:
        self.row = row
        self.stage = stage
        self.work = work
        self.postponed = False  # to a later run

    def expect(self, requests: Sequence[Request]) -> None:
        self._order = [request.id for request in requests]
        self._waiting = set(self._order)
        self._answers: dict[str, Completion] = {}

    def answer(self, completion: Completion) -> list[Completion] | None:
        """All completions in the order of their requests; None until the last one has come."""
        self._waiting.discard(completion.id)
        self._answers[completion.id] = completion
        return None if self._waiting else [self._answers[i] for i in self._order]


class Pipeline(Generic[PhaseT, ItemT, ResultT]):
    """Runs consecutive `stages` over all items of `queue` that are due.

    `no_room` counts the items that stay due because the engine has too little memory for them.
    """

    def __init__(
        self,
        queue: WorkQueue[PhaseT, ItemT, ResultT],
        stages: Sequence[Stage[PhaseT, ItemT, ResultT]],
        progress: Progress,
    ) -> None:
        self._queue = queue
        self._stages = stages
        self._progress = progress
        self._ready: list[deque[tuple[Request, Job[ItemT, ResultT]]]] = [deque() for _ in stages]
        self._running: dict[str, Job[ItemT, ResultT]] = {}
        self._results: list[tuple[int, PhaseT, ResultT]] = []
        self._paid = 0.0
        self._engine: Engine | None = None
        self._largest_wave = 0
        self._finished = 0
        self.no_room = 0
        self._working: set[PhaseT] = set()
        self._doubtful: defaultdict[PhaseT, list[tuple[int, PhaseT, ResultT]]] = defaultdict(list)

    @_rare_garbage_collection()
    def run(self, engine: Engine | None) -> None:
        """Runs until nothing is due or the engine is cancelled. `engine` may be None if no stage
        asks a model. Raises SysgenError if the first rows of a phase all fail."""
        requests = self._requests()
        self._paid = time.monotonic()
        self._engine = engine
        try:
            for completion in engine.complete(requests) if engine else ():
                self._receive(completion)
                self._commit_if_due()
            if engine is None:
                for request in requests:
                    raise AssertionError(f"no engine for {request}")
            if not self._running:  # not cancelled: the failed rows are complete
                for phase in list(self._doubtful):
                    self._results += self._doubtful.pop(phase)
        finally:
            requests.close()
            self._commit()

    def _requests(self) -> Generator[Request | None, None, None]:
        """The requests in their order; None while all remaining work waits for completions."""
        due = self._due()
        first = 0  # the stage at which rows are begun now
        begins = True  # whether this is the part of a wave in which rows are begun
        while True:
            begins = begins and not self._is_wave_full(first)
            queue = self._ready[first] if begins else next(filter(None, self._ready), None)
            if queue:
                request, job = queue.popleft()
                if job.postponed:
                    continue
                self._running[request.id] = job
                self._progress.request_sent(job.row, self._stages[job.stage].phase, request.id)
                yield request
            elif entry := next(due, None):
                row, first = entry
                if not begins:
                    begins, self._largest_wave = True, self._wave()
                self._progress.begin_row(row, self._stages[first].phase)
                self._start(row, first)
            elif any(self._ready):
                begins = False
            elif self._running:
                self._commit_if_due()
                yield None
            else:
                return

    def _wave(self) -> int:
        """How many rows the largest wave has; 0 where the engine does not tell its slots."""
        return WAVE * self._engine.load().slots if isinstance(self._engine, Telling) else 0

    def _is_wave_full(self, first: int) -> bool:
        """Whether enough requests wait behind the stage at which rows are begun."""
        waiting = sum(map(len, self._ready)) - len(self._ready[first])
        return waiting >= max(1, min(self._finished, self._largest_wave))

    def _due(self) -> Iterator[tuple[ItemT, int]]:
        """(item, stage) of the items that wait in the queue, the last stage first. An item that
        becomes due during the run is handed on in memory. It does not come again here, because
        the items of its next stage have been read by then."""
        for index in reversed(range(len(self._stages))):
            for row in self._queue.due(self._stages[index].phase):
                yield row, index

    def _start(self, row: ItemT, index: int) -> None:
        self._advance(Job(row, index, self._stages[index].work(row)), None)

    def _receive(self, completion: Completion) -> None:
        job = self._running.pop(completion.id)
        self._progress.request_done(self._stages[job.stage].phase, completion)
        if job.postponed:
            return
        if completion.finish == "no_room":
            self._postpone(job)
            return
        answers = job.answer(completion)
        if answers is not None:
            self._advance(job, answers)

    def _postpone(self, job: Job[ItemT, ResultT]) -> None:
        """Leaves the item due at this stage, for a later run."""
        job.postponed = True
        job.work.close()
        self._progress.postpone_row(job.row, self._stages[job.stage].phase)
        self.no_room += 1

    def _advance(self, job: Job[ItemT, ResultT], answers: list[Completion] | None) -> None:
        """Continues the item's generator, to its next requests or to the next stage."""
        try:
            requests = job.work.send(answers) if answers is not None else next(job.work)
            while not requests:
                requests = job.work.send([])
        except StopIteration as end:
            self._finish(job, end.value)
            return
        except SysgenError:
            raise
        except Exception as error:
            why = f"{type(error).__name__}: {error}"
            self._finish(job, self._stages[job.stage].failed(why))
            return
        job.expect(requests)
        asked = ((request, job) for request in requests)
        if answers is None:
            self._ready[job.stage].extend(asked)
        else:  # they come next, while a slot of the engine still has the row's tokens
            self._ready[job.stage].extendleft(reversed([*asked]))

    def _finish(self, job: Job[ItemT, ResultT], result: ResultT) -> None:
        phase = self._stages[job.stage].phase
        row = job.row.after(phase, result)
        self._keep(row.row, phase, result)
        goes_on = result.dropped is None and job.stage + 1 < len(self._stages)
        self._progress.finish_row(row, phase, result, goes_on=goes_on)
        if goes_on:
            self._start(row, job.stage + 1)
        else:
            self._finished += 1
        self._commit_if_due()

    def _keep(self, row: int, phase: PhaseT, result: ResultT) -> None:
        """Keeps a result for the next commit. Failures are held back until one row of the phase
        succeeds. Raises SysgenError if `DOUBTFUL` rows fail before that."""
        if result.dropped in FAILED and phase not in self._working:
            doubtful = self._doubtful[phase]
            doubtful.append((row, phase, result))
            if len(doubtful) >= DOUBTFUL:
                why = getattr(result, "why", None) or "nothing is known of the reason"
                raise SysgenError(
                    f"the first {DOUBTFUL} rows that came to `{phase}` all failed: {why}",
                    hint="nothing is recorded of them: once this is mended, the same command "
                    "takes it up again",
                )
            return
        self._working.add(phase)
        self._results += [*self._doubtful.pop(phase, ()), (row, phase, result)]

    def _commit_if_due(self) -> None:
        paid = time.monotonic() >= self._paid
        if paid or len(self._results) >= COMMIT_RESULTS:
            self._commit()

    def _commit(self) -> None:
        if self._results:
            started = time.monotonic()
            self._queue.commit(self._results)
            self._results = []
            took = time.monotonic() - started
            self._paid = max(self._paid, started - COMMIT_SAVED) + COMMIT_SHARE * took
