"""The benchmark `own`: its file, what its rules decide, and its metrics, without a model."""

from __future__ import annotations

import json
from typing import Any

import pytest
from places import ROOT
from questions import ONE_SENTENCE, dialogue, instance, obey, plain, write

from sysgen_local.core.errors import SysgenError, UsageError
from sysgen_local.core.intervals import compare, share, wilson
from sysgen_local.engine.request import Choice, Completion
from sysgen_local.evaluation.benchmarks import by_rule
from sysgen_local.evaluation.benchmarks.benchmark import load
from sysgen_local.evaluation.benchmarks.by_rule import UNREADABLE, RuleGrader, grade
from sysgen_local.evaluation.benchmarks.own import (
    DROPS,
    FAULTS,
    METRICS,
    GradedItem,
    Item,
    read_items,
    score,
    summary,
    units,
)
from sysgen_local.evaluation.benchmarks.questions import QuestionRecord
from sysgen_local.evaluation.benchmarks.read_judge import ReadingJudge
from sysgen_local.evaluation.statistics import intervals
from sysgen_local.phases.answer_checks import AnswerChecks
from sysgen_local.phases.checks.countable import demands
from sysgen_local.prompts import PromptSet
from sysgen_local.store.evaluation import Answered, Graded

UPPER = {"phrase": "Write in capital letters.", "kind": "upper case", "text": "all capital letters"}
RESULT = {"kind": "result", "text": "42"}
EXAMPLES = ROOT / "examples" / "obey.jsonl"


def without(value: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: item for key, item in value.items() if key != name}


def graded(item: dict[str, Any], answer: str, finish: str = "stop") -> GradedItem:
    found = grade(Item.model_validate(item), Answered((answer,), (finish,)))
    assert found.dropped is None
    return Item.model_validate(item).judged(found.marks)


# The file


def test_items_of_both_kinds(tmp_path):
    file = write(tmp_path / "own.jsonl", [obey(1), plain(2), obey(3, source="a.jsonl", line=7)])
    first, second, third = read_items(file)
    assert (first.id, first.users, first.golds) == ("o1", ("How do I cook rice?",), ("",))
    assert (second.system, second.golds) == ("", ("3",))
    assert third.kind == "obey"
    assert load("own", file, limit=2).title == "own"
    assert [item.id for item in load("own", file, limit=2).questions] == ["o1", "p2"]


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        (without(obey(2), "kind"), "kind: Field required"),
        (without(obey(2), "id"), "id: Field required"),
        (without(obey(2), "messages"), "messages: Field required"),
        (without(obey(2), "checks"), "checks: Field required"),
        (without(obey(2), "system"), "needs a system message"),
        (obey(2, system=" "), "needs a system message"),
        (obey(2, kind="judge"), "'obey', 'plain', 'conflict', 'distract' or 'turns'"),
        (obey(2, checks=[]), "checks: List should have at least 1 item"),
        (obey(2, checks=[without(ONE_SENTENCE, "text")]), "checks.0.text: Field required"),
        (obey(2, checks=[without(ONE_SENTENCE, "phrase")]), "check 1 lacks its phrase"),
        (obey(2, checks=[ONE_SENTENCE, UPPER | {"kind": "shouting"}]),
         "check 2 has the unknown kind 'shouting'"),
        (obey(2, checks=[RESULT], original="42"), "needs a check with a phrase"),
        (obey(2, messages=[{"role": "assistant", "content": "x"}]), "messages.0.role"),
        (obey(2, messages=[{"role": "user", "content": ""}]), "messages.0.content"),
        (plain(2, system="Be brief."), "has no system message"),
        (plain(2, checks=[ONE_SENTENCE]), "check 1 is about a phrase"),
        (plain(2, checks=[{"kind": "follows", "text": ""}]), "the unknown kind 'follows'"),
        (without(plain(2), "original"), "`original` is missing"),
        (obey(1), "item o1 is there already"),
        (dialogue(1), "kind: Field required"),
        (instance(1), "kind: Field required"),
        ([], "valid dictionary"),
    ],
)  # fmt: skip
def test_a_bad_line_is_refused_in_one_sentence(tmp_path, bad, says):
    file = write(tmp_path / "own.jsonl", [obey(1), bad])
    with pytest.raises(UsageError, match="line 2") as caught:
        read_items(file)
    assert says in caught.value.message
    assert "\n" not in caught.value.message
    assert "sysgen testset" in (caught.value.hint or "") or "already" in says


