"""Runs tasks: loads each model, runs its stages over all due rows, and handles Ctrl-C.

A pass is a group of consecutive tasks that ask the same model. The model is loaded once for a pass,
and the rows go through its stages in waves (see `sysgen_local.running.pipeline`). If phase 3 has
a judge of its own, that judge has a pass of its own.
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

from sysgen_local.core.counted import counted
from sysgen_local.core.errors import UsageError
from sysgen_local.core.model_files import ModelFiles
from sysgen_local.core.server import Server
from sysgen_local.engine.factory import connect, keeping_weights, open_engine, require
from sysgen_local.engine.options import Options
from sysgen_local.engine.request import Engine
from sysgen_local.models import Model, place
from sysgen_local.models.copies import finder
from sysgen_local.running.pipeline import Pipeline
from sysgen_local.running.progress import Pass, Progress, View, showing
from sysgen_local.running.stage import AnyStage, AnyWorkQueue
from sysgen_local.running.throughput import with_fastest_settings

NAMES = (
    "model", "model_license", "lora_license", "judge", "prompt_set", "calibration",
    "model_parameters", "questions_file",
)  # fmt: skip
"""Facts that are not part of a fingerprint, so that they may change. They are names, for example a
path, of what another fact identifies, or they follow from other facts."""

LATER = ("chat",)
"""Facts that older versions did not record. Results with such a recipe were made in the same way as
now, so a recipe without one of these facts still matches."""


@dataclass(frozen=True, slots=True)
class Task:
    """A stage, the model that it asks (None: no model), and the facts its results depend on."""

    stage: AnyStage
    model: Model | None
    facts: dict[str, str]
    prepare: Callable[[Engine, Any], None] | None = None
    """Called with the engine and the queue before the first row, for example to ask the model for
    the calibration of its verdicts."""

    @property
    def fingerprint(self) -> str:
        """A digest of the facts. A phase never has results of two fingerprints."""
        return self.of(self.facts)

    @property
    def older(self) -> str:
        """The fingerprint that an older version gave to this task."""
        return self.as_noted(self.facts, {})

    @classmethod
    def as_noted(cls, facts: Mapping[str, str], recorded: Mapping[str, str]) -> str:
        """The fingerprint of these facts without those of `LATER` that are not in `recorded`, the
        facts of a recipe in a store. It equals the recipe's fingerprint if the facts are equal."""
        kept = {name: v for name, v in facts.items() if name in recorded or name not in LATER}
        before = recorded.get("model_file", "")
        if before.startswith("http") and before in facts.get("model", "").split(","):
            kept["model_file"] = before  # older versions identified a server by its address
        return cls.of(kept)

    @staticmethod
    def of(facts: Mapping[str, str]) -> str:
        """The fingerprint of these facts: SHA-256 in hexadecimal, without the facts of `NAMES`."""
        identifying = {name: value for name, value in facts.items() if name not in NAMES}
        return hashlib.sha256(json.dumps(identifying, sort_keys=True).encode()).hexdigest()


def run(
    tasks: Sequence[Task],
    queue: AnyWorkQueue,
    progress: Progress,
    views: Sequence[View],
    options: Options,
    *,
    announce: Callable[[str], None] = lambda line: None,
) -> bool:
    """Runs the tasks over all rows that are due. Returns False if it was interrupted; the same call
    then continues it.

    `queue` gives the rows and takes the results, `views` show `progress`, and `announce` is called
    with lines of text about the model and the memory.

    Some rows fit into the model's context, but not into the slots: these would take more memory
    than is free, or the rows are so few that larger slots for all would waste it. They are tried
    again with larger slots if there is memory for these. Otherwise they stay due: no row is dropped
    because memory is short.

    Raises as `open_engine`, `require_cluster` and `Pipeline.run`.
    """
    require_cluster(tasks, options)
    passes = [
        (loaded, [task for _, task in group])
        for loaded, group in groupby(_models_to_load(tasks), key=lambda pair: pair[0])
    ]
    progress.passes = [
        Pass(tuple(task.stage.phase for task in pass_tasks), _weight(loaded[0]))
        for loaded, pass_tasks in passes
    ]
    with showing(progress, views), keeping_weights():
        for number, ((model, context), pass_tasks) in enumerate(passes):
            stages = [task.stage for task in pass_tasks]
            waiting = [bool(progress.waiting(stage.phase)) for stage in stages]
            if not any(waiting):
                continue
            # Rows go on from the first stage that has some. Without a model from there on, none
            # is loaded.
            left = pass_tasks[waiting.index(True) :]
            if model is None or all(task.model is None for task in left):
                progress.begin_pass(number, None)
                Pipeline(queue, stages, progress).run(None)
            else:
                preparations: list[Callable[[Engine], None]] = [
                    partial(_prepare, task.prepare, queue) for task in pass_tasks if task.prepare
                ]
                if preparations:
                    preparations.insert(0, progress.begin_calibration)
                preparations.append(partial(progress.begin_pass, number))
                pass_options = replace(options, no_room=True, context=context or options.context)
                pipeline = partial(Pipeline, queue, stages, progress)
                progress.begin_loading(model.title if isinstance(model, Server) else model.name)
                rows = max(progress.waiting(stage.phase) for stage in stages)
                tune = partial(with_fastest_settings, rows=rows)
                if not _run_pass(model, pass_options, tune, pipeline, preparations, announce):
                    return False
        return True


