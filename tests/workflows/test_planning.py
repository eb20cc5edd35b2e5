"""Recipes: what is taken when an option is not given, and what may not be mixed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from scripted import ScriptedEngine, plain, run_scripted

from sysgen_local.core.errors import RecipeError, UsageError
from sysgen_local.core.records import PHASES, TAGS, Conversation, Phase, Source, Turn
from sysgen_local.core.resources import resource
from sysgen_local.core.settings import Settings
from sysgen_local.engine.options import Options
from sysgen_local.engine.request import Request
from sysgen_local.running.executor import NAMES, Task
from sysgen_local.running.pipeline import Pipeline
from sysgen_local.store import Store
from sysgen_local.workflows.imported import import_phrases
from sysgen_local.workflows.plan import plan, progress_of, run
from sysgen_local.workflows.recipe import set_recipes

pytestmark = pytest.mark.e2e  # whole runs through the phases, each in a store of its own


@pytest.fixture
def store(tmp_path: Path):
    with Store.open(tmp_path / "test.duckdb") as store:
        turns = (Turn("user", "How do I grow mint?"), Turn("assistant", "In a pot."))
        store.ingest(Source("r", "r", "0"), [Conversation(turns, i) for i in (1, 2, 3)])
        yield store


def made_with(store: Store, settings: Settings) -> None:
    tasks = plan(settings, store, PHASES)
    set_recipes(tasks, store)
    run_scripted(store, tasks)


def test_what_is_not_given_is_what_the_file_was_made_with(store):
    made_with(store, Settings(seed=5, temperature=0.3, turns="first", min_p_good=0.25))
    again = plan(Settings(), store, PHASES)
    set_recipes(again, store)  # no complaint
    stages: list[Any] = [task.stage for task in again]
    assert stages[0].seed == 5
    assert stages[0].sampling.temperature == 0.3
    assert stages[2].min_p_good == 0.25
    assert stages[3].turns == "first"


@pytest.mark.parametrize(
    ("settings", "phase", "fact"),
    [
        (Settings(seed=1), "generate", "seed was 0, now 1"),
        (Settings(temperature=1.0), "generate", "temperature was 0.0, now 1.0"),
        (Settings(prompts="default"), "generate", "prompt set was compact, now default"),
        (Settings(min_p_good=0.5), "verify", "min_p_good was 0.0, now 0.5"),
        (Settings(turns="first"), "respond", "turns was all, now first"),
    ],
)
def test_recipes_never_mix(store, settings, phase, fact):
    made_with(store, Settings())
    with pytest.raises(RecipeError, match=f"another recipe for {phase}: .*{fact}"):
        set_recipes(plan(settings, store, PHASES), store)


def test_a_changed_model_file_is_another_recipe_a_moved_one_is_not(store, builtin, tmp_path):
    first = tmp_path / "first.gguf"
    shutil.copy(builtin, first)
    made_with(store, Settings(model=str(first)))
    moved = tmp_path / "moved.gguf"
    first.rename(moved)
    with pytest.raises(UsageError, match="first"):
        plan(Settings(), store, PHASES)  # it is not where it was
    set_recipes(plan(Settings(model=str(moved)), store, PHASES), store)
    with moved.open("ab") as file:
        file.write(b"\0")
    with pytest.raises(RecipeError, match="model_file"):
        set_recipes(plan(Settings(model=str(moved)), store, PHASES), store)


def test_a_recipe_binds_only_once_a_phase_has_results(store):
    set_recipes(plan(Settings(seed=1), store, PHASES), store)
    set_recipes(plan(Settings(seed=2), store, PHASES), store)


def test_a_judge_of_its_own_makes_a_pass_of_its_own(store, builtin, tmp_path):
    judge = tmp_path / "judge.gguf"
    shutil.copy(builtin, judge)
    loaded: list[str] = []
    settings = Settings(judge=str(judge), prompts="compact")  # what both were trained on
    tasks = plan(settings, store, PHASES)
    set_recipes(tasks, store)
    options = Options(slots=2, gpu_layers=0, threads=1)
    assert run(tasks, store, [], options, announce=loaded.append)
    assert [line.split(":")[0] for line in loaded] == ["builtin.gguf", "judge.gguf", "builtin.gguf"]
    assert store.counts().pending == 0
    facts = store.recipe("verify").facts
    assert facts["judge"] == str(judge)


def test_imported_phrases_are_checked_before_any_is_written(store, tmp_path):
    tags = tmp_path / "tags.jsonl"
    good = json.dumps({"row": 1, "text": "<<Role>> You are a gardener."})
    for bad, said in [
        ('{"row": 2}', "line 2: text"),
        ("nonsense", "line 2"),
        (good, "line 2: row 1 is there twice"),
        (json.dumps({"row": 9, "text": "x"}), "row 9 is not in"),
    ]:
        tags.write_text(f"{good}\n{bad}\n")
        with pytest.raises(UsageError, match=said):
            import_phrases(store, tags)
        assert store.counts().phases["generate"].done == 0
    tags.write_text(good)
    assert import_phrases(store, tags) == (1, 0)
    assert import_phrases(store, tags) == (0, 1)
    # What is left for phase 1 to do would mix recipes.
    with pytest.raises(RecipeError):
        set_recipes(plan(Settings(), store, PHASES), store)


def calibrated(store: Store, settings: Settings, *, answers: bool = True) -> list[Request]:
    """Plans, agrees, and prepares the judge: the requests that this took."""
    tasks = plan(settings, store, PHASES)
    set_recipes(tasks, store)
    engine = ScriptedEngine(plain if answers else lambda request: pytest.fail(request.id))
    [prepare] = [task.prepare for task in tasks if task.prepare]
    prepare(engine, store)
    return engine.seen


def test_a_judge_is_asked_about_nothing_once_for_a_store(store):
    settings = Settings(prompts="default")
    assert len(calibrated(store, settings)) == 48
    fact = store.recipe("verify").facts["calibration"]
    assert json.loads(fact).keys() == set(TAGS)
    assert calibrated(store, settings, answers=False) == []
    assert calibrated(store, Settings(), answers=False) == []  # the store knows the set
    assert store.recipe("verify").facts["calibration"] == fact
    verify: Any
    [verify] = [task.stage for task in plan(Settings(), store, ["verify"])]
    assert verify.calibration.fact == fact
    # Nor is it asked again once there are results.
    Pipeline[Any, Any, Any](
        store, [t.stage for t in plan(Settings(), store, PHASES)], progress_of(store)
    ).run(ScriptedEngine(plain))
    assert store.counts().phases["verify"].done == 3
    assert calibrated(store, Settings(), answers=False) == []
    assert store.recipe("verify").facts["calibration"] == fact


def test_another_judge_or_prompt_is_asked_anew(store, builtin, tmp_path):
    calibrated(store, Settings(prompts="default"))
    judge = tmp_path / "judge.gguf"
    shutil.copy(builtin, judge)
    moved = Settings(prompts="default", model=str(judge))
    assert calibrated(store, moved, answers=False) == []  # the same file
    with judge.open("ab") as file:
        file.write(b"\0")
    assert len(calibrated(store, moved)) == 48
    own = tmp_path / "own"
    shutil.copytree(resource("prompts") / "default", own)
    with (own / "verify.md").open("a") as file:
        file.write("\n")
    assert len(calibrated(store, Settings(prompts=str(own), model=str(judge)))) == 48
    (own / "nothing.toml").write_text('requests = ["?"]\n[phrases]\nrole = ["You are."]\n')
    assert len(calibrated(store, Settings(prompts=str(own), model=str(judge)))) == 1
    assert calibrated(store, Settings(prompts="compact", model=str(judge)), answers=False) == []
    assert "calibration" not in store.recipe("verify").facts


def test_a_calibration_only_follows_from_other_facts():
    facts = {"prompts": "a", "model_file": "b"}
    assert "calibration" in NAMES
    assert Task.of(facts) == Task.of({**facts, "calibration": "{}"})
    assert Task.of(facts) != Task.of({**facts, "prompts": "c"})


def test_answers_are_checked_unless_the_store_has_unchecked_ones(store):
    def phases(settings: Settings, *some: Phase, redo: Phase | None = None) -> list[Phase]:
        return [task.stage.phase for task in plan(settings, store, some or PHASES, redo)]

    assert phases(Settings()) == list(PHASES)
    assert phases(Settings(check=False)) == list(PHASES[:4])
    tasks = plan(Settings(check=False), store, PHASES)
    set_recipes(tasks, store, check=False)
    run_scripted(store, tasks)
    assert store.counts().rows()["final"] == 3
    assert phases(Settings()) == list(PHASES[:4])  # it stays as it was
    assert phases(Settings(), "check") == ["check"]
    assert phases(Settings(check=True)) == list(PHASES)
    made_with(store, Settings(check=True))
    assert store.counts().phases["check"].done == 3
    with pytest.raises(RecipeError, match="were checked"):
        phases(Settings(check=False))
    assert phases(Settings(check=False), redo="check") == list(PHASES[:4])
    with pytest.raises(RecipeError, match="another recipe for check: tries was 3, now 5"):
        set_recipes(plan(Settings(tries=5), store, PHASES), store)


@pytest.mark.parametrize("alone", [True, False])
@pytest.mark.parametrize(
    ("phase", "changed", "fact", "value"),
    [
        ("generate", Settings(seed=3), "seed", "3"),
        ("generate", Settings(existing_system="keep"), "existing_system", "keep"),
        ("generate", Settings(language="de"), "language", "de"),
        ("verify", Settings(min_p_good=0.25), "min_p_good", "0.25"),
        ("respond", Settings(seed=3), "seed", "3"),
        ("respond", Settings(turns="first"), "turns", "first"),
        ("respond", Settings(max_answer_tokens=64), "max_tokens", "64"),
        ("respond", Settings(show_answer="never"), "shown", None),
        ("check", Settings(tries=1), "tries", "1"),
        ("check", Settings(seed=3), "again_seed", "3"),
        ("check", Settings(show_answer="exact"), "again_shown", "exact"),
    ],
)
def test_a_phase_done_again_with_other_options_is_what_a_plain_run_goes_on_with(
    store, phase, changed, fact, value, alone
):
    made_with(store, Settings())
    before = {of: store.recipe(of) for of in PHASES}
    redone = plan(changed, store, [phase] if alone else PHASES, phase)
    set_recipes(redone, store, redo=phase)
    assert store.recipe(phase).facts.get(fact) == value
    for earlier in PHASES[: PHASES.index(phase)]:
        assert store.recipe(earlier) == before[earlier]
    assert store.counts().phases[phase].done == 0
    # Killed here, it is taken up again; and once more when all is done.
    for _ in range(2):
        again = plan(Settings(), store, PHASES)
        set_recipes(again, store)
        assert store.recipe(phase).facts.get(fact) == value
        run_scripted(store, again)
        assert store.counts().pending == 0
    assert store.phases == PHASES
    assert store.recipe("check").facts["tries"] == (value if fact == "tries" else "3")


def test_answers_are_written_again_as_they_are_written(store):
    """The checks follow a redo of phase 4 alone, also its model; once made, they have their own."""
    made_with(store, Settings())
    answered = plan(Settings(temperature=0.9), store, ["respond"], "respond")
    set_recipes(answered, store, redo="respond")
    assert json.loads(store.recipe("check").facts["again_sampling"])["temperature"] == 0.9
    made_with(store, Settings())
    set_recipes(plan(Settings(temperature=0.2), store, ["check"], "check"), store, redo="check")
    made_with(store, Settings())
    facts = {phase: store.recipe(phase).facts for phase in PHASES}
    assert json.loads(facts["respond"]["sampling"])["temperature"] == 0.9
    assert json.loads(facts["check"]["again_sampling"])["temperature"] == 0.2


def test_a_refused_redo_leaves_everything_as_it_was(store, builtin, tmp_path):
    """A phase before the one that is done again stays as it was made, and must be the same."""
    own = tmp_path / "own"
    shutil.copytree(resource("prompts") / "compact", own)
    made_with(store, Settings(prompts=str(own)))
    before = store.counts(), [store.recipe(phase) for phase in PHASES]
    with (own / "generate.md").open("a") as file:
        file.write("\nMore.\n")
    with pytest.raises(RecipeError, match="generate: prompt set own has other contents now"):
        set_recipes(plan(Settings(), store, PHASES, "respond"), store, redo="respond")
    assert (store.counts(), [store.recipe(phase) for phase in PHASES]) == before
    set_recipes(plan(Settings(), store, PHASES, "generate"), store, redo="generate")
    assert store.counts().pending == 3


def test_a_model_that_lies_elsewhere_is_found_there_from_then_on(store, builtin, tmp_path):
    first, moved = tmp_path / "first.gguf", tmp_path / "moved.gguf"
    shutil.copy(builtin, first)
    made_with(store, Settings(model=str(first)))
    first.rename(moved)
    set_recipes(plan(Settings(model=str(moved)), store, PHASES), store)
    set_recipes(plan(Settings(), store, PHASES), store)
