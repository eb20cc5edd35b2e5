"""Options and a store -> the tasks of a run: stages, their models, and the facts of their recipes.

The value of an option is the first of these: what was given, what the store was made with, what the
model's vendor recommends, a default. `redo.py` decides which options are for which phase. A task
whose recipe differs from the store's stops the run (`recipe.py`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TypeVar, cast

from sysgen_local.core.errors import RecipeError, UsageError
from sysgen_local.core.records import PHASES, Phase
from sysgen_local.core.server import Server
from sysgen_local.core.settings import Settings, ShowAnswer, Turns
from sysgen_local.core.sizes import BYTES_PER_TOKEN
from sysgen_local.engine.options import Lengths, Options
from sysgen_local.engine.request import Engine, Sampling
from sysgen_local.models import CatalogueEntry, Model, load_catalogue
from sysgen_local.models import check as check_file
from sysgen_local.phases.check import CheckAnswers
from sysgen_local.phases.filter import Filter
from sysgen_local.phases.generate import Generate
from sysgen_local.phases.respond import Respond
from sysgen_local.phases.verify import Verify
from sysgen_local.prompts import PromptSet
from sysgen_local.running import executor
from sysgen_local.running.executor import Task
from sysgen_local.running.progress import Progress, View
from sysgen_local.running.stage import AnyStage
from sysgen_local.store import Store
from sysgen_local.workflows.models import find_model, license_facts, model_facts
from sysgen_local.workflows.recipe import stored_recipes
from sysgen_local.workflows.redo import RecipeInputs

T = TypeVar("T")

SAMPLING = Sampling(temperature=0.7, top_p=0.95)
"""Where the vendor of a model recommends nothing."""

SHOWN: ShowAnswer = "always"
"""When the model sees the original answer, by default; measured in `benchmarks/README.md`."""

TRIES = 3
"""How many answers a row may take until one passes the checks."""

BESIDE_THE_ROW = 2048
"""Tokens of demonstrations, system message and new answer, beside the texts of a row."""


def plan(
    settings: Settings,
    store: Store,
    phases: Sequence[Phase],
    redo: Phase | None = None,
    *,
    context: int | None = None,
) -> list[Task]:
    """The tasks of these phases, in their order. `redo`: the phase whose results, with those of all
    later phases, will be deleted first. `context`: tokens a row may take.

    Raises UsageError for a model, prompt set or option value that cannot be used, and SysgenError
    for a model file that is damaged or cut off.
    """
    known = RecipeInputs(settings, store, redo)
    checking = _checks(settings, store, phases, redo)
    tasks = []
    for phase in PHASES:
        if phase in phases and (phase != "check" or checking):
            stage, model, more = _PLANS[phase](known)
            facts = {**stage.facts(), **more}
            if model is not None:
                facts |= _facts_of(model, _context(known, phase, context))
            prepare = _calibrating(stage, store, facts) if isinstance(stage, Verify) else None
            tasks.append(Task(stage, model, facts, prepare))
    return tasks


Planned = tuple[AnyStage, Model | None, dict[str, str]]
"""A stage, its model, and those facts of its recipe that neither the stage nor the model has."""


def _generate(known: RecipeInputs) -> Planned:
    given, stored = known.given("generate"), known.facts("generate")
    model = _model(known, given=given.model)
    earlier = stored or known.facts("respond")
    prompts = _prompts(given, earlier, model)
    stage = Generate(
        prompts,
        _sampling(given, earlier.get("sampling"), model),
        _first(given.seed, earlier.get("seed"), int, 0),
        keep_system=_keeps(given, stored),
        language=_language(given.language or stored.get("language")),
    )
    return stage, model, {"prompt_set": _named(prompts)}


def _filter(known: RecipeInputs) -> Planned:
    given, stored = known.given("filter"), known.facts("filter", "generate")
    written = known.facts("generate", "filter", "respond")
    name = known.given("generate").prompts or written.get("prompt_set")
    prompts = (
        PromptSet.load(name)
        if name
        else _prompts(Settings(), {}, _model(known, given=known.given("generate").model))
    )
    stage = Filter(_keeps(given, stored), prompts.demonstrations("generate"))
    return stage, None, {"prompt_set": _named(prompts)}


def _verify(known: RecipeInputs) -> Planned:
    given, stored = known.given("verify"), known.facts("verify")
    name = given.judge or stored.get("judge") or "same"
    if name != "same":
        judge, earlier, said = find_model(name), stored, name
    else:
        judge = _model(known, *(() if given.judge else ("verify",)), given=given.model)
        earlier, said = stored or known.facts("generate", "respond"), name
        writer = known.facts("generate").get("model")
        if known.stays("generate") and writer not in (None, _spelling(judge)):
            said = _spelling(judge)  # another model wrote the phrases
    prompts = _prompts(given, earlier, judge)
    stage = Verify(
        prompts,
        min_p_good=_first(given.min_p_good, stored.get("min_p_good"), float, 0.0),
        keep_system=_keeps(given, known.facts("verify", "filter", "generate")),
    )
    return stage, judge, {"judge": said, "prompt_set": _named(prompts)}


def _respond(known: RecipeInputs) -> Planned:
    given, stored = known.given("respond"), known.facts("respond", "generate")
    model = _model(known, "respond", given=given.model)
    prompts = _prompts(given, stored, model)
    return _answering(given, stored, prompts, model), model, {"prompt_set": _named(prompts)}


def _check(known: RecipeInputs) -> Planned:
    """Answers are written again in the way of phase 4, or of the checks that the store has."""
    given, stored = known.given("check"), known.facts("check")
    if stored:
        again = {name.removeprefix("again_"): of for name, of in stored.items()}
    else:
        again = known.facts("respond", "generate")
    model = _model(known, "check", "respond", given=given.model)
    prompts = _prompts(given, again, model)
    stage = CheckAnswers(
        prompts,
        _answering(given, again, prompts, model),
        tries=_first(given.tries, stored.get("tries"), int, TRIES),
    )
    return stage, model, {"prompt_set": _named(prompts)}


_PLANS: dict[Phase, Callable[[RecipeInputs], Planned]] = {
    "generate": _generate,
    "filter": _filter,
    "verify": _verify,
    "respond": _respond,
    "check": _check,
}


def _answering(
    given: Settings, stored: Mapping[str, str], prompts: PromptSet, model: Model
) -> Respond:
    """How answers are written. An older recipe does not say whether the model saw the original
    answer: then it did not, as in the paper."""
    answered = "turns" in stored  # the recipe is that of phase 4 or of the checks
    return Respond(
        prompts,
        _sampling(given, stored.get("sampling"), model),
        _first(given.seed, stored.get("seed"), int, 0),
        max_tokens=_first(
            given.max_answer_tokens, stored.get("max_tokens") if answered else None, int, 1024
        ),
        turns=cast(Turns, given.turns or stored.get("turns") or "all"),
        keep_truncated=_first(
            given.keep_truncated,
            stored.get("keep_truncated"),
            lambda text: text == "True",
            False,
        ),
        shown=cast(
            ShowAnswer, given.show_answer or stored.get("shown") or ("never" if answered else SHOWN)
        ),
    )


def _model(known: RecipeInputs, *phases: Phase, given: str | None = None) -> Model:
    """The given model, else that of the first of these phases that has a recipe, else the model
    that wrote the phrases or the answers."""
    stored = known.facts(*phases, "generate", "respond").get("model")
    return find_model(given or stored or "builtin")


def _context(known: RecipeInputs, phase: Phase, given: int | None) -> int | None:
    """Tokens a row may take in this phase; None for as many as the model can."""
    earlier: Phase = "respond" if phase == "check" else "generate"
    stored = known.facts(phase, earlier, "generate").get("context")
    if given is not None and known.concerns(phase):
        return given
    return int(stored) if stored else None


def _facts_of(model: Model, context: int | None) -> dict[str, str]:
    facts = {**model_facts(model), "model": _spelling(model), **license_facts(model)}
    if not isinstance(model, Server):
        facts["model_parameters"] = str(check_file(model.path).parameters)
    return facts | ({"context": str(context)} if context else {})


def _entry(model: Model) -> CatalogueEntry | None:
    """The catalogue's entry for the model; None for what no catalogue lists."""
    if isinstance(model, Server):
        return load_catalogue().named(model.label) if model.label else None
    return model.entry


