"""What the user asked for, worked out: which stages run with which model, under which recipe.

An option that is not given is what the store was made with, else the model's recommendation,
else a default. A recipe that differs from the store's stops the run: recipes never mix silently.
"""

from __future__ import annotations

import hashlib
import json
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from itertools import groupby
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, TypeVar, cast

from pydantic import BaseModel, ConfigDict, ValidationError

from sysgen_local.engine.request import Engine, Sampling
from sysgen_local.errors import RecipeError, UsageError
from sysgen_local.models import ResolvedModel, check, fingerprint, resolve
from sysgen_local.phases.filter import Filter
from sysgen_local.phases.generate import Generate
from sysgen_local.phases.respond import Respond
from sysgen_local.phases.stage import Stage
from sysgen_local.phases.tags import parse_any
from sysgen_local.phases.verify import Verify
from sysgen_local.pipeline import Pipeline
from sysgen_local.progress import Progress, Reporter
from sysgen_local.prompts import PromptSet
from sysgen_local.records import PHASES, Generated, Phase
from sysgen_local.settings import Settings, Turns
from sysgen_local.store import Store

if TYPE_CHECKING:
    from sysgen_local.engine.plan import Options

T = TypeVar("T")

SAMPLING = Sampling(temperature=0.7, top_p=0.95)
"""For models whose vendor recommends nothing."""

BYTES_PER_TOKEN = 3
"""Few tokenizers make more tokens than that of any language or code."""

BESIDE_THE_ROW = 2048
"""Tokens for demonstrations, system message and new answer."""

NAMES = ("model", "model_license", "judge", "prompt_set")
"""Facts that only name what another fact identifies: they may change, as a path does."""


@dataclass(frozen=True, slots=True)
class Task:
    """A stage, the model it asks (None: it asks none) and the facts its results depend on."""

    stage: Stage
    model: ResolvedModel | None
    facts: dict[str, str]

    @property
    def fingerprint(self) -> str:
        return self.of(self.facts)

    @staticmethod
    def of(facts: dict[str, str]) -> str:
        what = {name: value for name, value in facts.items() if name not in NAMES}
        return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()


class _Known:
    """What the store says the earlier phases were made with."""

    def __init__(self, store: Store) -> None:
        recipes = {phase: store.recipe(phase) for phase in PHASES}
        self._facts = {phase: dict(r.facts) if r else {} for phase, r in recipes.items()}

    def get(self, name: str, *phases: Phase) -> str | None:
        return next((f[name] for p in phases if name in (f := self._facts[p])), None)


def plan(settings: Settings, store: Store, phases: Sequence[Phase]) -> list[Task]:
    """The tasks for these phases.

    Raises UsageError for what cannot be found, does not fit or is no model that can chat, and
    SysgenError for a model file that is not whole.
    """
    known = _Known(store)
    model = resolve(settings.model or known.get("model", "generate", "respond") or "builtin")
    judge_name = settings.judge or known.get("judge", "verify") or "same"
    judge = model if judge_name == "same" else resolve(judge_name)
    prompts = _prompts(settings, known, model, "generate", "respond")
    judging = prompts if judge is model else _prompts(settings, known, judge, "verify")
    seed = _first(settings.seed, known.get("seed", "generate", "respond"), int, 0)
    sampling = _sampling(settings, known, model)
    existing = settings.existing_system or known.get("existing_system", *PHASES) or "replace"
    keep = existing == "keep"
    stages: dict[Phase, tuple[Stage, ResolvedModel | None]] = {
        "generate": (Generate(prompts, sampling, seed, keep_system=keep), model),
        "filter": (Filter(keep_system=keep), None),
        "verify": (
            Verify(
                judging,
                min_p_good=_first(
                    settings.min_p_good, known.get("min_p_good", "verify"), float, 0.0
                ),
                keep_system=keep,
            ),
            judge,
        ),
        "respond": (
            Respond(
                prompts,
                sampling,
                seed,
                max_tokens=_first(
                    settings.max_answer_tokens, known.get("max_tokens", "respond"), int, 1024
                ),
                turns=cast(Turns, settings.turns or known.get("turns", "respond") or "all"),
                keep_truncated=_first(
                    settings.keep_truncated,
                    known.get("keep_truncated", "respond"),
                    lambda text: text == "True",
                    False,
                ),
            ),
            model,
        ),
    }
    tasks = []
    for phase in PHASES:
        if phase in phases:
            stage, asked = stages[phase]
            facts = stage.facts()
            if asked is not None:
                header = check(asked.path)
                terms = asked.entry.license if asked.entry else header.license
                facts |= {"model": _spelling(asked), "model_file": fingerprint(asked.path)}
                facts |= {"model_license": terms or "unknown"}
                facts |= {"prompt_set": judging.name if phase == "verify" else prompts.name}
            if phase == "verify":
                facts["judge"] = judge_name
            tasks.append(Task(stage, asked, facts))
    return tasks