@pytest.mark.parametrize(
    ("text", "says"), [("", "holds no item"), ("{", "line 1"), ("7", "valid dictionary")]
)
def test_a_file_that_is_none(tmp_path, text, says):
    (tmp_path / "own.jsonl").write_text(text)
    with pytest.raises(UsageError, match=says):
        read_items(tmp_path / "own.jsonl")


# Grading


def test_each_check_has_its_mark():
    item = obey(1, checks=[ONE_SENTENCE, UPPER])
    assert graded(item, "BOIL IT.").demands == (("sentences", True), ("upper case", True))
    found = graded(item, "Boil it. Then wait for it.")
    assert found.demands == (("sentences", False), ("upper case", False))
    assert not found.faults


@pytest.mark.parametrize("answer", ["", " \n", "...", "**", "- "])
def test_an_answer_without_a_word_meets_nothing(answer):
    nothing = [
        {"phrase": "Do not use commas.", "kind": "without", "text": "no commas"},
        {"phrase": "Use at most 10 words.", "kind": "words", "text": "at most 10 words"},
        {"phrase": "Do not use the word \"tea\".", "kind": "avoid words",
         "text": 'does not use "tea"'},
        UPPER,
    ]  # fmt: skip
    found = graded(obey(1, checks=nothing), answer)
    assert [ok for _, ok in found.demands] == [False] * 4
    assert "empty" in found.faults
    assert graded(plain(41), answer).agreement == (("result", False),)


def test_the_system_message_said_again_meets_nothing():
    found = graded(obey(1), "You are cook number 1. Answer in one sentence.")
    assert found.demands == (("sentences", False),)
    assert found.faults == {"echo"}


def test_an_answer_that_loops_or_is_cut_off_is_graded_and_counted():
    found = graded(obey(1, checks=[UPPER]), "YES AND " * 30, "length")
    assert found.demands == (("upper case", True),)
    assert found.faults == {"looping", "cut_off"}


def test_the_last_of_several_answers_is_graded():
    turns = [{"role": "user", "content": text} for text in ("How do I cook rice?", "And pasta?")]
    item = Item.model_validate(obey(1, messages=turns))
    found = grade(item, Answered(("One. Two. Three.", "Boil it."), ("length", "stop")))
    assert found.marks == (("yes",), ())


def test_agreement_with_the_original():
    assert graded(plain(41), "It is 42.").agreement == (("result", True),)
    assert graded(plain(41), "It is 43.").agreement == (("result", False),)
    item = obey(1, checks=[ONE_SENTENCE, RESULT], original="42",
                messages=[{"role": "user", "content": "What is 41 plus 1?"}])  # fmt: skip
    found = graded(item, "It is 42. So it is.")
    assert (found.demands, found.agreement) == ((("sentences", False),), (("result", True),))
    code = plain(1, checks=[{"kind": "code", "text": by_rule.CODE}],
                 original="```python\nprint(1)\n```")  # fmt: skip
    for answer, kept in (
        ("```python\nprint(2)\n```", True), ("```python\nprint(2\n```", False), ("print(2)", False)
    ):  # fmt: skip
        assert graded(code, answer).agreement == (("code", kept),)


@pytest.mark.parametrize(
    ("question", "original", "kind"),
    [
        ("What is 41 plus 1?", "42", "result"), ("Is ice cold?", "Yes", "result"),
        ("Is it hot or cold?", "cold", "result"), ("Who wrote Hamlet?", "Shakespeare", "result"),
        ("What is the capital of France?", "Paris.", "result"),
        ("What colour is grass?", "Green", "result"),
        ("How do I print one?", "```python\nprint(1)\n```", "code"),
        ("How do I print one?", "```python\nprint(1\n```", None),
        ("How do I make bread?", "With care.", None), ("Describe the sea.", "It is wide.", None),
        ("Where do birds sleep?", "In some old tree.", None),
    ],
)  # fmt: skip
def test_what_a_rule_can_compare(question, original, kind):
    found = by_rule.agreement_check(question, original)
    assert (found and found.kind) == kind