def _keeps(given: Settings, stored: Mapping[str, str]) -> bool:
    """Whether rows keep their original system messages."""
    return (given.existing_system or stored.get("existing_system")) == "keep"


def missing_prompts(tasks: Sequence[Task]) -> list[str]:
    """A sentence for each step that is left out because a user's prompt set lacks its file."""
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
    """The language code. Raises UsageError for an unknown one."""
    from sysgen_local.core.language import NAMES

    if code is not None and code not in NAMES:
        raise UsageError(
            f"--language {code} is no code of a language", hint=f"name one of {', '.join(NAMES)}"
        )
    return code


def _calibrating(
    verify: Verify, store: Store, facts: dict[str, str]
) -> Callable[[Engine, Store], None]:
    """A function that calibrates the verdicts: with the calibration in the store's recipe if that
    has these facts, else by asking the model; the recipe then gets what the model said."""
    recipe = stored_recipes(store).get("verify")
    same = recipe and recipe.fingerprint == Task.as_noted(facts, recipe.facts)
    if recipe and same and "calibration" in recipe.facts:
        facts["calibration"] = recipe.facts["calibration"]
        verify.calibration.read(facts["calibration"])

    def calibrate(engine: Engine, store: Store) -> None:
        def note(fact: str) -> None:
            facts["calibration"] = fact
            store.set_recipe("verify", Task.of(facts), facts)

        verify.calibrate(engine, note)

    return calibrate