def require_models(tasks: Sequence[Task], options: Options) -> None:
    """Raises as `open_engine` if llama.cpp cannot load a model of these tasks, if its weights do
    not fit into memory, or if its server does not answer. No weights are loaded."""
    for model in {str(task.model): task.model for task in tasks if task.model}.values():
        require(place(model), options)


def require_cluster(tasks: Sequence[Task], options: Options) -> None:
    """Connects to the Ray cluster of the options, if they name one. Raises UsageError if it cannot
    be used, if all models are at servers, and for options of workers without a cluster."""
    if options.ray is None:
        of_workers = (options.workers, options.worker_cpus, options.worker_gpus)
        if options.worker_resources or any(of is not None for of in of_workers):
            raise UsageError(
                "--workers, --worker-cpus, --worker-gpus and --worker-resources are for --ray",
                hint="add --ray, for a cluster of this machine, or --ray HOST:PORT",
            )
        return
    models = [task.model for task in tasks if task.model is not None]
    servers = [model for model in models if isinstance(model, Server)]
    if servers and len(servers) == len(models):
        raise UsageError(
            f"--ray distributes a model that is loaded here, and {servers[0].name} is a server",
            hint="leave --ray off, or name a GGUF",
        )
    if models:
        connect(options)


def _prepare(prepare: Callable[[Engine, Any], None], queue: AnyWorkQueue, engine: Engine) -> None:
    """`prepare` with its arguments in another order, so that `partial` can bind the queue."""
    prepare(engine, queue)


def _run_pass(
    model: Model,
    options: Options,
    tune: Callable[..., Options],
    pipeline: Callable[[], Pipeline[Any, Any, Any]],
    preparations: Sequence[Callable[[Engine], None]],
    announce: Callable[[str], None],
) -> bool:
    """Loads the model and runs a new `pipeline` on it. If rows did not fit into the slots, it loads
    the model again with larger slots for them. Returns False if it was interrupted.

    `tune` is `with_fastest_settings`, to be called where the model is loaded. Workers of a cluster
    do so, and find the model's files, on their own machines."""
    slot_tokens = rows_left = 0
    files = place(model)
    opens = partial(open_engine, files)
    if not isinstance(model, Server) and options.ray is not None:
        opens = partial(open_engine, files, find=finder(model), tune=tune)
    elif isinstance(files, ModelFiles):
        options = tune(files, options, say=announce)
    with handling_signals() as interruption:
        interruption.ends_waiting = isinstance(model, Server)
        while True:
            engine = interruption.engine = opens(options, announce)
            work = pipeline()
            try:
                before, slot_tokens = slot_tokens, getattr(engine, "slot_tokens", 0)
                if before < slot_tokens or not before:
                    announce(engine.description)
                    for prepare in preparations:
                        if not interruption.requested:
                            prepare(engine)
                    if not interruption.requested:
                        work.run(engine)
                    rows_left = work.no_room
            finally:
                engine.close()
            if interruption.requested or not rows_left:
                return not interruption.requested
            if before >= slot_tokens:  # there is no memory for larger slots
                announce(
                    f"still pending, for want of memory: {counted(rows_left, 'row')}; run again "
                    "when more is free"
                )
                return True
            longer = tuple(of for of in options.lengths if of[0] > slot_tokens)
            options = replace(options, least=2 * slot_tokens, lengths=longer, late_rows=rows_left)


def _weight(model: Model | None) -> float | None:
    """The relative cost of a token: the size of the model in bytes. None for a server, whose
    size is not known."""
    if model is None or isinstance(model, Server):
        return None
    return float(model.files.size)


Loaded = tuple[Model | None, int | None]
"""What is loaded for a pass: the model, and the largest number of tokens of a row (None: as given
in the options, or as many as the model can)."""


def _models_to_load(tasks: Sequence[Task]) -> list[tuple[Loaded, Task]]:
    """Each task with what is loaded for it. A task without a model has the model of the task before
    it, or else of the next task with a model, so that it is in the same pass."""
    loaded: list[Loaded] = [
        (task.model, int(context) if (context := task.facts.get("context")) else None)
        for task in tasks
    ]
    for i, (model, _) in enumerate(loaded):
        if model is None:
            before = loaded[i - 1] if i else (None, None)
            after = next((later for later in loaded[i + 1 :] if later[0]), (None, None))
            loaded[i] = before if before[0] else after
    return list(zip(loaded, tasks, strict=True))


class Interruption:
    """The signal handler during a pass. The first Ctrl-C or SIGTERM ends the engine's work after
    the current step. The second one raises KeyboardInterrupt. With `ends_waiting` the first one
    does so before there is an engine: a server may be waited for then. (While llama.cpp loads a
    model, Python would drop the exception.) If a library does not return to Python,
    `sysgen_local.running.interrupts` ends the process after `GRACE` seconds."""

    def __init__(self) -> None:
        self.requested = False
        self.ends_waiting = False
        self.engine: Engine | None = None

    def __call__(self, number: int, _: FrameType | None) -> None:
        if self.requested:
            raise KeyboardInterrupt
        self.requested = True
        if self.engine is not None:
            self.engine.cancel()
        elif self.ends_waiting:
            raise KeyboardInterrupt


@contextmanager
def handling_signals() -> Iterator[Interruption]:
    """Yields an `Interruption` that is the handler of Ctrl-C and SIGTERM inside the `with` block.
    Python allows this only in the main thread. In another thread the handlers do not change."""
    interruption = Interruption()
    if threading.current_thread() is not threading.main_thread():
        yield interruption
        return
    before = {s: signal.signal(s, interruption) for s in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield interruption
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