@pytest.mark.parametrize(
    "item",
    [
        obey(1, checks=[ONE_SENTENCE, ONE_SENTENCE | {"text": "exactly 2 sentences"}]),
        obey(1, checks=[ONE_SENTENCE | {"phrase": "Be kind."}]),
        plain(1, checks=[{"kind": "result", "text": "3"}]),
        plain(1, original="It is hard to say, and depends on much."),
    ],
)
def test_a_check_that_the_rules_read_otherwise_is_no_zero(item, tmp_path):
    loaded = load("own", write(tmp_path / "own.jsonl", [obey(7), item]))
    answered = Answered(("Boil it.",), ("stop",))
    records = [QuestionRecord(n, of, answered) for n, of in enumerate(loaded.questions, 1)]
    records = [of.after("judge", grade(of.question, answered)) for of in records]
    scores = loaded.score(records)
    assert scores["counts"]["demands"] == 1
    assert scores["questions"]["judged"] == 1
    assert scores["questions"]["failed"] == {UNREADABLE: 1}
    [named] = scores["ungraded"]
    assert (named["id"], named["reason"]) == (item["id"], UNREADABLE)
    assert named["why"].startswith("the rules read no ")
    with pytest.raises(SysgenError, match=r"no question of .* was judged: check_unreadable 1"):
        loaded.score(records[1:])


def test_an_earlier_answer_is_not_what_went_wrong(tmp_path):
    loaded = load("own", write(tmp_path / "own.jsonl", [obey(1), obey(2), obey(3)]))
    good = Answered(("Boil it.",), ("stop",))
    ended = [
        Answered(("Boil it.",), ("stop", "too_long"), "too_long"),
        Answered(("Boil it.", "it answers 500"), ("stop", "failed"), "failed"),
    ]
    records = [
        QuestionRecord(n, of, answered)
        for n, (of, answered) in enumerate(zip(loaded.questions, [good, *ended], strict=True), 1)
    ]
    records[0] = records[0].after("judge", grade(records[0].question, good))
    assert [(of["reason"], of["why"]) for of in loaded.score(records)["ungraded"]] == [
        ("answer_too_long", ""), ("answer_failed", "it answers 500")
    ]  # fmt: skip


def test_the_recipe_changes_with_the_rules(monkeypatch):
    before = RuleGrader().facts()
    monkeypatch.setattr(AnswerChecks, "VERSION", "next")
    assert RuleGrader().facts() != before


# Metrics

ITEMS = [
    GradedItem("obey", (("sentences", True), ("upper case", True)), (("result", True),)),
    GradedItem("obey", (("sentences", False),), (("result", False),), frozenset({"empty"})),
    GradedItem("obey", (("sentences", True), ("words", False), ("words", True))),
    GradedItem("plain", (), (("result", True),), frozenset({"cut_off", "looping"})),
    GradedItem("plain", (), (("code", False),), frozenset({"cut_off"})),
]


def test_metrics_by_hand():
    scores = score(ITEMS)
    assert summary(scores) == {
        "phrases": 4 / 6, "items": 1 / 3, "result": 1 / 2, "plain": 1 / 2, "cut_off": 2 / 5,
        "empty": 1 / 5, "looping": 1 / 5, "echo": 0.0,
    }  # fmt: skip
    assert scores["kinds"] == {
        "sentences": {"met": 2, "of": 3}, "words": {"met": 1, "of": 2},
        "upper case": {"met": 1, "of": 1},
    }  # fmt: skip
    assert scores["agreement"] == {"result": {"met": 2, "of": 3}, "code": {"met": 0, "of": 1}}
    assert scores["counts"] == {
        "obey": 3, "plain": 2, "demands": 6, "demands_met": 4, "items_met": 1, "results": 2,
        "results_kept": 1, "plain_kept": 1, "cut_off": 2, "empty": 1, "looping": 1, "echo": 0,
    }  # fmt: skip


