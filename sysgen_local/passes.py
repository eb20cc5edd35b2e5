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
from functools import partial
from itertools import groupby
from types import FrameType
from typing import TYPE_CHECKING, Any

from sysgen_local.engine.request import Engine
from sysgen_local.models import Model, Server
from sysgen_local.pipeline import Pipeline
from sysgen_local.progress import Pass, Progress, View, shown
from sysgen_local.stage import Board, Stage

if TYPE_CHECKING:
    from sysgen_local.engine.plan import Options

NAMES = ("model", "model_license", "judge", "prompt_set", "calibration", "model_parameters")
"""Facts that only name what another fact identifies, as a path does, or follow from the others:
they may change."""


@dataclass(frozen=True, slots=True)
class Task:
    """A stage, the model it asks (None: it asks none) and the facts its results depend on."""

    stage: Stage
    model: Model | None
    facts: dict[str, str]
    prepare: Callable[[Engine, Any], None] | None = None
    """Asks the model what the stage must know before its first row."""

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
    passes = [
        (model, [task for _, task in group])
        for model, group in groupby(_with_models(tasks), key=lambda pair: pair[0])
    ]
    progress.passes = [
        Pass(tuple(task.stage.phase for task in its), _weight(model)) for model, its in passes
    ]
    with shown(progress, views):
        for number, (model, its) in enumerate(passes):
            stages = [task.stage for task in its]
            if not any(progress.waiting(stage.phase) for stage in stages):
                continue
            pipeline = Pipeline(board, stages, progress)
            if model is None:
                progress.passing(number, None)
                pipeline.run(None)
            else:
                prepare: list[Callable[[Engine], None]] = [
                    partial(_prepared, task.prepare, board) for task in its if task.prepare
                ]
                prepare.append(partial(progress.passing, number))
                if not _run_on(model, options, pipeline, prepare, announce):
                    return False
        return True


def open_engine(
    model: Model, options: Options, say: Callable[[str], None] = lambda line: None
) -> Engine:
    """Loads the model, or finds its server; `say` is told when that is waited for. Raises
    UsageError or SysgenError for one that cannot be used."""
    if isinstance(model, Server):
        from sysgen_local.engine.server import ServerEngine

        return ServerEngine(model.url, model.model, slots=options.slots, say=say)
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


def _prepared(prepare: Callable[[Engine, Any], None], board: Board, engine: Engine) -> None:
    prepare(engine, board)


def _run_on(
    model: Model,
    options: Options,
    pipeline: Pipeline,
    prepare: Sequence[Callable[[Engine], None]],
    announce: Callable[[str], None],
) -> bool:
    """Loads the model and runs the pipeline on it. False if that was interrupted."""
    with _interruptible() as interruption:
        engine = interruption.engine = open_engine(model, options, announce)
        try:
            announce(engine.description)
            for ask in prepare:
                if not interruption.came:
                    ask(engine)
            if not interruption.came:
                pipeline.run(engine)
        finally:
            engine.close()
    return not interruption.came


def _weight(model: Model | None) -> float | None:
    """What a token costs beside another model's: it grows with the weights. Those of a server are
    not known."""
    if model is None or isinstance(model, Server):
        return None
    return float(model.path.stat().st_size)


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
