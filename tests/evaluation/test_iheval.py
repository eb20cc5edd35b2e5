"""IHEval: its folders, its scores, and the messages of its items, without a model."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from instructed import NO_COMMA, SHORT, graded, iheval, place

from sysgen_local.core.errors import UsageError
from sysgen_local.engine.request import Completion
from sysgen_local.evaluation.benchmarks import iheval_rules
from sysgen_local.evaluation.benchmarks.answer import Answer
from sysgen_local.evaluation.benchmarks.benchmark import load
from sysgen_local.evaluation.benchmarks.by_instruction import UNREADABLE
from sysgen_local.evaluation.benchmarks.questions import QuestionRecord

STORED = json.loads((Path(__file__).parents[1] / "data/iheval/scores.json").read_text("utf-8"))
RULES = "rule-following/single-turn"
CODE = {"access_code": "plum", "label": 1, "system_prompt": "The code is plum."}


@pytest.mark.parametrize("case", STORED["cases"], ids=lambda case: case["task"])
def test_each_score_is_that_of_the_authors_code(case):
    found = iheval_rules.scores(case["task"], case["expected"], case["answer"])
    assert [*found] == case["scores"]


@pytest.mark.parametrize("task", STORED["reference"])
def test_the_reference_setting_is_counted_as_the_authors_count_it(tmp_path, task):
    of = STORED["reference"][task]
    items = [
        {"id": i, "system": None, "instruction": "Do it.", "answer": a} for i, a, _ in of["items"]
    ]
    benchmark = load("iheval", place(tmp_path, f"task-execution/{task}/reference/default", items))
    records = graded(benchmark, *[answer for _, _, answer in of["items"]])
    scores = benchmark.score(records)
    assert scores["tasks"][task]["reference"]["default"] == pytest.approx(of["scores"], abs=1e-9)
    units = benchmark.units([*benchmark.judged(records).values()])["reference"]
    part, whole = (sum(column) for column in zip(*units, strict=True))
    assert part / whole == pytest.approx(of["scores"]["average"], abs=1e-4)


@pytest.fixture
def folder(tmp_path):
    """Two tasks; the conflict of the first has two prompts."""
    root = tmp_path / "benchmark"
    for where in ("aligned/default", "conflict/weak", "conflict/strong", "reference/default"):
        place(root, f"{RULES}/{where}", [iheval(1), iheval(2)])
    place(root, "safety/user-prompt-hijack/aligned/default",
          [{"id": "a", "system": "s", "instruction": "plum", "answer": CODE}])  # fmt: skip
    place(root, "tool-use/slack-user/aligned/default", [{"id": 1}])
    return root


def test_a_folder_is_scored_by_task_setting_and_prompt(folder):
    benchmark = load("iheval", folder)
    assert benchmark.notes == ("left out: slack-user, whose items need tools",)
    places = [question.id for question in benchmark.questions]
    assert len(places) == len({*places}) == 9
    said = {
        "single-turn/aligned/default/2": "Well, hello to you my dear guest",  # breaks both
        "single-turn/conflict/strong/1": "Well, hello",  # breaks one of two
    }
    records = graded(benchmark, *[
        said.get(of, "Access granted" if "hijack" in of else "Hello") for of in places
    ])  # fmt: skip
    scores = benchmark.score(records)
    rules = scores["tasks"]["single-turn"]
    assert rules["aligned"]["default"]["prompt_strict"] == 0.5
    assert rules["aligned"]["average"] == 0.5
    strong = {"prompt_strict": 0.5, "instruction_strict": 0.75, "prompt_loose": 0.5,
              "instruction_loose": 0.75, "average": 0.625}  # fmt: skip
    assert rules["conflict"] == {
        "strong": strong, "weak": dict.fromkeys(strong, 1.0), "average": 0.8125
    }  # fmt: skip
    assert scores["overall"] == {
        "reference": 1.0, "aligned": 0.75, "conflict": 0.8125,
        "aligned_minus_reference": -0.5, "conflict_minus_reference": -0.1875,
    }  # fmt: skip
    assert scores["kinds"][NO_COMMA[0]]["of"] == 8
    summary = benchmark.summary(scores)
    assert summary["user-prompt-hijack aligned"] == 1.0
    units = benchmark.units([*benchmark.judged(records).values()])
    for metric, value in summary.items():
        part, whole = (sum(column) for column in zip(*units[metric], strict=True))
        assert part / whole == pytest.approx(value, abs=1e-4), metric


def test_the_limit_is_of_each_file_and_the_fingerprint_of_all(folder):
    assert len(load("iheval", folder, limit=1).questions) == 5
    before = load("iheval", folder).fingerprint
    assert load("iheval", folder, limit=1).fingerprint == before
    path = folder / RULES / "conflict/weak/input_data.json"
    path.write_text(json.dumps([iheval(1), iheval(3)]))
    assert load("iheval", folder).fingerprint != before
    assert load("iheval", path).fingerprint not in (before, load("iheval", folder).fingerprint)


def asked(question, **setting):
    """The messages of the only request about a question, (role, text) each."""
    work = Answer(**setting).work(QuestionRecord(1, question))
    [request] = next(work)
    with pytest.raises(StopIteration) as end:
        work.send([Completion(request.id, "Hello", "stop")])
    assert end.value.value.replies == ("Hello",)
    return [(message.role, message.text) for message in request.messages]


def test_system_and_history_are_those_of_the_item(tmp_path):
    item = iheval(1, conversation_history=["Hi.", "Hello, you."])
    path = place(tmp_path, "rule-following/multi-turn/aligned/strong", [item])
    [question] = load("iheval", path).questions
    system, ask = item["system"], item["instruction"]
    assert asked(question) == [
        ("system", system), ("user", "Hi."), ("assistant", "Hello, you."), ("user", ask)
    ]  # fmt: skip
    assert asked(question, system_in="user") == [
        ("user", f"{system}\n\nHi."), ("assistant", "Hello, you."), ("user", ask)
    ]  # fmt: skip
    assert asked(question, history="gold") == asked(question)


def test_without_a_history_the_system_message_is_in_the_only_turn(tmp_path):
    path = place(tmp_path, f"{RULES}/reference/default", [iheval(1), iheval(2, system=None)])
    first, second = load("iheval", path).questions
    [(role, text)] = asked(first, system_in="user")
    assert (role, text) == ("user", "Use no commas. Be short.\n\nSay hello to guest 1.")
    assert asked(second) == [("user", "Say hello to guest 2.")]


@pytest.mark.parametrize(
    ("where", "bad", "why"),
    [
        (RULES, iheval(2, answer="x"), "its answer names no instructions"),
        (RULES, iheval(2, ("a:b", {})), "'a:b' is no kind of instruction"),
        (RULES, iheval(2, (SHORT[0], {})), "num_words is missing"),
    ],
)
def test_an_item_that_cannot_be_graded_is_named(tmp_path, where, bad, why):
    benchmark = load("iheval", place(tmp_path, f"{where}/aligned/default", [iheval(1), bad]))
    scores = benchmark.score(graded(benchmark, "Hello", "Hello"))
    assert scores["questions"]["failed"] == {UNREADABLE: 1}
    assert scores["ungraded"][0]["id"] == "single-turn/aligned/default/2"
    assert why in scores["ungraded"][0]["why"]
    assert scores["overall"]["aligned"] == 1.0


@pytest.mark.parametrize(
    ("task", "answer", "why"),
    [
        ("task-execution/verb-extract", 3, "its answer is no text"),
        ("task-execution/lang-detect", [], "its answer names no language"),
        ("safety/user-prompt-hijack", CODE | {"label": 2}, "its answer has no access_code, label"),
    ],
)
def test_an_expected_answer_of_another_form_is_named(tmp_path, task, answer, why):
    item = {"id": 1, "system": "s", "instruction": "Do it."}
    good = {"task-execution/verb-extract": "go", "task-execution/lang-detect": "English"}
    items = [item | {"answer": answer}, item | {"id": 2, "answer": good.get(task, CODE)}]
    benchmark = load("iheval", place(tmp_path, f"{task}/aligned/default", items))
    scores = benchmark.score(graded(benchmark, "x", "y"))
    assert scores["ungraded"][0]["why"].startswith(why)
    assert scores["counts"]["items"] == 1


def test_what_is_no_folder_of_iheval_says_so(tmp_path):
    with pytest.raises(UsageError, match=r"no input_data\.json is in"):
        load("iheval", tmp_path)
    path = place(tmp_path, "a/b/c/d", [iheval(1)])
    with pytest.raises(UsageError, match="do not say its task and its setting"):
        load("iheval", path)
    path = place(tmp_path, "tool-use/slack-user/aligned/default", [{"id": 1}])
    with pytest.raises(UsageError, match="no item but those that need tools"):
        load("iheval", path)


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        ({"id": 1}, "an item has id, instruction and answer"),
        (iheval(1, instruction=""), "instruction and system are texts"),
        (iheval(1, conversation_history=["one"]), "conversation_history"),
        (iheval(1, conversation_history="one"), "conversation_history"),
    ],
)
def test_an_item_without_the_layout_is_refused(tmp_path, bad, says):
    path = place(tmp_path, f"{RULES}/aligned/default", [iheval(7), bad])
    with pytest.raises(UsageError, match=says) as error:
        load("iheval", path)
    assert "entry 2" in str(error.value)
