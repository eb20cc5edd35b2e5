"""The grading stage of the benchmark `own`: rules alone, no model is asked.

An answer that is empty, or that is its system message said again, meets no demand and keeps no
result. One that is cut off or looping is graded by its checks like any other, and counted.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from sysgen_local.core.records import Phrase
from sysgen_local.evaluation.benchmarks.facts import stated_fact, states
from sysgen_local.evaluation.benchmarks.own import Item, ItemCheck, ReplyFault
from sysgen_local.evaluation.benchmarks.questions import EvaluationPhase, QuestionRecord
from sysgen_local.phases.answer_checks import AnswerChecks, repeats_system_message
from sysgen_local.phases.checks.code import code_faults
from sysgen_local.phases.checks.countable import demands
from sysgen_local.phases.checks.results import final_result, keeps_result
from sysgen_local.phases.respond import is_empty, looping
from sysgen_local.running.stage import STAGE_FAILED, Work
from sysgen_local.store.evaluation import Answered, Graded

VERSION = "2"
"""Part of the recipe. It is raised when the grading changes and `AnswerChecks.VERSION` does not."""

UNREADABLE = "check_unreadable"
"""The reason of an item of which this version of the rules reads a check otherwise."""

CODE = "code that parses"
"""The text of a check of the kind `code`."""


_ASKS_FOR_NAME = re.compile(
    r"\b(?:who|whose|whom|where|when|which|what (?:is|was|are|were) the"
    r"|what \w+ (?:is|was|are|were|do|does|did|has|have)|how do you (?:say|spell)|name the)\b",
    re.IGNORECASE,
)
_NAME_WORDS = 3


@dataclass(frozen=True, slots=True)
class RuleGrader:
    """The stage."""

    phase: EvaluationPhase = "judge"

    def work(self, record: QuestionRecord) -> Work[Graded]:
        assert record.answered is not None
        return grade(record.question, record.answered)
        yield []  # makes this a generator, as the work of every stage; it has no requests

    def failed(self, why: str) -> Graded:
        return Graded(reasons=(why,), dropped=f"judge_{STAGE_FAILED}")

    def facts(self) -> dict[str, str]:
        return {"rules": AnswerChecks.VERSION, "grading": VERSION}


def grade(item: Item, answered: Answered) -> Graded:
    """The marks of the last answer: yes or no for each check, then its faults. `reasons` has what
    was not met, and the faults."""
    rules = [rule_of(item, check) for check in item.checks]
    for check, rule in zip(item.checks, rules, strict=True):
        if rule is None:
            where = f"the phrase {check.phrase!r}" if check.phrase else "the original answer"
            why = f"the rules read no {check.kind} {check.text!r} from {where}"
            return Graded(reasons=(why,), dropped=UNREADABLE)
    answer = answered.replies[-1]
    faults = faults_of(item, answer, cut_off=answered.finishes[-1] == "length")
    says_something = not {"empty", "echo"}.intersection(faults)
    met = [says_something and rule is not None and rule(answer) for rule in rules]
    left = [check.text for check, ok in zip(item.checks, met, strict=True) if not ok]
    marks = tuple("yes" if ok else "no" for ok in met)
    return Graded((marks, faults), ("; ".join(left), ", ".join(faults)))


def rule_of(item: Item, check: ItemCheck) -> Callable[[str], bool] | None:
    """The rule of a check: answer -> whether it is met. None if the phrase or the original answer
    is read in another way than the check says."""
    question = item.users[-1]
    if check.phrase:
        for demand in demands(check.phrase):
            if (demand.kind, demand.text) == (check.kind, check.text):
                return lambda answer: demand.met(answer, question)
        return None
    if agreement_check(question, item.original) != check:
        return None
    if check.kind == "code":
        return lambda answer: "```" in answer and not code_faults(answer)
    if check.kind == "fact":
        return lambda answer: states(check.text, answer)
    result = final_result(question, item.original)
    assert result is not None
    return lambda answer: keeps_result(result, answer)


def agreement_check(question: str, original: str) -> ItemCheck | None:
    """The check by which a rule can compare another answer with the original one: its final result,
    else its code, if that parses, else the fact that it states. None if no rule can.

    A few words are a result only where the question has one answer: it offers a choice, or asks
    for yes or no or for a name. Another good answer to an open question has other words.
    """
    if (result := final_result(question, original)) is not None:
        few = len(result.text.split()) <= _NAME_WORDS and _ASKS_FOR_NAME.search(question)
        if result.kind != "words" or result.others or few:
            return ItemCheck(kind="result", text=result.text)
    if "```" in original and not code_faults(original):
        return ItemCheck(kind="code", text=CODE)
    if (fact := stated_fact(question, original)) is not None:
        return ItemCheck(kind="fact", text=fact)
    return None


def faults_of(item: Item, answer: str, *, cut_off: bool) -> tuple[ReplyFault, ...]:
    """The faults of an answer, in the order of `FAULTS`."""
    texts = [item.system, *(check.phrase for check in item.checks)]
    phrases = tuple((Phrase("task", text), ()) for text in texts if text)
    found: dict[ReplyFault, bool] = {
        "cut_off": cut_off,
        "empty": is_empty(answer),
        "looping": looping(answer),
        "echo": repeats_system_message(answer, phrases),
    }
    return tuple(fault for fault, there in found.items() if there)