def test_what_was_not_asked_has_no_share():
    scores = score(ITEMS[3:])
    assert scores["phrases"] is scores["items"] is scores["result"] is None
    assert scores["plain"] == 1 / 2


def test_the_bootstrap_sees_the_same_shares():
    better = [ITEMS[0], ITEMS[0], *ITEMS[2:]]
    found = compare(units(ITEMS), units(better))
    assert tuple(found) == METRICS
    assert {name: of.before for name, of in found.items()} == summary(score(ITEMS))
    assert {name: of.after for name, of in found.items()} == summary(score(better))
    assert found["items"].difference == pytest.approx(1 / 3)
    assert found["items"].low <= found["items"].difference <= found["items"].high
    assert {fault for fault in FAULTS if found[fault].difference} == {"empty"}


def test_the_items_of_one_row_are_one_unit():
    def item(number: int, kind: str, line: int | None) -> GradedItem:
        made = obey(number) if kind == "obey" else plain(number)
        given = made | {"source": "rows.jsonl"} | ({"line": line} if line else {})
        return graded(given, "")

    items = [item(1, "obey", 7), item(2, "plain", 7), item(3, "obey", 8), item(4, "obey", None)]
    parts = units(items)
    assert parts["empty"] == [(2.0, 2.0), (1.0, 1.0), (1.0, 1.0)]
    assert parts["plain"] == [(0.0, 1.0), (0.0, 0.0), (0.0, 0.0)]
    assert [of.row for of in items] == ["rows.jsonl:7", "rows.jsonl:7", "rows.jsonl:8", "o4"]
    # two answers of one row and two of others: three rows tell as much as 16 / 6 answers
    assert intervals(parts)["empty"]["low"] == pytest.approx(wilson(16 / 6, 16 / 6)[1])


def test_the_intervals_of_the_metrics():
    found = intervals(units(ITEMS), DROPS)
    assert tuple(found) == METRICS
    # 2 of 2, 0 of 1 and 2 of 3 demands of three items
    by_hand = share([(2, 2), (0, 1), (2, 3)])
    assert found["phrases"] == {"low": by_hand.low, "high": by_hand.high}
    assert found["items"]["low"] == wilson(1, 3)[1]
    assert intervals(units(ITEMS[3:]))["phrases"] == {"low": None, "high": None}
    pairs = [graded(obey(n), "Boil it.") for n in range(1, 21)]
    pairs += [graded(conflict(n), THREE if n <= 10 else "Boil it.") for n in range(1, 21)]
    drop = intervals(units(pairs), DROPS)["conflict_drop"]
    # lost in 10 of 20 pairs, won in none: half +- 1.96 sqrt(0.25 / 20)
    assert drop["low"] == pytest.approx(0.28, abs=0.05)
    assert drop["high"] == pytest.approx(0.72, abs=0.05)
    # Where all pairs are the same, resamples are too, which is no certainty.
    same = [of for of in pairs if of.id.endswith(("12", "13", "14"))]
    assert score(same)["conflict_drop"] == 0
    assert intervals(units(same), DROPS)["conflict_drop"] == {"low": None, "high": None}


# Conflicts, distractors, several turns

TWO = "Wash the rice well. Boil the rice in water."
THREE = "Wash the rice well. Boil the rice in water. Then eat the rice."


def conflict(number: int, **changed: Any) -> dict[str, Any]:
    """An item whose user asks for the opposite of what item o<number> checks."""
    sentence = "Please write at least 3 sentences."
    content = f"How do I cook rice?\n\n{sentence}"
    return obey(number, kind="conflict", id=f"c{number}", aligned=f"o{number}") | {
        "messages": [{"role": "user", "content": content}],
        "asks": {"sentence": sentence, "text": "at least 3 sentences"},
    } | changed  # fmt: skip


def distract(number: int, **changed: Any) -> dict[str, Any]:
    messages = [{"role": "user", "content": "How do I cook rice?\n\nMy cat is asleep."}]
    return (
        obey(number, kind="distract", id=f"d{number}", aligned=f"o{number}", messages=messages)
        | changed
    )


