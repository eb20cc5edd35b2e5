"""What the user asked for, worked out: which stages run with which model, under which recipe.

An option that is not given is what the store was made with, else the model's recommendation,
else a default. A recipe that differs from the store's stops the run: recipes never mix silently.
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
from sysgen_local.engine.options import Options
from sysgen_local.engine.request import Engine, Sampling
from sysgen_local.models import CatalogueEntry, Model
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
from sysgen_local.workflows.models import find_model, model_facts
from sysgen_local.workflows.recipe import noted

T = TypeVar("T")

SAMPLING = Sampling(temperature=0.7, top_p=0.95)
"""For models whose vendor recommends nothing."""

SHOWN: ShowAnswer = "always"
"""Where the original answer is in view by default; see `benchmarks/README.md`."""

TRIES = 3
"""Answers a row may take until one passes the checks."""

BYTES_PER_TOKEN = 3
"""Few tokenizers make more tokens than that of any language or code."""

BESIDE_THE_ROW = 2048
"""Tokens for demonstrations, system message and new answer."""


class _Known:
    """What the store says each phase was made with, and which of the given options concern it."""

    def __init__(self, settings: Settings, store: Store, redo: Phase | None) -> None:
        self._settings = settings
        self._facts = {phase: dict(of.facts) for phase, of in noted(store).items()}
        self._done = {phase: of.done for phase, of in store.counts().phases.items()}
        self._redone = PHASES[PHASES.index(redo) :] if redo else PHASES
        self._all = redo is None

    def given(self, phase: Phase) -> Settings:
        """The options, as far as they are for this phase: what is done again by --redo takes
        them, and what was done before stays as it was made."""
        return self._settings if self.concerns(phase) else Settings()

    def concerns(self, phase: Phase) -> bool:
        """Whether given options are for this phase."""
        return phase in self._redone or not self._done.get(phase)

    def stays(self, phase: Phase) -> bool:
        """Whether the phase has results that this command leaves as they are."""
        return bool(self._done.get(phase)) and (self._all or phase not in self._redone)

    def facts(self, *phases: Phase) -> dict[str, str]:
        """Those of the first of these phases that has a recipe of its own."""
        made = (self._facts[phase] for phase in phases if phase in self._facts)
        return next((facts for facts in made if "imported" not in facts), {})


def plan(
    settings: Settings,
    store: Store,
    phases: Sequence[Phase],
    redo: Phase | None = None,
    *,
    context: int | None = None,
) -> list[Task]:
    """The tasks for these phases; `redo` is the phase whose results will be forgotten first, so
    that options are for it and those after it. `context`: tokens a row may take.

    An option that is not given is what this phase was made with, else what the phase was whose
    work it goes on with. Raises UsageError for what cannot be found, does not fit or is no model
    that can chat, and SysgenError for a model file that is not whole.
    """
    known = _Known(settings, store, redo)
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
"""A stage, the model it asks, and facts of its recipe beside its own and the model's."""


def _generate(known: _Known) -> Planned:
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


def _filter(known: _Known) -> Planned:
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


def _verify(known: _Known) -> Planned:
    given, stored = known.given("verify"), known.facts("verify")
    name = given.judge or stored.get("judge") or "same"
    if name != "same":
        judge, earlier, said = find_model(name), stored, name
    else:
        judge = _model(known, *(() if given.judge else ("verify",)), given=given.model)
        earlier, said = stored or known.facts("generate", "respond"), name
        writer = known.facts("generate").get("model")
        if known.stays("generate") and writer not in (None, _spelling(judge)):
            said = _spelling(judge)  # the phrases are another model's
    prompts = _prompts(given, earlier, judge)
    stage = Verify(
        prompts,
        min_p_good=_first(given.min_p_good, stored.get("min_p_good"), float, 0.0),
        keep_system=_keeps(given, known.facts("verify", "filter", "generate")),
    )
    return stage, judge, {"judge": said, "prompt_set": _named(prompts)}


def _respond(known: _Known) -> Planned:
    given, stored = known.given("respond"), known.facts("respond", "generate")
    model = _model(known, "respond", given=given.model)
    prompts = _prompts(given, stored, model)
    return _answering(given, stored, prompts, model), model, {"prompt_set": _named(prompts)}


def _check(known: _Known) -> Planned:
    """Answers are written again as phase 4 writes them, unless the store has checks that were
    made in another way."""
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


_PLANS: dict[Phase, Callable[[_Known], Planned]] = {
    "generate": _generate,
    "filter": _filter,
    "verify": _verify,
    "respond": _respond,
    "check": _check,
}


def _answering(
    given: Settings, stored: Mapping[str, str], prompts: PromptSet, model: Model
) -> Respond:
    """How answers are written. What was made by a recipe without a word of whether the original is
    in view was made without, as the paper does."""
    answered = "turns" in stored  # a recipe of phase 4, or of what writes as it does
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


def _model(known: _Known, *phases: Phase, given: str | None = None) -> Model:
    """The model that is given, else that of the first of these phases that has a recipe, else the
    one that writes."""
    stored = known.facts(*phases, "generate", "respond").get("model")
    return find_model(given or stored or "builtin")


def _context(known: _Known, phase: Phase, given: int | None) -> int | None:
    """Tokens a row may take in this phase: as given or as it was made, None for the model's."""
    earlier: Phase = "respond" if phase == "check" else "generate"
    stored = known.facts(phase, earlier, "generate").get("context")
    if given is not None and known.concerns(phase):
        return given
    return int(stored) if stored else None


def _facts_of(model: Model, context: int | None) -> dict[str, str]:
    facts = {**model_facts(model), "model": _spelling(model), "model_license": "unknown"}
    if not isinstance(model, Server):
        header = check_file(model.path)
        terms = model.entry.license if model.entry else header.license
        facts |= {"model_license": terms or "unknown", "model_parameters": str(header.parameters)}
    return facts | ({"context": str(context)} if context else {})


def _entry(model: Model) -> CatalogueEntry | None:
    """What the catalogue says of the model."""
    return None if isinstance(model, Server) else model.entry


def _keeps(given: Settings, stored: Mapping[str, str]) -> bool:
    """Whether rows keep the system messages that they come with."""
    return (given.existing_system or stored.get("existing_system")) == "keep"


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
    from sysgen_local.core.language import NAMES

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
    recipe = noted(store).get("verify")
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
    return executor.run(tasks, store, progress_of(store), views, options, announce=announce)


def progress_of(store: Store) -> Progress:
    """The progress as the store has it."""
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
    if isinstance(model, Server):
        return model.name
    if model.entry is None:
        return str(model.path.absolute())
    return f"{model.name}:{model.quant}" if model.quant else model.name


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


def need_rows(store: Store) -> None:
    """Raises UsageError for a store without rows that can be used."""
    counts = store.counts()
    if counts.input == counts.rejected:
        why = f"; `sysgen stats --db {store.path}` shows what was wrong with those it was given"
        raise UsageError(
            f"{store.path} holds no usable rows",
            hint=f"name a dataset: sysgen run rows.jsonl -o out.jsonl{why if counts.input else ''}",
        )
