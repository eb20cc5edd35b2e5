"""How a chat template is rendered is part of the recipe of whatever asks the model."""

from __future__ import annotations

import json

import pytest
from filled import fill
from questions import dialogue, run, write
from scripted import run_scripted
from tiny import CHATML, make

from sysgen_local.core.errors import RecipeError
from sysgen_local.core.records import PHASES, Conversation, Source, Turn
from sysgen_local.core.server import Server
from sysgen_local.core.settings import Settings
from sysgen_local.engine.factory import prompt_facts
from sysgen_local.engine.llama import chat, chat_profile
from sysgen_local.engine.llama.tokenizer import Tokenizer
from sysgen_local.running import executor
from sysgen_local.running.executor import Task
from sysgen_local.store import Store
from sysgen_local.store.evaluation import Evaluation
from sysgen_local.workflows.plan import plan
from sysgen_local.workflows.recipe import set_recipes

pytestmark = pytest.mark.e2e  # whole runs through the phases, each in a store of its own

ASKING = ("generate", "verify", "respond", "check")

ODD = (
    "{% if messages[0].role == 'system' %}{{ raise_exception('no system role') }}{% endif %}"
    + CHATML
    + "{% if enable_thinking is not defined or enable_thinking %}<think>\n{% endif %}"
)
"""Needs all that is done to a template: no system role, and it thinks by default."""


@pytest.fixture(autouse=True)
def anew():
    chat_profile._recipe_json.cache_clear()
    yield
    chat_profile._recipe_json.cache_clear()


def test_whatever_another_version_makes_of_the_same_file_is_another_fact(tmp_path, monkeypatch):
    path = make(tmp_path / "m.gguf", "qwen2", template=ODD)
    want = chat_profile.recipe_json(path)
    changes = [
        ("thinking", chat, "THINKING_OFF", {}),
        ("prompts", chat, "_merge_system_into_user", lambda messages: messages),
        ("prompts", chat, "_missing_opening", lambda tail, opening: "Sure! "),
        ("system", chat.ChatTemplate, "_detect_system_role", lambda self: True),
        ("end", Tokenizer, "learn_answer_end", lambda self, after_answer, at_end: None),
    ]
    for name, where, what, other in changes:
        with monkeypatch.context() as patch:
            patch.setattr(where, what, other)
            chat_profile._recipe_json.cache_clear()
            assert json.loads(chat_profile.recipe_json(path))[name] != json.loads(want)[name], what
    chat_profile._recipe_json.cache_clear()
    assert chat_profile.recipe_json(path) == want


def test_another_file_in_the_same_place_is_looked_at(tmp_path):
    path = make(tmp_path / "m.gguf", "qwen2", template=ODD)
    before = chat_profile.recipe_json(path)
    make(path, "qwen2", template=CHATML)
    assert chat_profile.recipe_json(path) != before


@pytest.fixture
def store(tmp_path):
    with Store.open(tmp_path / "s.duckdb") as store:
        turns = (Turn("user", "How do I grow mint?"), Turn("assistant", "In a pot."))
        store.ingest(Source("r", "r", "0"), [Conversation(turns, i) for i in (1, 2, 3)])
        tasks = plan(Settings(), store, PHASES)
        set_recipes(tasks, store)
        run_scripted(store, tasks)
        yield store


def older(facts):
    return {name: of for name, of in facts.items() if name != "chat"}


def test_a_phase_that_asks_a_model_notes_how(store):
    noted = {phase for phase in PHASES if "chat" in store.recipe(phase).facts}
    assert noted == set(ASKING)


def test_a_store_of_an_older_version_is_gone_on_with_and_notes_it_then(store, monkeypatch):
    today = {phase: store.recipe(phase) for phase in PHASES}
    for phase, recipe in today.items():
        facts = older(recipe.facts)
        store.set_recipe(phase, Task.of(facts), facts)
    with pytest.raises(RecipeError, match=r"generate: seed was 0, now 9\n"):
        set_recipes(plan(Settings(seed=9), store, PHASES), store)
    set_recipes(plan(Settings(), store, PHASES), store)
    assert {phase: store.recipe(phase) for phase in PHASES} == today
    monkeypatch.setattr(chat, "_missing_opening", lambda tail, opening: "Sure! ")
    chat_profile._recipe_json.cache_clear()
    with pytest.raises(RecipeError, match=r"generate: chat prompts changed\n"):
        set_recipes(plan(Settings(), store, PHASES), store)
    set_recipes(plan(Settings(), store, PHASES, "generate"), store, redo="generate")


def forget(db, tables):
    """Makes the recipes in these tables what an older version wrote."""
    for table in tables:
        recipes = db.all(f"SELECT fingerprint, facts FROM {table}")
        assert recipes, table
        for fingerprint, facts in recipes:
            assert "chat" in facts
            db.do(
                f"UPDATE {table} SET fingerprint = $1, facts = $2::MAP(VARCHAR, VARCHAR) "
                "WHERE fingerprint = $3",
                Task.of(older(facts)), older(facts), fingerprint,
            )  # fmt: skip


def test_answers_of_a_benchmark_from_an_older_version_are_gone_on_with(tmp_path):
    file = write(tmp_path / "d.jsonl", [dialogue(1), dialogue(2)])
    db = tmp_path / "e.duckdb"
    options = ("evaluate", "sysbench", file, "--model", "builtin", "--db", db, "-q", "--json",
               "--max-answer-tokens", 12, "--slots", 4)  # fmt: skip
    first = run(*options).stdout
    what = "SELECT facts FROM sittings UNION ALL SELECT facts FROM markings"
    with Evaluation.open(db) as kept:
        today = kept._db.all(what)
        forget(kept._db, ("sittings", "markings"))
    assert run(*options).stdout == first
    with Evaluation.open(db) as kept:
        assert kept._db.all(what) == today


def test_what_a_judge_said_by_an_older_version_is_not_asked_again(tmp_path):
    db = tmp_path / "x.duckdb"
    fill(db, 4)
    options = ("judge", "--db", db, "--judge", "builtin", "-q", "--json", "--pairs", 1)
    first = run(*options).stdout
    with Store.open(db) as store:
        forget(store._db, ("judges",))
    assert run(*options).stdout == first
    with Store.open(db) as store:
        [(facts,)] = store._db.all("SELECT facts FROM judges")
    assert "chat" in facts


def test_a_server_makes_its_prompts_itself_and_is_told_not_to_think():
    """An older version did not tell it so: what it answered then is never taken for the same."""
    facts = prompt_facts(Server.at("http://localhost/v1#m"))
    assert facts == {"thinking": "off"}
    assert not facts.keys() & {*executor.LATER, *executor.NAMES}


def test_a_recipe_that_named_a_server_by_its_address_still_matches():
    facts = {"model": "http://a/v1#m,http://b/v1#m", "model_file": 'm {"n_params": 7}', "seed": "0"}
    older = {**facts, "model": "http://a/v1#m", "model_file": "http://a/v1#m"}
    assert Task.as_noted(facts, older) == Task.of(older)
    other = {**older, "model": "http://a/v1#n", "model_file": "http://a/v1#n"}
    assert Task.as_noted(facts, other) != Task.of(other)