def talk(number: int, **changed: Any) -> dict[str, Any]:
    asked = ("How do I cook rice?", "And peas?", "And corn?")
    messages = [{"role": "user", "content": text} for text in asked]
    return obey(number, kind="turns", id=f"t{number}", messages=messages) | changed


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        (conflict(1, system=" "), "of the kind conflict needs a system message"),
        (conflict(1, aligned="o9"), "`aligned` names o9, which is no obey item of the file"),
        (conflict(1, aligned="p1"), "`aligned` names p1, which is no obey item of the file"),
        (conflict(1, checks=[UPPER]), "check 1 is not one of o1, which `aligned` names"),
        (distract(1, checks=[ONE_SENTENCE, RESULT], original="42"),
         "of the kind distract has checks with a phrase alone"),
        (talk(1, messages=[{"role": "user", "content": "x"}]), "needs several messages"),
        (conflict(1, asks={"text": "much"}), "asks.sentence: Field required"),
    ],
)  # fmt: skip
def test_a_bad_item_with_something_besides(tmp_path, bad, says):
    with pytest.raises(UsageError, match="line 3") as caught:
        read_items(write(tmp_path / "own.jsonl", [obey(1), plain(1), bad]))
    assert says in caught.value.message


def test_an_item_may_stand_without_its_aligned_one(tmp_path):
    alone = [without(conflict(1), "aligned"), without(distract(1), "aligned"), talk(1)]
    assert len(read_items(write(tmp_path / "own.jsonl", alone))) == 3
    found = [graded(item, "Boil it.") for item in alone[:2]]
    scores = score(found)
    assert (scores["conflict"], scores["conflict_drop"], scores["distract_drop"]) == (1, None, None)


@pytest.mark.parametrize(
    ("answer", "obeys", "gave_in"),
    [("Boil it.", True, False), (TWO, False, False), (THREE, False, True),
     ("", False, False)],
)  # fmt: skip
def test_a_conflict_is_graded_by_the_system_message(answer, obeys, gave_in):
    found = graded(conflict(1), answer)
    assert (found.obeys, found.gave_in) == (obeys, gave_in)


def test_what_the_user_asks_for_may_not_be_known():
    assert graded(without(conflict(1), "asks"), THREE).gave_in is None
    other = {"sentence": "Sing.", "text": "a song"}
    assert graded(conflict(1, asks=other), THREE).gave_in is None


def test_every_answer_of_several_turns_is_graded():
    item = Item.model_validate(talk(1, checks=[ONE_SENTENCE, UPPER]))
    replies = ("BOIL IT.", TWO, "BOIL IT ALL.")
    found = grade(item, Answered(replies, ("stop", "length", "stop")))
    assert found.marks == (("yes", "yes", "no", "no", "yes", "yes"), ("cut_off",))
    assert found.reasons[0] == "answer 2: exactly 1 sentence; answer 2: all capital letters"
    marked = item.judged(found.marks)
    assert marked.answers == (True, False, True)
    assert marked.demands == (("sentences", True), ("upper case", True))
    parts = units([marked])
    assert (parts["turns"], parts["last_turn"]) == ([(2.0, 3.0)], [(1.0, 1.0)])


