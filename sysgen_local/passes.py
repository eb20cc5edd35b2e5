"""Passes over rows: loads each model that is asked, drives its stages, minds Ctrl-C.

Neighbouring tasks of one model make one pass, depth first; a judge of its own makes another.
"""

from __future__ import annotations

import hashlib
import json
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby
from types import FrameType
from typing import TYPE_CHECKING

from sysgen_local.engine.request import Engine
from sysgen_local.models import Model, Server
from sysgen_local.pipeline import Pipeline
from sysgen_local.progress import Progress, View, shown
from sysgen_local.stage import Board, Stage

if TYPE_CHECKING:
    from sysgen_local.engine.plan import Options

NAMES = ("model", "model_license", "judge", "prompt_set")
"""Facts that only name what another fact identifies: they may change, as a path does."""


@dataclass(frozen=True, slots=True)
class Task:
    """A stage, the model it asks (None: it asks none) and the facts its results depend on."""

    stage: Stage
    model: Model | None
    facts: dict[str, str]

    @property
    def fingerprint(self) -> str:
        return self.of(self.facts)

    @staticmethod
    def of(facts: dict[str, str]) -> str:
        what = {name: value for name, value in facts.items() if name not in NAMES}
        return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()


def run(
    tasks: Sequence[Task],
    board: Board,
    progress: Progress,
    views: Sequence[View],
    options: Options,
    *,
    announce: Callable[[str], None] = lambda line: None,
) -> bool:
    """Runs the tasks over everything due. False if it was interrupted: it can be taken up again."""
    progress.working = {task.stage.phase for task in tasks}
    with shown(progress, views):
        for model, group in groupby(_with_models(tasks), key=lambda pair: pair[0]):
            stages = [task.stage for _, task in group]
            if not any(progress.waiting(stage.phase) for stage in stages):
                continue
            pipeline = Pipeline(board, stages, progress)
            if model is None:
                pipeline.run(None)
            elif not _run_on(model, options, pipeline, announce):
                return False
        return True


def open_engine(model: Model, options: Options) -> Engine:
    """Loads the model, or finds its server. Raises UsageError or SysgenError for one that cannot
    be used."""
    if isinstance(model, Server):
        from sysgen_local.engine.server import ServerEngine

        return ServerEngine(model.url, model.model, slots=options.slots)
    from sysgen_local.engine.llama import LlamaEngine

    return LlamaEngine(model.path, options)


def named(model: Model) -> Model:
    """A server whose model was left open, with the one that it lists first: another model at the
    same address is another model. Raises as `open_engine`."""
    if not isinstance(model, Server) or model.model is not None:
        return model
    from sysgen_local.engine.server import ServerEngine

    engine = ServerEngine(model.url)
    engine.close()
    return Server(model.url, engine.model)


def machine(
    *,
    slots: int | None = None,
    context: int | None = None,
    gpu_layers: int | None = None,
    threads: int | None = None,
    batch: int | None = None,
    flash: bool | None = None,
    longest: int | None = None,
) -> Options:
    """The engine's options; imports llama.cpp. `longest`: tokens of the longest job, about."""
    from sysgen_local.engine.plan import BATCH, Options

    return Options(
        slots=slots,
        context=context,
        longest=longest,
        batch=batch or BATCH,
        flash=flash,
        gpu_layers=gpu_layers,
        threads=threads,
    )


def _run_on(
    model: Model, options: Options, pipeline: Pipeline, announce: Callable[[str], None]
) -> bool:
    """Loads the model and runs the pipeline on it. False if that was interrupted."""
    with _interruptible() as interruption:
        engine = interruption.engine = open_engine(model, options)
        try:
            announce(engine.description)
            if not interruption.came:
                pipeline.run(engine)
        finally:
            engine.close()
    return not interruption.came


def _with_models(tasks: Sequence[Task]) -> list[tuple[Model | None, Task]]:
    """Each task with the model to load for it; one that asks none joins its neighbour's pass."""
    models: list[Model | None] = [task.model for task in tasks]
    for i, model in enumerate(models):
        if model is None:
            before = models[i - 1] if i else None
            after = next((m for m in models[i + 1 :] if m), None)
            models[i] = before or after
    return list(zip(models, tasks, strict=True))


class _Interruption:
    """Ctrl-C or SIGTERM: the first ends the engine's work after its current step, a second one
    leaves at once."""

    def __init__(self) -> None:
        self.came = False
        self.engine: Engine | None = None

    def __call__(self, number: int, _: FrameType | None) -> None:
        if self.came:
            raise KeyboardInterrupt
        self.came = True
        if self.engine is not None:
            self.engine.cancel()


@contextmanager
def _interruptible() -> Iterator[_Interruption]:
    """While this lasts, signals go to what it yields."""
    interruption = _Interruption()
    before = {s: signal.signal(s, interruption) for s in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield interruption
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
