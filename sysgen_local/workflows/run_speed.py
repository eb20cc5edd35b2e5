"""The speed of a run: rows an hour over all phases, noted for later forecasts."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sysgen_local.core.server import Server
from sysgen_local.engine.request import Engine, Loaded
from sysgen_local.models import ResolvedModel, fingerprint, measured
from sysgen_local.running.executor import Task
from sysgen_local.running.progress import Progress
from sysgen_local.store import Counts

FEWEST_ROWS = 20
"""A run that finished fewer rows is not noted."""

MOST_UNDERWAY = 0.2
"""Nor is a run in which more rows than this share of the finished ones began before it, or are left
unfinished: their time is only partly in it."""

ALL_PHASES = {"generate", "filter", "verify", "respond"}


class RunMeasurement:
    """Watches a run: it is one of its views, and `watched` are its tasks.

    Only a run that takes rows from the first phase to the last one with one GGUF is noted. Rows
    that keep their system messages take less work, so a run with them is not noted.
    """

    every = 3600.0

    def __init__(self, tasks: Sequence[Task], before: Counts) -> None:
        """`before`: the counts of the store before the run."""
        self._underway = _underway(before)
        self._model = _only_model(tasks)
        self._checked = any(task.stage.phase == "check" for task in tasks)
        self._began = 0.0
        self._seconds = 0.0
        self._engine: tuple[float, str] | None = None
        self._progress: Progress | None = None
        self.watched = tasks
        if self._model is not None:
            last = max(i for i, task in enumerate(tasks) if task.model is not None)
            watched = list(tasks)
            watched[last] = replace(tasks[last], prepare=self._preparing(tasks[last]))
            self.watched = watched

    def show(self, progress: Progress) -> None: ...

    def close(self, progress: Progress) -> None:
        """The run is over: the time after this moment does not count."""
        self._progress = progress
        self._seconds = time.monotonic() - self._began

    def note(self, after: Counts) -> None:
        """Notes the speed, if there were enough rows. `after`: the counts of the store after the
        run. Raises SysgenError as `measured.note`."""
        if self._model is None or self._engine is None or self._progress is None:
            return
        rows, cost = self._progress.finished_here, self._progress.cost
        underway = self._underway + _underway(after)
        if rows < FEWEST_ROWS or underway > MOST_UNDERWAY * rows:
            return
        load_seconds, device = self._engine
        measured.note(
            file=self._model.path.name,
            fingerprint=fingerprint(self._model.path),
            by="run",
            checked=self._checked,
            rows_an_hour=3600 * rows / self._seconds,
            read=cost.tokens_in / self._seconds,
            written=cost.tokens_out / self._seconds,
            load_seconds=load_seconds,
            device=device,
            rows=rows,
        )

    def _preparing(self, task: Task) -> Any:
        """What the task does before its first row, and then the clock starts."""

        def prepare(engine: Engine, queue: Any) -> None:
            if task.prepare is not None:
                task.prepare(engine, queue)
            # A model that is loaded again has its slots enlarged.
            if self._engine is None and isinstance(engine, Loaded):
                self._engine = engine.load_seconds, engine.device
                self._began = time.monotonic()

        return prepare


def _only_model(tasks: Sequence[Task]) -> ResolvedModel | None:
    """The GGUF that does all phases; None where phases are missing, there are several models, LoRA
    adapters or a server, or where rows keep their system messages."""
    if not {str(task.stage.phase) for task in tasks} >= ALL_PHASES:
        return None
    if any(task.facts.get("existing_system") == "keep" for task in tasks):
        return None
    models = {str(task.model): task.model for task in tasks if task.model is not None}
    model = models.popitem()[1]
    if models or isinstance(model, Server) or model.adapters:
        return None
    return model


def _underway(counts: Counts) -> int:
    """The rows that wait for another phase than the first."""
    _, *later = counts.phases.values()
    return sum(phase.pending for phase in later)