def test_the_drop_is_over_pairs_of_which_both_were_graded():
    good, bad, worse = "Boil it.", TWO, THREE
    items = [
        graded(obey(1), good), graded(conflict(1), worse), graded(distract(1), good),
        graded(obey(2), good), graded(conflict(2), good), graded(distract(2), bad),
        graded(obey(3), bad), graded(conflict(3), good),
        graded(conflict(4), bad),  # its aligned item was not graded
        graded(plain(41), "42"),
    ]  # fmt: skip
    scores = score(items)
    assert scores["phrases"] == scores["items"] == 2 / 3
    assert scores["conflict"] == 2 / 4
    assert scores["conflict_drop"] == pytest.approx((1 + 0 - 1) / 3)
    assert (scores["distract"], scores["distract_drop"]) == (1 / 2, 1 / 2)
    assert scores["kinds"] == {"sentences": {"met": 2, "of": 3}}
    assert scores["conflict_kinds"] == {"sentences": {"met": 2, "of": 4}}
    counts = scores["counts"]
    assert {name: counts[name] for name in counts if name not in FAULTS} == {
        "obey": 3, "plain": 1, "demands": 3, "demands_met": 2, "items_met": 2, "results": 0,
        "results_kept": 0, "plain_kept": 1, "conflict": 4, "conflict_met": 2, "conflict_pairs": 3,
        "gave_in": 1, "gave_in_of": 4, "distract": 2, "distract_met": 1, "distract_pairs": 2,
    }  # fmt: skip
    found = compare(units(items), units(items[:1] + items[:1] + items[2:]))
    assert [name for name in found if name not in METRICS] == [
        "conflict", "conflict_drop", "distract", "distract_drop",
    ]  # fmt: skip
    assert tuple(found) == tuple(summary(scores))
    assert {name: of.before for name, of in found.items()} == summary(scores)


def test_only_the_contested_demand_counts_for_the_drop():
    both = [ONE_SENTENCE, UPPER]
    aligned = graded(obey(1, checks=both), "Boil it.")  # not in capital letters
    scores = score([aligned, graded(conflict(1), THREE)])
    assert scores["items"] == 0
    assert scores["conflict_drop"] == 1


def test_the_tables_have_the_new_lines_only_where_there_are_such_items():
    from sysgen_local.report.benchmarks import own_table

    def text(items: list[GradedItem]) -> str:
        from rich.console import Console

        console = Console(width=100)
        with console.capture() as shown:
            console.print(own_table(score(items)))
        return shown.get()

    items = [graded(obey(1), "Boil it."), graded(conflict(1), THREE)]
    assert "against the user" not in text(items[:1])
    table = text(items)
    assert "conflict: met against the user" in table
    assert "did what the user asked for" in table
    assert "distract" not in table


# Phrases that a judge must read

WARM = {"phrase": "Be friendly.", "kind": "read", "text": "Be friendly."}
SHORT = {"phrase": "Be brief.", "kind": "read", "text": "Be brief."}


def answered(item: dict[str, Any], answer: str) -> QuestionRecord:
    return QuestionRecord(1, Item.model_validate(item), Answered((answer,), ("stop",)))


def said(p: float | None, finish: str = "stop") -> Completion:
    probabilities = None if p is None else {"yes": p, "no": 1 - p}
    return Completion("1", "yes", finish, probabilities=probabilities)


def read_by(item: dict[str, Any], answer: str, *replies: Completion) -> Graded:
    """The marks where the judge replies so, one reply a phrase."""
    work = ReadingJudge(PromptSet.load("default")).work(answered(item, answer))
    try:
        requests = next(work)
        assert len(requests) == len(replies)
        for request in requests:
            assert request.constraint == Choice(("yes", "no"))
            assert answer in "".join(piece.text for piece in request.messages[-1].content)
        work.send(list(replies))
    except StopIteration as end:
        return end.value
    raise AssertionError("it asks again")


def test_without_a_judge_a_phrase_that_must_be_read_is_not_graded():
    item = obey(1, checks=[ONE_SENTENCE, WARM, SHORT])
    found = graded(item, "Boil it.")
    assert (found.demands, found.read) == ((("sentences", True),), (None, None))
    scores = score([found, graded(obey(2), "Boil it.")])
    assert (scores["phrases"], scores["items"], scores["read"]) == (1, 1, None)
    counts = scores["counts"]
    assert [counts[name] for name in ("read", "read_graded", "read_met", "read_not_graded")] == [
        2, 0, 0, 2,
    ]  # fmt: skip
    assert "read" not in score([graded(obey(2), "Boil it.")])
    assert counts["demands"] == 2
    assert scores["kinds"] == {"sentences": {"met": 2, "of": 2}}


