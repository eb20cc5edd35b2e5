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
from sysgen_local.evaluation.benchmarks.own import FAULTS, READ, Item, ItemCheck, ReplyFault
from sysgen_local.evaluation.benchmarks.questions import EvaluationPhase, QuestionRecord
from sysgen_local.phases.answer_checks import AnswerChecks, repeats_system_message
from sysgen_local.phases.checks.code import code_faults
from sysgen_local.phases.checks.countable import demands
from sysgen_local.phases.checks.opposites import Opposite, opposite
from sysgen_local.phases.checks.results import final_result, keeps_result
from sysgen_local.phases.respond import is_empty, looping
from sysgen_local.running.stage import STAGE_FAILED, Work
from sysgen_local.store.evaluation import Answered, Graded

VERSION = "3"
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
    """The marks of the last answer: yes or no for each check, then its faults, then of a conflict
    whether it gave in. Of `turns` the checks of every answer come one behind the other, and the
    faults are those of any. A check that a judge must read has the mark "". `reasons` has what was
    not met, and the faults."""
    for check in item.checks:
        if check.kind != READ and rule_of(item, check) is None:
            where = f"the phrase {check.phrase!r}" if check.phrase else "the original answer"
            why = f"the rules read no {check.kind} {check.text!r} from {where}"
            return Graded(reasons=(why,), dropped=UNREADABLE)
    first = 0 if item.kind == "turns" else len(answered.replies) - 1
    several = item.kind == "turns"
    marks: list[str] = []
    left: list[str] = []
    faults: dict[ReplyFault, None] = {}
    for turn in range(first, len(answered.replies)):
        answer = answered.replies[turn]
        here = faults_of(item, answer, cut_off=answered.finishes[turn] == "length")
        says_something = not {"empty", "echo"}.intersection(here)
        for check in item.checks:
            if check.kind == READ:
                marks.append("")
                continue
            rule = rule_of(item, check, turn)
            ok = says_something and rule is not None and rule(answer)
            marks.append(_mark(ok))
            if not ok:
                left.append(f"answer {turn + 1}: {check.text}" if several else check.text)
        faults |= dict.fromkeys(here)
    found = tuple(fault for fault in FAULTS if fault in faults)
    asked = _asked(item)
    gave_in = ((_mark(asked.given_in(answered.replies[-1])),),) if asked else ()
    return Graded((tuple(marks), found, *gave_in), ("; ".join(left), ", ".join(found)))


def _mark(holds: bool) -> str:
    return "yes" if holds else "no"


def _asked(item: Item) -> Opposite | None:
    """What the user of a conflict asks for; None where it is not said, or read otherwise."""
    if item.kind != "conflict" or item.asks is None:
        return None
    for check in item.checks:
        for demand in demands(check.phrase):
            if (demand.kind, demand.text) == (check.kind, check.text):
                asked = opposite(demand)
                if asked is not None and asked.text == item.asks.text:
                    return asked
    return None


def rule_of(item: Item, check: ItemCheck, turn: int = -1) -> Callable[[str], bool] | None:
    """The rule of a check of the answer to this turn, by default the last one: answer -> whether it
    is met. None if the phrase or the original answer is read in another way than the check says."""
    question = item.users[turn]
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
