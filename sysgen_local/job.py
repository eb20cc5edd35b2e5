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
from sysgen_local.engine.request import Engine, Sampling
from sysgen_local.errors import RecipeError, UsageError
from sysgen_local.models import ResolvedModel, fingerprint, resolve
from sysgen_local.models import check as check_file
from sysgen_local.passes import NAMES, Task
from sysgen_local.phases.check import CheckAnswers
from sysgen_local.phases.filter import Filter
from sysgen_local.phases.generate import Generate
from sysgen_local.phases.respond import Respond
from sysgen_local.phases.tags import parse_any
from sysgen_local.phases.verify import Verify
from sysgen_local.progress import Progress, View
from sysgen_local.prompts import PromptSet
from sysgen_local.records import PHASES, Generated, Phase
from sysgen_local.settings import Settings, Shown, Turns
from sysgen_local.stage import Stage
from sysgen_local.store import Store

if TYPE_CHECKING:
    from sysgen_local.engine.plan import Options

T = TypeVar("T")

SAMPLING = Sampling(temperature=0.7, top_p=0.95)
"""For models whose vendor recommends nothing."""

SHOWN: Shown = "always"
"""Where the original answer is in view by default; see `benchmarks/README.md`."""

TRIES = 3
"""Answers a row may take until one passes the checks."""

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


def plan(
    settings: Settings, store: Store, phases: Sequence[Phase], redo: Phase | None = None
) -> list[Task]:
    """The tasks for these phases; `redo` is the phase whose results will be forgotten first.

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
    language = _language(settings.language or known.get("language", "generate"))
    verify = Verify(
        judging,
        min_p_good=_first(settings.min_p_good, known.get("min_p_good", "verify"), float, 0.0),
        keep_system=keep,
    )
    respond = Respond(
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
        shown=cast(Shown, settings.show_answer or known.get("shown", "respond") or _shown(store)),
    )
    check = CheckAnswers(
        prompts, respond, tries=_first(settings.tries, known.get("tries", "check"), int, TRIES)
    )
    stages: dict[Phase, tuple[Stage, ResolvedModel | None]] = {
        "generate": (
            Generate(prompts, sampling, seed, keep_system=keep, language=language),
            model,
        ),
        "filter": (Filter(keep, prompts.demonstrations("generate")), None),
        "verify": (verify, judge),
        "respond": (respond, model),
        "check": (check, model),
    }
    tasks = []
    for phase in PHASES:
        if phase in phases and (phase != "check" or _checks(settings, store, phases, redo)):
            stage, asked = stages[phase]
            facts = stage.facts()
            if asked is not None:
                header = check_file(asked.path)
                terms = asked.entry.license if asked.entry else header.license
                facts |= {"model": _spelling(asked), "model_file": fingerprint(asked.path)}
                facts |= {"model_license": terms or "unknown"}
                facts |= {"model_parameters": str(header.parameters)}
                facts |= {"prompt_set": judging.name if phase == "verify" else prompts.name}
            if phase == "verify":
                facts["judge"] = judge_name
            prepare = _calibrating(verify, store, facts) if phase == "verify" else None
            tasks.append(Task(stage, asked, facts, prepare))
    return tasks


def lacking(tasks: Sequence[Task]) -> list[str]:
    """A sentence for each thing that is left out because a prompt set of the user's own has no
    file for it."""
    said = []
    for stage in (task.stage for task in tasks):
        if not isinstance(stage, Respond | CheckAnswers) or stage.prompts.shipped:
            continue
        prompts = stage.prompts
        if isinstance(stage, CheckAnswers):
            lost = [f"{file}.md" for file in ("agree", "follow") if not prompts.has(file)]
            left_out = "answers are checked by rule alone"
        else:
            lost = [] if stage.shown == "never" or prompts.has("rewrite") else ["rewrite.md"]
            left_out = "answers are written without the original in view"
        if lost:
            said.append(f"{prompts.name} has no {' and no '.join(lost)}: {left_out}")
    return said


def _language(code: str | None) -> str | None:
    """Raises UsageError for one that is not known."""
    from sysgen_local.language import NAMES

    if code is not None and code not in NAMES:
        raise UsageError(
            f"--language {code} is no code of a language", hint=f"name one of {', '.join(NAMES)}"
        )
    return code


def _calibrating(
    verify: Verify, store: Store, facts: dict[str, str]
) -> Callable[[Engine, Store], None]:
    """Calibrates the verdicts: by what the recipe holds where it is this one, else by asking the
    model, and then the recipe keeps it."""
    recipe = store.recipe("verify")
    if recipe and recipe.fingerprint == Task.of(facts) and "calibration" in recipe.facts:
        facts["calibration"] = recipe.facts["calibration"]
        verify.calibration.read(facts["calibration"])

    def calibrate(engine: Engine, store: Store) -> None:
        def note(fact: str) -> None:
            facts["calibration"] = fact
            store.set_recipe("verify", Task.of(facts), facts)

        verify.calibrate(engine, note)

    return calibrate


def _checks(settings: Settings, store: Store, phases: Sequence[Phase], redo: Phase | None) -> bool:
    """Whether answers are checked: as asked for, else as the store's are. A store whose answers
    were never checked (an older one, or one by --no-check) stays so. Raises RecipeError where
    answers are there that were checked and are not to be."""
    if settings.check is None:
        alone = list(phases) == ["check"]
        return alone or store.recipe("check") is not None or store.recipe("respond") is None
    checked = "check" in store.phases and store.counts().phases["check"].done
    if checked and not settings.check and redo is None:
        raise RecipeError(
            f"the answers in {store.path} were checked",
            hint="leave --no-check off, or forget what the checks did: --no-check --redo check",
        )
    return settings.check


def agree(tasks: Sequence[Task], store: Store, *, check: bool | None = None) -> None:
    """Writes down the recipe of each task, or raises RecipeError where the store has another.
    `check` False: the store's answers are final without being checked."""
    if check is False:
        store.forget_recipe("check")
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
    progress = Progress(tuple(counts.phases), rows=rows, rejected=counts.rejected)
    for phase, state in counts.phases.items():
        progress.phases[phase].done = state.kept
        progress.phases[phase].dropped.update(state.dropped)
    progress.evidence = None if (seen := store.evidence(blank=True)).demonstration else seen
    through = store.through()
    for phase, size in store.waiting().items():
        if phase in progress.phases:
            progress.forecast.wait(phase, size)
            done = counts.phases[phase]
            progress.forecast.earlier(phase, done.done, done.tokens_out, through)
    return progress


def _spelling(model: ResolvedModel) -> str:
    """What `resolve` would take to find this model again."""
    if model.entry is None:
        return str(model.path.absolute())
    return f"{model.name}:{model.quant}" if model.quant else model.name


def _shown(store: Store) -> Shown:
    """Answers that are there by a recipe without a word of it were written as the paper does."""
    return "never" if store.recipe("respond") else SHOWN


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
