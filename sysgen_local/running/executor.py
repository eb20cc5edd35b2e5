"""Passes over rows: loads each model that is asked, drives its stages, minds Ctrl-C.

Neighbouring tasks of one model make one pass, depth first; a judge of its own makes another.
"""

from __future__ import annotations

import hashlib
import json
import signal
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from itertools import groupby
from types import FrameType
from typing import Any

from sysgen_local.core.server import Server
from sysgen_local.engine.factory import open_engine, require
from sysgen_local.engine.options import Options
from sysgen_local.engine.request import Engine
from sysgen_local.models import Model, place
from sysgen_local.running.pipeline import Pipeline
from sysgen_local.running.progress import Pass, Progress, View, showing
from sysgen_local.running.stage import AnyStage, AnyWorkQueue

NAMES = ("model", "model_license", "judge", "prompt_set", "calibration", "model_parameters")
"""Facts that only name what another fact identifies, as a path does, or follow from the others:
they may change."""

LATER = ("chat",)
"""Facts that older versions did not note. A recipe without one was made as it is now."""


@dataclass(frozen=True, slots=True)
class Task:
    """A stage, the model it asks (None: it asks none) and the facts its results depend on."""

    stage: AnyStage
    model: Model | None
    facts: dict[str, str]
    prepare: Callable[[Engine, Any], None] | None = None
    """Asks the model what the stage must know before its first row."""

    @property
    def fingerprint(self) -> str:
        return self.of(self.facts)

    @property
    def older(self) -> str:
        """The fingerprint that an older version gave to this task."""
        return self.as_noted(self.facts, {})

    @classmethod
    def as_noted(cls, facts: Mapping[str, str], there: Mapping[str, str]) -> str:
        """The fingerprint of these facts without those that `there`, a recipe's, did not note."""
        return cls.of({k: of for k, of in facts.items() if k in there or k not in LATER})

    @staticmethod
    def of(facts: Mapping[str, str]) -> str:
        what = {name: value for name, value in facts.items() if name not in NAMES}
        return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()


def run(
    tasks: Sequence[Task],
    board: AnyWorkQueue,
    progress: Progress,
    views: Sequence[View],
    options: Options,
    *,
    announce: Callable[[str], None] = lambda line: None,
) -> bool:
    """Runs the tasks over everything due. False if it was interrupted: it can be taken up again.

    Rows that fit the model's context but not the memory there is now are tried again in larger
    slots as far as there is memory, and else stay due: memory ends no row.
    """
    passes = [
        (loaded, [task for _, task in group])
        for loaded, group in groupby(_with_models(tasks), key=lambda pair: pair[0])
    ]
    progress.passes = [
        Pass(tuple(task.stage.phase for task in its), _weight(loaded[0])) for loaded, its in passes
    ]
    with showing(progress, views):
        for number, ((model, context), its) in enumerate(passes):
            stages = [task.stage for task in its]
            if not any(progress.waiting(stage.phase) for stage in stages):
                continue
            if model is None:
                progress.begin_pass(number, None)
                Pipeline(board, stages, progress).run(None)
            else:
                prepare: list[Callable[[Engine], None]] = [
                    partial(_prepared, task.prepare, board) for task in its if task.prepare
                ]
                prepare.append(partial(progress.begin_pass, number))
                mine = replace(options, no_room=True, context=context or options.context)
                pipeline = partial(Pipeline, board, stages, progress)
                if not _run_on(model, mine, pipeline, prepare, announce):
                    return False
        return True


def require_models(tasks: Sequence[Task]) -> None:
    """Raises as `open_engine` does for a model of these tasks that llama.cpp does not take or whose
    weights do not fit into memory, without loading any."""
    for model in {str(task.model): task.model for task in tasks if task.model}.values():
        require(place(model))


def _prepared(prepare: Callable[[Engine, Any], None], board: AnyWorkQueue, engine: Engine) -> None:
    prepare(engine, board)


def _run_on(
    model: Model,
    options: Options,
    pipeline: Callable[[], Pipeline[Any, Any, Any]],
    prepare: Sequence[Callable[[Engine], None]],
    announce: Callable[[str], None],
) -> bool:
    """Loads the model and runs the pipeline on it, again with larger slots for rows that had no
    room in them. False if that was interrupted."""
    room = left = 0
    with _interruptible() as interruption:
        while True:
            engine = interruption.engine = open_engine(place(model), options, announce)
            work = pipeline()
            try:
                before, room = room, getattr(engine, "slot_tokens", 0)
                if before < room or not before:
                    announce(engine.description)
                    for ask in prepare:
                        if not interruption.came:
                            ask(engine)
                    if not interruption.came:
                        work.run(engine)
                    left = work.no_room
            finally:
                engine.close()
            if interruption.came or not left:
                return not interruption.came
            if before >= room:
                announce(
                    f"{left:,} rows need more memory than is free now and stay pending: run again "
                    "when more is free"
                )
                return True
            options = replace(options, least=2 * room)


def _weight(model: Model | None) -> float | None:
    """What a token costs beside another model's: it grows with the weights. Those of a server are
    not known."""
    if model is None or isinstance(model, Server):
        return None
    return float(model.path.stat().st_size)


Loaded = tuple[Model | None, int | None]
"""A model, and the tokens that a row may take where that is not the model's own number."""


def _with_models(tasks: Sequence[Task]) -> list[tuple[Loaded, Task]]:
    """Each task with what to load for it; one that asks no model joins its neighbour's pass."""
    loaded: list[Loaded] = [
        (task.model, int(context) if (context := task.facts.get("context")) else None)
        for task in tasks
    ]
    for i, (model, _) in enumerate(loaded):
        if model is None:
            before = loaded[i - 1] if i else (None, None)
            after = next((of for of in loaded[i + 1 :] if of[0]), (None, None))
            loaded[i] = before if before[0] else after
    return list(zip(loaded, tasks, strict=True))


class _Interruption:
    """Ctrl-C or SIGTERM: the first ends the engine's work after its current step, a second one
    leaves at once, or within `interrupts.GRACE` where a library does not return."""

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
    """While this lasts, signals go to what it yields. Python lets only the main thread say so:
    in another one they go where they went."""
    interruption = _Interruption()
    if threading.current_thread() is not threading.main_thread():
        yield interruption
        return
    before = {s: signal.signal(s, interruption) for s in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield interruption
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
