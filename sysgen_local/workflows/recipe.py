"""The recipe of each phase: a store never mixes results of different recipes.

A recipe is facts (model file, prompt set, sampling, seed, ...) and their fingerprint. A run whose
recipe differs from the store's stops with the options that differ and the ways out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import pairwise

from sysgen_local.core.errors import RecipeError
from sysgen_local.core.records import PHASES, Phase, phases_from
from sysgen_local.phases.check import CheckAnswers
from sysgen_local.phases.respond import Respond
from sysgen_local.running.executor import LATER, Task
from sysgen_local.store import Recipe, Store
from sysgen_local.workflows.difference import difference


def stored_recipes(store: Store) -> dict[Phase, Recipe]:
    """The recipe of each phase that has one. Older versions kept --context in no recipe: it is read
    from the stored commands there."""
    found = {phase: of for phase in PHASES if (of := store.recipe(phase)) is not None}
    if any(name in of.facts for of in found.values() for name in ("context", *LATER)):
        return found
    commands = store.commands()
    said = {phase: _said_context(commands, phase) for phase in found}
    return {phase: _with_context(of, said[phase]) for phase, of in found.items()}


def _said_context(commands: Sequence[str], phase: Phase) -> str | None:
    """The --context of the latest command that made results of this phase which are still there.
    `commands` are the stored ones, the latest first."""
    for words in (re.split(r"[ =]+", command) for command in commands):
        options = dict(pairwise(words))
        alone = words[0] if words[0] in PHASES else options.get("--phase", phase)
        edited = alone == "respond" and phase == "check" and "--edited" in words
        redo = options.get("--redo", "")
        again = redo in PHASES and PHASES.index(redo) <= PHASES.index(phase)
        if (alone == phase or edited) and (again or redo not in PHASES):
            context = options.get("--context", "")
            if context.isdecimal():
                return str(int(context))
        if again:
            return None
    return None


def _with_context(recipe: Recipe, context: str | None) -> Recipe:
    """The recipe as this version would have written it. Only a phase with a model has a context."""
    asks = "model_file" in recipe.facts
    if context is None or not asks or Task.of(recipe.facts) != recipe.fingerprint:
        return recipe
    facts = {**recipe.facts, "context": context}
    return Recipe(Task.of(facts), facts)


def planned_recipes(
    tasks: Sequence[Task], store: Store, *, redo: Phase | None = None, check: bool | None = None
) -> dict[Phase, Recipe]:
    """The recipe that each phase will have after `redo` has deleted results. Writes nothing.

    A phase without a task keeps its recipe, so that its options are known when it is done again.
    `check` False: answers are final without checks. Raises RecipeError if results would stay that
    were made with another recipe.
    """
    counts = store.counts()
    found = stored_recipes(store)
    redone = phases_from(redo)
    for task in tasks:
        phase = task.stage.phase
        there = found.get(phase)
        state = counts.phases.get(phase)
        if phase in redone or there is None or state is None or state.done == 0:
            found[phase] = Recipe(task.fingerprint, dict(task.facts))
        elif "imported" in there.facts and not state.pending:
            continue  # imported phrases: nothing is left to do in this phase
        elif there.fingerprint == Task.as_noted(task.facts, there.facts):
            # Facts that only describe may differ, such as the path of the same model file. Facts
            # that an older version did not keep are kept from now on.
            found[phase] = Recipe(task.fingerprint, {**there.facts, **task.facts})
        else:
            raise _another(store, phase, there.facts, task.facts)
    anew = next((task for task in tasks if task.stage.phase == "respond"), None)
    checks = any(task.stage.phase == "check" for task in tasks)
    done = counts.phases["respond"].done
    if anew and not checks and "check" in found and ("respond" in redone or not done):
        found["check"] = _following(anew, found["check"])
    if check is False:
        found.pop("check", None)
    return found


def agreed_recipes(stores: Sequence[Store]) -> dict[Phase, Recipe]:
    """The recipe of each phase that these stores have. Raises RecipeError where two of them were
    made with different recipes, or one has unchecked answers and another one checks."""
    agreed: dict[Phase, tuple[Store, Recipe]] = {}
    for store in stores:
        for phase, recipe in stored_recipes(store).items():
            first, before = agreed.setdefault(phase, (store, recipe))
            if not _agree(before, recipe):
                raise RecipeError(
                    f"{store.path} was made with another recipe for {phase} than {first.path}: "
                    f"{difference(before.facts, recipe.facts)}",
                    hint=f"`sysgen run --redo {phase}` makes one of them again with the options of "
                    "the other",
                )
            if before.facts.keys() < recipe.facts.keys():
                agreed[phase] = (store, recipe)
    for store in stores:
        unchecked = "check" in agreed and "check" not in store.phases
        if unchecked and store.counts().phases["respond"].done:
            raise RecipeError(
                f"the answers in {store.path} were not checked, and those in "
                f"{agreed['check'][0].path} were",
                hint=f"`sysgen check --db {store.path}` checks them",
            )
    return {phase: agreed[phase][1] for phase in PHASES if phase in agreed}


def _agree(one: Recipe, other: Recipe) -> bool:
    """Whether results of the two may be in one store: facts that only describe may differ, and
    facts that one of them does not have because its version is older."""
    if "imported" in one.facts and "imported" in other.facts:
        return True
    return (
        one.fingerprint == other.fingerprint
        or Task.as_noted(one.facts, other.facts) == other.fingerprint
        or Task.as_noted(other.facts, one.facts) == one.fingerprint
    )


def _following(answering: Task, there: Recipe) -> Recipe:
    """The recipe of the checks after a change of how answers are written: the checks write answers
    again in the same way."""
    respond = answering.stage
    assert isinstance(respond, Respond)
    tries = int(there.facts["tries"])
    facts = CheckAnswers(respond.prompts, respond, tries=tries).facts()
    facts |= {name: of for name, of in answering.facts.items() if name in _OF_THE_MODEL}
    return Recipe(Task.of(facts), facts)


_OF_THE_MODEL = (
    "model", "model_file", "model_license", "model_parameters", "lora", "lora_license",
    "prompt_set", "context", *LATER,
)  # fmt: skip


def _another(
    store: Store, phase: Phase, before: Mapping[str, str], now: Mapping[str, str]
) -> RecipeError:
    return RecipeError(
        f"{store.path} was made with another recipe for {phase}: {difference(before, now)}",
        hint=f"give the options it was made with, do this phase and all after it again "
        f"(--redo {phase}), or write to another file (--db FILE)",
    )


def set_recipes(
    tasks: Sequence[Task], store: Store, *, redo: Phase | None = None, check: bool | None = None
) -> None:
    """Deletes the results that `redo` names and writes every phase's recipe, in one transaction.
    Raises RecipeError as `planned_recipes` does, before anything is deleted."""
    store.prepare(planned_recipes(tasks, store, redo=redo, check=check), redo=redo)