def agree(tasks: Sequence[Task], store: Store) -> None:
    """Writes down the recipe of each task, or raises RecipeError where the store has another."""
    counts = store.counts()
    for task in tasks:
        phase = task.stage.phase
        there = store.recipe(phase)
        if there and "imported" in there.facts and not counts.phases[phase].pending:
            continue  # phrases from elsewhere: there is nothing for this phase to do
        if there is None or counts.phases[phase].done == 0:
            store.set_recipe(phase, task.fingerprint, task.facts)
        elif there.fingerprint != task.fingerprint:
            before = dict(there.facts)
            differ = [
                f"{name} was {_short(before.get(name))}, now {_short(task.facts.get(name))}"
                for name in sorted({*before, *task.facts})
                if before.get(name) != task.facts.get(name) and name not in NAMES
            ]
            raise RecipeError(
                f"{store.path} was made with another recipe for {phase}: {'; '.join(differ)}",
                hint=f"give the options it was made with, do this phase and all after it again "
                f"(--redo {phase}), or write to another file (--db FILE)",
            )


def run(
    tasks: Sequence[Task],
    store: Store,
    reporter: Reporter,
    options: Options,
    *,
    announce: Callable[[str], None] = lambda line: None,
) -> bool:
    """Runs the tasks over everything due. False if it was interrupted: it can be taken up again.

    Neighbouring tasks of one model run together, depth first; a judge of its own makes passes.
    """
    progress = progress_of(store)
    options = replace(options, longest=store.longest() // BYTES_PER_TOKEN + BESIDE_THE_ROW)
    try:
        for path, group in groupby(_with_models(tasks), key=lambda pair: pair[0]):
            stages = [task.stage for _, task in group]
            if not any(progress.waiting(stage.phase) for stage in stages):
                continue
            pipeline = Pipeline(store, stages, progress, reporter)
            if path is None:
                pipeline.run(None)
            elif not _run_on(path, options, pipeline, announce):
                return False
        return True
    finally:
        reporter.close(progress)


def _run_on(
    model: ResolvedModel, options: Options, pipeline: Pipeline, announce: Callable[[str], None]
) -> bool:
    """Loads the model and runs the pipeline on it. False if that was interrupted."""
    from sysgen_local.engine.llama import LlamaEngine

    with _interruptible() as interruption:
        engine = interruption.engine = LlamaEngine(model.path, options)
        try:
            announce(engine.description)
            if not interruption.came:
                pipeline.run(engine)
        finally:
            engine.close()
    return not interruption.came


def progress_of(store: Store) -> Progress:
    """The progress as the store has it."""
    counts = store.counts()
    progress = Progress(rows=counts.input - counts.rejected, rejected=counts.rejected)
    for phase in PHASES:
        state = counts.phases[phase]
        progress.phases[phase].done = state.kept
        progress.phases[phase].dropped.update(state.dropped)
    return progress


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


def _with_models(tasks: Sequence[Task]) -> list[tuple[ResolvedModel | None, Task]]:
    """Each task with the model to load for it; one that asks none joins its neighbour's pass."""
    models = [task.model for task in tasks]
    for i, model in enumerate(models):
        if model is None:
            before = models[i - 1] if i else None
            after = next((m for m in models[i + 1 :] if m), None)
            models[i] = before or after
    return list(zip(models, tasks, strict=True))


def _spelling(model: ResolvedModel) -> str:
    """What `resolve` would take to find this model again."""
    if model.entry is None:
        return str(model.path.absolute())
    return f"{model.name}:{model.quant}" if model.quant else model.name


def _prompts(settings: Settings, known: _Known, model: ResolvedModel, *phases: Phase) -> PromptSet:
    recommended = model.entry.prompts if model.entry else "default"
    return PromptSet.load(settings.prompts or known.get("prompt_set", *phases) or recommended)


def _sampling(settings: Settings, known: _Known, model: ResolvedModel) -> Sampling:
    """Given options over the store's over the vendor's over the default."""
    values = asdict(SAMPLING)
    if stored := known.get("sampling", "generate", "respond"):
        values |= json.loads(stored)
    elif model.entry is not None:
        values |= model.entry.sampling.model_dump(exclude_none=True)
    given = {name: getattr(settings, name) for name in values}
    return Sampling(**(values | {name: v for name, v in given.items() if v is not None}))


def _first(given: T | None, stored: str | None, parse: Callable[[str], T], default: T) -> T:
    if given is not None:
        return given
    return default if stored is None else parse(stored)


def _short(value: str | None) -> str:
    text = "nothing" if value is None else value
    return text if len(text) <= 40 else f"{text[:12]}…"


def machine(
    *, slots: int | None, context: int | None, gpu_layers: int | None, threads: int | None
) -> Options:
    """The engine's options; imports llama.cpp."""
    from sysgen_local.engine.plan import Options

    return Options(slots=slots, context=context, gpu_layers=gpu_layers, threads=threads)


def import_phrases(store: Store, path: Path) -> tuple[int, int]:
    """Phrases written elsewhere as phase 1's results: (rows taken in, rows that had theirs).

    Every line of `path` is {"row": number, "text": tagged or JSON phrases}. All lines are
    checked before anything is written; raises UsageError that names file and line.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} cannot be read: {error}") from error
    written: dict[int, Generated] = {}
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                entry = _Imported.model_validate_json(line)
            except ValidationError as error:
                first = error.errors()[0]
                where = ".".join(map(str, first["loc"])) or "line"
                raise UsageError(
                    f"{path}, line {number}: {where}: {first['msg']}",
                    hint='each line is {"row": 1, "text": "<<Role>> You are ..."}',
                ) from error
            if entry.row in written:
                raise UsageError(f"{path}, line {number}: row {entry.row} is there twice")
            written[entry.row] = Generated(parse_any(entry.text), raw=entry.text)
    due = {row.row for row in store.due("generate")}
    known = store.counts().phases["generate"].done + len(due)
    if unknown := [row for row in written if not 1 <= row <= known]:
        raise UsageError(
            f"{path}: row {unknown[0]} is not in {store.path}, whose rows are 1 to {known}",
            hint="name the dataset that the phrases belong to: import-tags TAGS DATASET",
        )
    store.commit([(row, "generate", result) for row, result in written.items() if row in due])
    if store.recipe("generate") is None:
        facts = {"imported": path.name}
        store.set_recipe("generate", Task.of(facts), facts)
    return len(due & written.keys()), len(written.keys() - due)


class _Imported(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True)

    row: int
    text: str


def need_rows(store: Store) -> None:
    """Raises UsageError for a store without rows."""
    if store.counts().input == 0:
        raise UsageError(
            f"{store.path} holds no rows", hint="name a dataset: sysgen run rows.jsonl -o out.jsonl"
        )
