"""Runs stages: due rows -> requests -> completions -> committed rows. The only loop over an engine.

Depth first: the engine is always fed from the most downstream stage that has work, so finished
rows appear at once, the batch holds jobs of several stages, and no stage waits for another. A
row's results are committed as it moves, at once where the model is slower than the disk: a killed
run loses the rows in flight.

No row ends a run: what breaks over one is that row's failure. Where the first rows of a phase all
fail the fault is no row's, and nothing is recorded of them.
"""

from __future__ import annotations

import gc
import time
from collections import defaultdict, deque
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager

from sysgen_local.core.errors import SysgenError
from sysgen_local.engine.request import Completion, Engine, Request
from sysgen_local.running.progress import Progress
from sysgen_local.running.stage import Board, Item, Outcome, Stage, Work

COMMIT_SHARE = 20
"""A commit is paid for by this many times the time it takes: so commits take a twentieth of the
time at most, and only results that come faster than that pays for wait for one another."""

COMMIT_SAVED = 10.0
"""Seconds that may be saved up for commits: behind a real model every result is written at once,
also where many come together after a pause."""

COMMIT_RESULTS = 2048

FAILED = ("failed", "judge_failed")
"""Why a row is dropped that something broke over."""

DOUBTFUL = 16
"""Where so many rows fail before any of that phase gets through, all would."""


@contextmanager
def _seldom_collected() -> Iterator[None]:
    """Rows, requests and completions hold no cycles, so that looking for them after every 700 new
    objects, as Python does, is a sixth of the pipeline's time for nothing."""
    before = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


class Job:
    """A row at one stage: its generator, and what it still waits for."""

    __slots__ = ("_answers", "_order", "_waiting", "left", "row", "stage", "work")

    def __init__(self, row: Item, stage: int, work: Work) -> None:
        self.row = row
        self.stage = stage
        self.work = work
        self.left = False  # as it is, for a later run

    def expect(self, requests: Sequence[Request]) -> None:
        self._order = [request.id for request in requests]
        self._waiting = set(self._order)
        self._answers: dict[str, Completion] = {}

    def answer(self, completion: Completion) -> list[Completion] | None:
        """All completions in the order of their requests, once the last one is there."""
        self._waiting.discard(completion.id)
        self._answers[completion.id] = completion
        return None if self._waiting else [self._answers[i] for i in self._order]


class Pipeline:
    """Drives `stages` (consecutive ones) over every row of `board` that is due.

    `no_room`: rows that were left as they are, because the engine has too little memory for them.
    """

    def __init__(self, board: Board, stages: Sequence[Stage], progress: Progress) -> None:
        self._board = board
        self._stages = stages
        self._progress = progress
        self._ready: list[deque[tuple[Request, Job]]] = [deque() for _ in stages]
        self._running: dict[str, Job] = {}
        self._results: list[tuple[int, str, Outcome]] = []
        self._paid = 0.0
        self.no_room = 0
        self._works: set[str] = set()
        self._doubtful: defaultdict[str, list[tuple[int, str, Outcome]]] = defaultdict(list)

    @_seldom_collected()
    def run(self, engine: Engine | None) -> None:
        """Until nothing is due, or until the engine is cancelled. Stages that ask no model
        need no engine."""
        requests = self._requests()
        self._paid = time.monotonic()
        try:
            for completion in engine.complete(requests) if engine else ():
                self._receive(completion)
                self._commit_if_due()
            if engine is None:
                for request in requests:
                    raise AssertionError(f"no engine for {request}")
            if not self._running:  # not cancelled: what failed was asked to its end
                for phase in list(self._doubtful):
                    self._results += self._doubtful.pop(phase)
        finally:
            requests.close()
            self._commit()

    def _requests(self) -> Generator[Request | None, None, None]:
        """What the engine should do next; None while all that is left waits for answers."""
        due = self._due()
        while True:
            if ready := next((q for q in reversed(self._ready) if q), None):
                request, job = ready.popleft()
                if job.left:
                    continue
                self._running[request.id] = job
                self._progress.asked(job.row, self._stages[job.stage].phase, request.id)
                yield request
            elif entry := next(due, None):
                row, index = entry
                self._progress.begin(row, self._stages[index].phase)
                self._start(row, index)
            elif self._running:
                self._commit_if_due()
                yield None
            else:
                return

    def _due(self) -> Iterator[tuple[Item, int]]:
        """Rows that wait in the store, the furthest first. A row that comes due while the run
        goes on is passed on in memory and not met here again: its phase's pages are behind."""
        for index in reversed(range(len(self._stages))):
            for row in self._board.due(self._stages[index].phase):
                yield row, index

    def _start(self, row: Item, index: int) -> None:
        self._advance(Job(row, index, self._stages[index].work(row)), None)

    def _receive(self, completion: Completion) -> None:
        job = self._running.pop(completion.id)
        self._progress.answered(self._stages[job.stage].phase, completion)
        if job.left:
            return
        if completion.finish == "no_room":
            self._leave(job)
            return
        answers = job.answer(completion)
        if answers is not None:
            self._advance(job, answers)

    def _leave(self, job: Job) -> None:
        """The row waits for this stage as before."""
        job.left = True
        job.work.close()
        self._progress.left_waiting(job.row, self._stages[job.stage].phase)
        self.no_room += 1

    def _advance(self, job: Job, answers: list[Completion] | None) -> None:
        """Lets the row's generator go on: to further requests, or to the next stage."""
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
        self._ready[job.stage].extend((request, job) for request in requests)

    def _finish(self, job: Job, result: Outcome) -> None:
        phase = self._stages[job.stage].phase
        row = job.row.after(phase, result)
        self._keep(row.row, phase, result)
        goes_on = result.dropped is None and job.stage + 1 < len(self._stages)
        self._progress.count(row, phase, result, goes_on=goes_on)
        if goes_on:
            self._start(row, job.stage + 1)
        self._commit_if_due()

    def _keep(self, row: int, phase: str, result: Outcome) -> None:
        """Notes a result; failures only once it is known that not every row fails. Raises
        SysgenError where they all do."""
        if result.dropped in FAILED and phase not in self._works:
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
        self._works.add(phase)
        self._results += [*self._doubtful.pop(phase, ()), (row, phase, result)]

    def _commit_if_due(self) -> None:
        paid = time.monotonic() >= self._paid
        if paid or len(self._results) >= COMMIT_RESULTS:
            self._commit()

    def _commit(self) -> None:
        if self._results:
            started = time.monotonic()
            self._board.commit(self._results)
            self._results = []
            took = time.monotonic() - started
            self._paid = max(self._paid, started - COMMIT_SAVED) + COMMIT_SHARE * took