def test_the_judge_is_asked_about_each_and_rules_stay():
    item = obey(1, checks=[WARM, ONE_SENTENCE, SHORT])
    found = read_by(item, THREE, said(0.8), said(0.3))
    assert found.marks == (("yes", "no", "no"), ())
    assert found.reasons[-1] == "Be friendly.: 0.800; Be brief.: 0.300"
    marked = Item.model_validate(item).judged(found.marks)
    assert (marked.demands, marked.read) == ((("sentences", False),), (True, False))
    scores = score([marked])
    assert (scores["read"], scores["phrases"]) == (1 / 2, 0)
    assert tuple(summary(scores)) == tuple(units([marked]))


def test_what_the_judge_cannot_read_is_no_zero():
    item = obey(1, checks=[ONE_SENTENCE, WARM, SHORT])
    for unread in (said(None), said(None, "too_long")):
        found = read_by(item, "Boil it.", unread, said(0.9))
        assert found.marks == (("yes", "", "yes"), ())
        scores = score([Item.model_validate(item).judged(found.marks)])
        assert (scores["read"], scores["counts"]["read_not_graded"]) == (1, 1)
    for replies in (("failed", "stop"), ("too_long", "failed"), ("refused", "too_long")):
        ended = [said(None, finish) for finish in replies]
        failed = read_by(item, "Boil it.", *ended)
        again = "refused" if "refused" in replies else "failed"
        assert (failed.marks, failed.dropped) == ((), f"judge_{again}")


@pytest.mark.parametrize("answer", ["", "You are cook number 1. Answer in one sentence."])
def test_an_answer_that_says_nothing_follows_nothing_and_is_not_read(answer):
    found = read_by(obey(1, checks=[ONE_SENTENCE, WARM]), answer)
    assert found.marks[0] == ("no", "no")


def test_where_such_a_check_may_stand(tmp_path):
    for item, says in (
        (obey(1, checks=[WARM]), "needs a check with a phrase that a rule tests"),
        (plain(1, checks=[WARM]), "needs a phrase, and an item of the kind obey"),
        (without(conflict(1), "aligned") | {"checks": [ONE_SENTENCE, WARM]}, "of the kind obey"),
        (obey(1, checks=[ONE_SENTENCE, without(WARM, "phrase")]), "needs a phrase"),
    ):
        with pytest.raises(UsageError, match=says):
            read_items(write(tmp_path / "own.jsonl", [item]))
    file = write(tmp_path / "own.jsonl", [obey(1, checks=[ONE_SENTENCE, WARM])])
    assert load("own", file).reads
    assert not load("own", write(tmp_path / "own.jsonl", [obey(1)])).reads


def test_the_recipe_names_the_prompt_of_the_judge():
    assert ReadingJudge(PromptSet.load("default")).facts().keys() >= {"rules", "grading", "follow"}


# The examples


def example_lines() -> list[dict[str, Any]]:
    return [json.loads(line) for line in EXAMPLES.read_text(encoding="utf-8").splitlines()]


def test_every_demand_of_the_examples_is_read_as_it_is_meant():
    """The checks name all that the rules read from the whole system message, and nothing else."""
    items = read_items(EXAMPLES)
    assert sum(item.kind == "obey" for item in items) >= 100
    assert sum(item.kind == "plain" for item in items) >= 10
    kinds = set()
    for item in items:
        asked = [check for check in item.checks if check.phrase]
        assert all(check.phrase in item.system for check in asked), item.id
        read = {(of.kind, of.text) for of in demands(item.system)}
        assert {(check.kind, check.text) for check in asked} == read, item.id
        assert len(asked) <= 2
        kinds |= {check.kind for check in asked}
        assert all(by_rule.rule_of(item, check) for check in item.checks), item.id
    assert len(kinds) >= 30


def test_the_examples_can_be_met_and_are_not_met_by_themselves():
    for line in example_lines():
        if line["kind"] == "plain":
            assert graded(line, line["original"]).agreement == (("result", True),)
            continue
        good, usual = (graded(line, line[key]) for key in ("example", "original"))
        assert all(ok for _, ok in (*good.demands, *good.agreement)), line["id"]
        assert not good.faults
        assert not all(ok for _, ok in usual.demands), line["id"]
        assert all(ok for _, ok in usual.agreement), line["id"]
