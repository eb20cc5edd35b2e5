"""What the user asked for, worked out: which stages run with which model, under which recipe.

An option that is not given is what the store was made with, else the model's recommendation,
else a default. A recipe that differs from the store's stops the run: recipes never mix silently.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, cast

from pydantic import BaseModel, ConfigDict, ValidationError

from sysgen_local import passes
from sysgen_local.engine.request import Sampling
from sysgen_local.errors import RecipeError, UsageError
from sysgen_local.models import ResolvedModel, check, fingerprint, resolve
from sysgen_local.passes import NAMES, Task
from sysgen_local.phases.filter import Filter
from sysgen_local.phases.generate import Generate
from sysgen_local.phases.respond import Respond
from sysgen_local.phases.tags import parse_any
from sysgen_local.phases.verify import Verify
from sysgen_local.progress import Progress, View
from sysgen_local.prompts import PromptSet
from sysgen_local.records import PHASES, Generated, Phase
from sysgen_local.settings import Settings, Turns
from sysgen_local.stage import Stage
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
    views: Sequence[View],
    options: Options,
    *,
    announce: Callable[[str], None] = lambda line: None,
) -> bool:
    """Runs the tasks over everything due. False if it was interrupted: it can be taken up again."""
    options = replace(options, longest=store.longest() // BYTES_PER_TOKEN + BESIDE_THE_ROW)
    return passes.run(tasks, store, progress_of(store), views, options, announce=announce)


def progress_of(store: Store) -> Progress:
    """The progress as the store has it."""
    counts = store.counts()
    rows = counts.input - counts.rejected
    progress = Progress(PHASES, rows=rows, rejected=counts.rejected)
    for phase in PHASES:
        state = counts.phases[phase]
        progress.phases[phase].done = state.kept
        progress.phases[phase].dropped.update(state.dropped)
    return progress


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


def import_phrases(store: Store, path: Path) -> tuple[int, int]:
    """Phrases written elsewhere as phase 1's results: (rows taken in, rows that had theirs).

    Every line of `path` is {"row": number, "text": tagged or JSON phrases}. All lines are
    checked before anything is written; raises UsageError that names file and line.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is no text in UTF-8 (byte {error.start})") from error
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
    """Raises UsageError for a store without rows that can be used."""
    counts = store.counts()
    if counts.input == counts.rejected:
        why = f"; `sysgen stats --db {store.path}` shows what was wrong with those it was given"
        raise UsageError(
            f"{store.path} holds no usable rows",
            hint=f"name a dataset: sysgen run rows.jsonl -o out.jsonl{why if counts.input else ''}",
        )
