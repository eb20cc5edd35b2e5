"""What is looked at in a new answer: by rule where one can tell, else by a question."""

from __future__ import annotations

import pytest

from sysgen_local.core.records import Conversation, Phrase, Row, Turn, Verdict, Verified
from sysgen_local.phases.answer_checks import (
    AnswerChecks,
    has_exact_result,
    is_contained_in,
    phrases_of,
    repeats_system_message,
)
from sysgen_local.prompts import PromptSet

DEFAULT = PromptSet.load("default")
EGGS = "Janet's ducks lay 16 eggs a day. She eats 3. How many are left?"
LEFT = "She has 16 - 3 = <<16-3=13>>13 left.\n#### 13"
RAIN = "Why does it rain?"
DROPS = "Water falls down as drops from clouds."
ROLE = Phrase("role", "You are a cook.")
WARM = Phrase("style", "Be friendly and warm.")
SHORT = Phrase("format", "Answer in at most ten words.")


def row(*phrases: Phrase, system: str | None = None, bad: Phrase | None = None) -> Row:
    verdicts = tuple(Verdict(p.tag, p.text, "good", 0.9, 0.1, 0.0) for p in phrases)
    if bad:
        verdicts += (Verdict(bad.tag, bad.text, "bad", 0.1, 0.9, 0.0),)
    text = " ".join(p.text for p in phrases) if system is None else system
    conversation = Conversation((Turn("user", RAIN), Turn("assistant", DROPS)), 1)
    return Row(1, conversation, verified=Verified(verdicts, text))


def evidence(instruction: str, original: str, *phrases: Phrase) -> AnswerChecks:
    return AnswerChecks(1, instruction, original, phrases_of(row(*phrases)))


def asked(of: AnswerChecks, prompts: PromptSet = DEFAULT) -> list[tuple[str, str, str]]:
    return [(kind, name, text) for kind, name, _, text in of.questions(prompts, "New.")]


def test_phrases_are_those_that_make_the_system_message():
    found = phrases_of(row(ROLE, SHORT, bad=WARM))
    assert [phrase for phrase, _ in found] == [ROLE, SHORT]
    assert [[demand.text for demand in asked] for _, asked in found] == [[], ["at most 10 words"]]


def test_an_edited_system_message_keeps_the_phrases_that_are_still_in_it():
    edited = row(ROLE, SHORT, WARM, system=f"{ROLE.text} And be careful. {SHORT.text}")
    assert [phrase for phrase, _ in phrases_of(edited)] == [ROLE, SHORT]


def test_a_system_message_that_no_judge_saw_is_one_phrase():
    system = "Answer in at most ten words and be kind."
    for of in (row(system=system), row(ROLE, WARM, system=system)):
        [(phrase, asked)] = phrases_of(of)
        assert phrase == Phrase("task", system)
        assert [demand.text for demand in asked] == ["at most 10 words"]


def test_a_role_or_what_is_known_demands_nothing():
    known = Phrase("background", "Answer in at most ten words.")
    assert phrases_of(row(known)) == ((known, ()),)


def test_what_a_program_returns_is_no_form_of_the_answer():
    code = Phrase("task", "Write the function in Python.")
    list_ = Phrase("format", "Return a list of all subsets.")
    steps = Phrase("format", "Explain it in a numbered list.")
    alone = [[demand.text for demand in asked] for _, asked in phrases_of(row(list_, steps))]
    assert alone == [["a list"], ["a numbered list"]]
    with_code = [asked for _, asked in phrases_of(row(code, list_, steps))]
    assert [[demand.text for demand in asked] for asked in with_code] == [
        [], [], ["a numbered list"]
    ]  # fmt: skip
    of = AnswerChecks(1, RAIN, DROPS, phrases_of(row(code, list_)))
    assert ("follows", "follow", list_.text) in asked(of)  # so the model is asked


def test_the_result_is_looked_for_by_rule():
    of = evidence(EGGS, LEFT)
    [kept] = of.by_rule("Janet keeps 13 eggs.")
    assert (kept.turn, kept.kind, kept.text, kept.by, kept.p) == (1, "result", "13", "rule", 1.0)
    [lost] = of.by_rule("Janet keeps 12 eggs.")
    assert (lost.kind, lost.p) == ("result", 0.0)
    assert evidence(RAIN, DROPS).by_rule("Clouds are full of it.") == []


def test_code_must_parse_unless_the_original_does_not_either():
    good, broken = "```python\nprint(1)\n```", "```python\nprint(1\n```"
    assert [(c.kind, c.p) for c in evidence(RAIN, DROPS).by_rule(good)] == [("code", 1.0)]
    [check] = evidence(RAIN, DROPS).by_rule(broken)
    assert (check.kind, check.p) == ("code", 0.0)
    assert check.detail.startswith("Code block 1 is")
    assert evidence(RAIN, broken).by_rule(broken)[0].p == 1.0


def test_a_claim_of_a_tool_stays_only_where_the_original_makes_it():
    claim = "I searched the web and found that mint grows in a pot."
    [check] = evidence(RAIN, DROPS).by_rule(claim)
    assert (check.kind, check.text, check.p) == ("tool_claim", claim, 0.0)
    found = evidence(RAIN, f"{DROPS} {claim}").by_rule(claim)
    assert [c.kind for c in found] == ["agrees"]


