"""AdvancedIF: the layout as it is published, the scores, and what its judge is asked."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from instructed import advancedif, multi_if, write_csv

import sysgen_local
from sysgen_local.core.errors import UsageError
from sysgen_local.engine.request import Choice, Completion
from sysgen_local.evaluation.benchmarks.advancedif import (
    Conversation,
    JudgedConversation,
    read_conversations,
    score,
    summary,
)
from sysgen_local.evaluation.benchmarks.benchmark import load
from sysgen_local.evaluation.benchmarks.questions import QuestionRecord
from sysgen_local.evaluation.benchmarks.rubrics import RubricJudge
from sysgen_local.prompts import judge_prompt
from sysgen_local.store.evaluation import Answered

SYSTEM = "Never use the letter q.\nAnswer in one sentence."
STEERED = advancedif("Is the letter q absent?", "Is it one sentence?", system=SYSTEM)
PLAIN = {
    "benchmark_name": "complex_if_single_turn_v5",
    "conversation_history": json.dumps([{"role": "user", "content": "Name a tree, in capitals."}]),
    "prompt_metadata": json.dumps({"rubrics": ["Is it a tree?"]}),
}

STEERED_READ = Conversation(
    "1",
    "system",
    SYSTEM,
    (("What is a queen bee?", 'The mother of the hive, said "the keeper".'),),
    "And a drone?",
    ("Is the letter q absent?", "Is it one sentence?"),
)


def test_the_published_csv_is_read(tmp_path: Path) -> None:
    found = read_conversations(write_csv(tmp_path / "all.csv", [STEERED, PLAIN]))
    assert found == [
        STEERED_READ,
        Conversation("2", "complex", "", (), "Name a tree, in capitals.", ("Is it a tree?",)),
    ]


def test_the_same_as_jsonl_is_read(tmp_path: Path) -> None:
    path = tmp_path / "all.jsonl"
    plain = {
        name: json.loads(text) if name != "benchmark_name" else "if_system_steerability_oss"
        for name, text in STEERED.items()
    }
    path.write_text("\n".join(json.dumps(row) for row in (STEERED, plain)))
    first, second = read_conversations(path)
    assert first == STEERED_READ
    assert (second.area, second.rubrics) == (first.area, first.rubrics)


def test_a_cell_may_be_longer_than_the_limit_of_the_csv_module(tmp_path: Path) -> None:
    limit = csv.field_size_limit()
    long = "so " * 100_000
    row = PLAIN | {"conversation_history": json.dumps([{"role": "user", "content": long}])}
    assert read_conversations(write_csv(tmp_path / "long.csv", [row]))[0].user == long
    assert csv.field_size_limit() == limit


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"benchmark_name": "mystery"}, "row 1: the unknown benchmark_name 'mystery'"),
        ({"conversation_history": "[]"}, "row 1: conversation_history"),
        ({"conversation_history": "no JSON"}, "row 1: conversation_history"),
        ({"prompt_metadata": '{"rubrics": []}'}, "row 1: prompt_metadata.rubrics"),
        ({"prompt_metadata": "{}"}, "row 1: prompt_metadata.rubrics"),
        (
            {"conversation_history": '[{"role": "assistant", "content": "Hello."}]'},
            "row 1: the roles are assistant",
        ),
        (
            {
                "conversation_history": '[{"role": "user", "content": "Hi"}, '
                '{"role": "assistant", "content": "Hello."}]'
            },
            "row 1: the roles are user, assistant",
        ),
    ],
)
def test_a_wrong_row_is_named(tmp_path: Path, change: dict[str, str], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        read_conversations(write_csv(tmp_path / "wrong.csv", [PLAIN | change]))


@pytest.mark.parametrize("text", ["", "a,b\n", "a,b\n1,2\n"])
def test_another_file_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "other.csv"
    path.write_text(text)
    with pytest.raises(UsageError, match=r"other\.csv"):
        read_conversations(path)


def test_the_scores_are_the_authors() -> None:
    judged = [
        JudgedConversation("system", (True, True)),
        JudgedConversation("system", (True, False, True)),
        JudgedConversation("complex", (True,)),
    ]
    found = score(judged)
    assert summary(found) == {
        "overall": 2 / 3,
        "complex": 1.0,
        "context": None,
        "system": 1 / 2,
        "rubrics": 5 / 6,
    }
    assert found["counts"] == {
        "conversations": 3, "complex": 1, "context": 0, "system": 2, "rubrics": 6, "rubrics_met": 5,
    }  # fmt: skip


def _asked(answer: str, *completions: Completion) -> tuple[list[Any], Any]:
    """The requests of the judge, and what it makes of the completions."""
    record = QuestionRecord(7, STEERED_READ, Answered((answer,), ("stop",)))
    work = RubricJudge(judge_prompt("advancedif")).work(record)
    requests = list(next(work))
    with pytest.raises(StopIteration) as ended:
        work.send(list(completions))
    return requests, ended.value.value


def _said(yes: float) -> Completion:
    label = "yes" if yes > 0.5 else "no"
    return Completion("7:judge:0", label, "stop", probabilities={"yes": yes, "no": 1 - yes})


def test_each_rubric_is_read_off_the_logits() -> None:
    requests, graded = _asked("A male bee.", _said(0.9), _said(0.25))
    assert graded.marks == (("yes",), ("no",))
    assert graded.reasons == ("p(yes) 0.900", "p(yes) 0.250")
    assert [request.id for request in requests] == ["7:judge:0", "7:judge:1"]
    assert requests[0].constraint == Choice(("yes", "no"))
    text = "".join(part.text for message in requests[1].messages for part in message.content)
    for said in ("Never use the letter q.", "What is a queen bee?", "A male bee.", "one sentence?"):
        assert said in text
    trusted = "".join(
        part.text for message in requests[1].messages for part in message.content if part.trusted
    )
    assert "queen" not in trusted
    assert STEERED_READ.judged(graded.marks) == JudgedConversation("system", (True, False))


def test_an_empty_answer_meets_nothing_and_nobody_is_asked() -> None:
    record = QuestionRecord(7, STEERED_READ, Answered((" \n",), ("stop",)))
    work = RubricJudge(judge_prompt("advancedif")).work(record)
    with pytest.raises(StopIteration) as ended:
        next(work)
    assert ended.value.value.marks == (("no",), ("no",))


def test_a_judge_without_an_answer_gives_no_marks() -> None:
    _, graded = _asked("A bee.", _said(0.9), Completion("7:judge:1", "too many tokens", "too_long"))
    assert graded.dropped == "judge_too_long"
    assert graded.marks == ()


@pytest.mark.model
def test_a_model_is_evaluated_and_taken_up_again(tmp_path: Path) -> None:
    file = write_csv(tmp_path / "all.csv", [STEERED, PLAIN])
    asked: dict[str, Any] = {
        "model": "builtin", "db": tmp_path / "e.duckdb", "max_answer_tokens": 16, "slots": 2,
    }  # fmt: skip
    scores = sysgen_local.evaluate("advancedif", file, **asked)
    assert scores is not None
    assert scores["questions"]["judged"] == 2
    assert scores["counts"]["rubrics"] == 3
    assert sysgen_local.evaluate("advancedif", file, **asked) == scores


def test_a_file_of_another_benchmark_is_named(tmp_path: Path) -> None:
    file = write_csv(tmp_path / "multi.csv", [multi_if("a")])
    with pytest.raises(UsageError, match="looks like one of multi-if"):
        load("advancedif", file)
    with pytest.raises(UsageError, match="looks like one of advancedif"):
        load("multi-if", write_csv(tmp_path / "all.csv", [STEERED]))
