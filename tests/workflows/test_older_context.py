"""A store of a version that took --context for a matter of the machine, and noted it nowhere."""

from __future__ import annotations

import pytest
from scripted import run_scripted

from sysgen_local.core.errors import RecipeError
from sysgen_local.core.records import PHASES, Conversation, Source, Turn
from sysgen_local.core.settings import Settings
from sysgen_local.running.executor import Task
from sysgen_local.store import Store
from sysgen_local.workflows.plan import plan
from sysgen_local.workflows.recipe import set_recipes, stored_recipes

pytestmark = pytest.mark.e2e  # whole runs through the phases, each in a store of its own

ASKING = ("generate", "verify", "respond", "check")


@pytest.fixture
def store(tmp_path):
    """All is done, as an older version noted it."""
    with Store.open(tmp_path / "s.duckdb") as store:
        turns = (Turn("user", "How do I grow mint?"), Turn("assistant", "In a pot."))
        store.ingest(Source("r", "r", "0"), [Conversation(turns, i) for i in (1, 2, 3)])
        tasks = plan(Settings(), store, PHASES)
        set_recipes(tasks, store)
        run_scripted(store, tasks)
        for phase in PHASES:
            facts = {k: of for k, of in store.recipe(phase).facts.items() if k != "chat"}
            store.set_recipe(phase, Task.of(facts), facts)
        yield store


def ran(store, *commands):
    for command in commands:
        store.start_run(command, model="builtin")


def contexts(store):
    return [store.recipe(phase).facts.get("context") for phase in ASKING]


@pytest.mark.parametrize("command", ["run r.jsonl --context 900 -o o", "run r.jsonl --context=900"])
@pytest.mark.parametrize("since", [(), ("run --db s.duckdb",)])
@pytest.mark.parametrize("given", [None, 900])
def test_a_plain_run_and_the_same_command_go_on_with_it(store, command, since, given):
    ran(store, command, *since)
    tasks = plan(Settings(), store, PHASES, context=given)
    set_recipes(tasks, store)
    assert contexts(store) == ["900"] * 4
    assert {task.facts["context"] for task in tasks if task.model} == {"900"}
    for again in (None, 900):
        set_recipes(plan(Settings(), store, PHASES, context=again), store)
    with pytest.raises(RecipeError, match="context was 900, now 700"):
        set_recipes(plan(Settings(), store, PHASES, context=700), store)


def test_another_context_is_another_recipe(store):
    ran(store, "run r.jsonl --context 900")
    with pytest.raises(RecipeError, match="context was 900, now 700"):
        set_recipes(plan(Settings(), store, PHASES, context=700), store)


def test_a_store_made_without_one_has_none(store):
    ran(store, "run r.jsonl --model context 900")
    set_recipes(plan(Settings(), store, PHASES), store)
    assert contexts(store) == [None] * 4
    with pytest.raises(RecipeError, match="context was nothing, now 900"):
        set_recipes(plan(Settings(), store, PHASES, context=900), store)


@pytest.mark.parametrize(
    ("commands", "found"),
    [
        (["run a --context 900", "run a --context 700"], ["700"] * 4),
        (["run --context 900", "run --redo respond --context 700"], ["900", "900", "700", "700"]),
        (["run --context 900", "run --redo verify"], ["900", None, None, None]),
        (["run --context 900", "run --redo generate", "run"], [None] * 4),
        (["run --context 900", "run --redo generate --context 700", "run"], ["700"] * 4),
        (["run", "verify --context 900"], [None, "900", None, None]),
        (["run", "run --phase respond --context 900"], [None, None, "900", None]),
        (["run", "run --phase=check --context=900"], [None, None, None, "900"]),
        (["run", "respond --edited --context 900"], [None, None, "900", "900"]),
        (["run --context"], [None] * 4),
        ([""], [None] * 4),
    ],
)
def test_each_phase_has_what_the_commands_said_of_its_results(store, commands, found):
    ran(store, *commands)
    assert [stored_recipes(store)[phase].facts.get("context") for phase in ASKING] == found
    assert "context" not in stored_recipes(store)["filter"].facts
    set_recipes(plan(Settings(), store, PHASES), store)
    assert contexts(store) == found


@pytest.mark.parametrize("context", [None, 900])
def test_a_phase_alone_does_not_lose_what_the_others_were_made_with(store, context):
    ran(store, "run r.jsonl --context 900")
    set_recipes(plan(Settings(), store, ["verify"], context=context), store)
    assert contexts(store) == ["900"] * 4


def test_what_this_version_notes_is_what_counts(store):
    ran(store, "run r.jsonl")
    set_recipes(plan(Settings(), store, PHASES), store)
    ran(store, "run r.jsonl --context 900")
    assert "context" not in stored_recipes(store)["generate"].facts