def test_phrases_are_tested_by_rule_where_they_can_be_counted():
    of = evidence(RAIN, DROPS, ROLE, WARM, SHORT)
    [met] = of.by_rule("Clouds are full.")
    assert (met.kind, met.text, met.p, met.detail) == (
        "phrase", SHORT.text, 1.0, "at most 10 words",
    )  # fmt: skip
    [missed] = of.by_rule("Clouds are full of it, and so it falls down on all of us.")
    assert missed.p == 0.0


def test_the_model_is_asked_what_no_rule_can_tell():
    follows = ("follows", "follow", WARM.text)
    assert asked(evidence(RAIN, DROPS, ROLE, WARM, SHORT)) == [("agrees", "agree", ""), follows]
    assert asked(evidence(EGGS, LEFT, ROLE, WARM)) == [follows]
    assert asked(evidence(EGGS, LEFT, SHORT)) == []
    assert asked(evidence(RAIN, DROPS, WARM), PromptSet.load("compact")) == []


def test_questions_show_what_they_are_about():
    [agree, follow] = [m for _, _, m, _ in evidence(RAIN, DROPS, WARM).questions(DEFAULT, "Wet.")]
    assert agree[-1].text == f"Request: {RAIN}\nFirst answer: {DROPS}\nSecond answer: Wet."
    assert follow[-1].text == f"Request: {RAIN}\nAnswer: Wet.\nInstruction: {WARM.text}"


@pytest.mark.parametrize(
    ("instruction", "answer", "is_exact"),
    [
        (EGGS, LEFT, True),
        ("How do I print 1?", "Like so, in Python as in most:\n```\nprint(1)\n```", True),
        (RAIN, DROPS, False),
    ],
)
def test_what_is_exact(instruction, answer, is_exact):
    assert has_exact_result(instruction, answer) == is_exact


@pytest.mark.parametrize(
    ("answer", "echo"),
    [
        ("Define the variables. Give the equation in a single line.", True),
        ("Give the equation in a single line:", True),
        ("Define the variables. Let v be the speed and t the time, then v = s / t.", False),
        ("42", False),
        ("", False),
    ],
)
def test_an_answer_that_repeats_its_system_message_is_none(answer: str, echo: bool) -> None:
    phrases = tuple(
        (Phrase("task", text), ())
        for text in ("Define the variables.", "Give the equation in a single line.")
    )
    assert repeats_system_message(answer, phrases) is echo
    kinds = {
        c.kind: c.p for c in AnswerChecks(1, "How fast?", "v = s / t", phrases).by_rule(answer)
    }
    assert kinds.get("echo") == (0.0 if echo else None)


BONES = (
    "A fracture can heal late, or not at all. It can become infected where the bone broke the "
    "skin. In 2019 a clinic counted 38 such cases."
)


@pytest.mark.parametrize(
    ("answer", "stands"),
    [
        (BONES, True),
        (BONES.replace(". ", ".\n- ").upper(), True),
        (BONES.rpartition(" In 2019")[0], True),  # less detail is no disagreement
        (BONES.replace("38", "83"), False),
        (BONES.replace("heal late, or not at all", "heal late, but always does in the end"), False),
        (f"Sure! {BONES}", True),
        (f"{BONES} Most of them were children who had fallen from a tree.", False),
        (f"1. {BONES}", False),  # a figure that does not stand there: the model is asked
        ("A fracture can.", False),
        ("", False),
    ],
)
def test_an_answer_that_stands_in_the_original_agrees_by_rule(answer: str, stands: bool) -> None:
    assert is_contained_in(answer, BONES) is stands
    looked = evidence("What can go wrong with a broken bone?", BONES)
    found = [(c.kind, c.by, c.p) for c in looked.by_rule(answer)]
    assert found == ([("agrees", "rule", 1.0)] if stands else [])
    asked = [kind for kind, *_ in looked.questions(DEFAULT, answer)]
    assert asked == ([] if stands else ["agrees"])


MAGELLAN = (
    "On August 10, 1519, Ferdinand Magellan departs from Seville. In October 1520 his ships sail "
    "through the strait in Tierra del Fuego. In April 1521 he dies in a battle on Mactan island."
)
ROME = (
    "The Roman Republic was founded after the last king. The empire lasted for centuries, until "
    "economic instability, corruption and invasions by Germanic tribes brought about its collapse."
)


@pytest.mark.parametrize(
    ("answer", "phrases", "other"),
    [
        (ROME, (), True),
        (f"{ROME} Magellan departs from Seville in August and sails to Mactan island.", (), False),
        ("Rome fell.", (), False),  # too little to tell
        ("Thank you for your response. If you have other questions, feel free to ask.", (), True),
        ("Certainly: the ships sailed in three years of a voyage around the globe.", (), False),
        (ROME, (Phrase("format", "Answer in French."),), False),
    ],
)
def test_an_answer_about_something_else_disagrees_by_rule(answer, phrases, other) -> None:
    looked = evidence("Put these events in their order, with places and dates.", MAGELLAN, *phrases)
    found = [(c.kind, c.p) for c in looked.by_rule(answer) if c.kind == "agrees"]
    assert found == ([("agrees", 0.0)] if other else [])