def _checks(settings: Settings, store: Store, phases: Sequence[Phase], redo: Phase | None) -> bool:
    """Whether answers are checked: as the setting says, else as in the store. Where the store has
    answers without checks (an older version, or --no-check), that stays so. Raises RecipeError
    where the setting is False and the store has checked answers."""
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


def run(
    tasks: Sequence[Task],
    store: Store,
    views: Sequence[View],
    options: Options,
    *,
    announce: Callable[[str], None] = lambda line: None,
) -> bool:
    """Runs the tasks over all due rows. False if it was interrupted; the same call goes on then."""
    options = replace(options, lengths=lengths_of(store))
    return executor.run(tasks, store, progress_of(store), views, options, announce=announce)


def lengths_of(store: Store) -> Lengths:
    """An estimate of the tokens that each row takes which is due, with its new answer."""
    return tuple((size // BYTES_PER_TOKEN + BESIDE_THE_ROW, rows) for size, rows in store.lengths())


def progress_of(store: Store) -> Progress:
    """A `Progress` that begins with the counts of the store."""
    counts = store.counts()
    rows = counts.input - counts.rejected
    progress = Progress(tuple(counts.phases), rows=rows, rejected=counts.rejected)
    for phase, state in counts.phases.items():
        progress.phases[phase].done = state.kept
        progress.phases[phase].dropped.update(state.dropped)
    progress.evidence = None if (seen := store.quality_counts(blank=True)).demonstration else seen
    through = store.sizes_done()
    for phase, size in store.sizes_waiting().items():
        if phase in progress.phases:
            progress.forecast.add_waiting(phase, size)
            done = counts.phases[phase]
            progress.forecast.add_earlier(phase, done.done, done.tokens_out, through)
    return progress


def _spelling(model: Model) -> str:
    """What `find_model` would take to find this model again."""
    return model.name if isinstance(model, Server) else model.spelling


def _named(prompts: PromptSet) -> str:
    """What `PromptSet.load` would take to find it again, from any folder."""
    return prompts.name if prompts.shipped else str(Path(prompts.name).absolute())


def _prompts(given: Settings, stored: Mapping[str, str], model: Model) -> PromptSet:
    entry = _entry(model)
    recommended = entry.prompts if entry else "default"
    return PromptSet.load(given.prompts or stored.get("prompt_set") or recommended)


def _sampling(given: Settings, stored: str | None, model: Model) -> Sampling:
    """Given options over the store's over the vendor's over the default."""
    values = asdict(SAMPLING)
    if stored:
        values |= json.loads(stored)
    elif entry := _entry(model):
        values |= entry.sampling.model_dump(exclude_none=True)
    options = {name: getattr(given, name) for name in values}
    return Sampling(**(values | {name: v for name, v in options.items() if v is not None}))


def _first(given: T | None, stored: str | None, parse: Callable[[str], T], default: T) -> T:
    if given is not None:
        return given
    return default if stored is None else parse(stored)


def require_rows(store: Store) -> None:
    """Raises UsageError where no row of the inputs can be used. A shard of them may be empty."""
    counts = store.counts()
    if not store.inputs().rows:
        why = f"; `sysgen stats --db {store.path}` shows what was wrong with those it was given"
        raise UsageError(
            f"{store.path} holds no usable rows",
            hint=f"name a dataset: sysgen run rows.jsonl -o out.jsonl{why if counts.input else ''}",
        )
