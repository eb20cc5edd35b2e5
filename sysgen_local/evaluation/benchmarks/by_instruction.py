"""The grading stage of benchmarks with instructions that a rule can check. No model is asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from sysgen_local.evaluation.benchmarks import iheval_rules
from sysgen_local.evaluation.benchmarks.iheval import TaskItem
from sysgen_local.evaluation.benchmarks.instructions import InstructionItem, Turn
from sysgen_local.evaluation.benchmarks.questions import EvaluationPhase, QuestionRecord
from sysgen_local.phases.checks.instructions import kinds, multi_if
from sysgen_local.phases.checks.instructions.kinds import KINDS, Kind, Rule
from sysgen_local.phases.checks.instructions.kwargs import UnreadableError
from sysgen_local.phases.checks.instructions.multi_if import NoRuleError
from sysgen_local.running.stage import STAGE_FAILED, Work
from sysgen_local.store.evaluation import Answered, Graded

UNREADABLE = "instruction_unreadable"
"""The reason of an item with an instruction that is unknown, or has wrong parameters."""
NO_RULE = "no_rule"
"""The reason of an item whose answer is in a language that no rule counts."""


@dataclass(frozen=True, slots=True)
class InstructionGrader:
    """The stage. `grade` gives the marks of an item, and `rules` is what they depend on."""

    grade: Callable[[Any, Answered], Graded]
    rules: str
    phase: EvaluationPhase = "judge"

    def work(self, record: QuestionRecord) -> Work[Graded]:
        assert record.answered is not None
        return self.grade(record.question, record.answered)
        yield []  # makes this a generator, as the work of every stage; it has no requests

    def failed(self, why: str) -> Graded:
        return Graded(reasons=(why,), dropped=f"judge_{STAGE_FAILED}")

    def facts(self) -> dict[str, str]:
        return {"rules": self.rules}


def ifeval_grader() -> InstructionGrader:
    return InstructionGrader(grade, f"instructions {kinds.VERSION}")


def multi_if_grader() -> InstructionGrader:
    of_multi_if = partial(grade, kinds_of=multi_if.KINDS)
    return InstructionGrader(of_multi_if, f"instructions {kinds.VERSION}")


def iheval_grader() -> InstructionGrader:
    rules = f"instructions {kinds.VERSION}, tasks {iheval_rules.VERSION}"
    return InstructionGrader(grade_task, rules)


def grade_task(item: InstructionItem | TaskItem, answered: Answered) -> Graded:
    """The marks of an item of IHEval: as in `grade`, or its scores and its answer."""
    if isinstance(item, InstructionItem):
        return grade(item, answered)
    if item.fault:
        return Graded(reasons=(item.fault,), dropped=UNREADABLE)
    [answer] = answered.replies
    scores = iheval_rules.scores(item.group[0], item.expected, answer)
    return Graded((tuple(map(str, scores)), (answer,)), ("", ""))


def grade(
    item: InstructionItem, answered: Answered, kinds_of: Mapping[str, Kind] = KINDS
) -> Graded:
    """The marks of each answer: strict, loose, and whether it is empty. `reasons` has what was not
    followed."""
    if why := unreadable(item, kinds_of):
        return Graded(reasons=(why,), dropped=UNREADABLE)
    marks: list[tuple[str, ...]] = []
    reasons: list[str] = []
    for turn, answer in zip(item.turns, answered.replies, strict=True):
        rules = rules_of(turn, kinds_of)
        try:
            strict, loose = kinds.strict(answer, rules), kinds.loose(answer, rules)
        except NoRuleError as error:
            return Graded(reasons=(str(error),), dropped=NO_RULE)
        empty = () if answer.strip() else ("empty",)
        marks += [_words(strict), _words(loose), empty]
        names = [of.name for of in turn.instructions]
        reasons += [_left(names, strict), _left(names, loose), ", ".join(empty)]
    return Graded(tuple(marks), tuple(reasons))


def rules_of(turn: Turn, kinds_of: Mapping[str, Kind] = KINDS) -> list[Rule]:
    """The rules of a prompt's instructions. Raises UnreadableError for the first that has none."""
    if not turn.instructions:
        raise UnreadableError("the prompt has no instruction")
    rules = []
    for of in turn.instructions:
        if not isinstance(of.given, Mapping):
            raise UnreadableError(f"{of.name}: kwargs are {of.given!r}, and no object")
        rules.append(kinds.rule_of(of.name, of.given, kinds_of))
    return rules


def unreadable(
    item: InstructionItem | TaskItem, kinds_of: Mapping[str, Kind] = KINDS
) -> str | None:
    """Why an item cannot be graded, whatever is answered; None if it can."""
    if item.fault or isinstance(item, TaskItem):
        return item.fault or None
    try:
        for turn in item.turns:
            rules_of(turn, kinds_of)
    except UnreadableError as error:
        return str(error)
    return None


def _words(verdicts: tuple[bool, ...]) -> tuple[str, ...]:
    return tuple("yes" if met else "no" for met in verdicts)


def _left(names: list[str], verdicts: tuple[bool, ...]) -> str:
    return ", ".join(name for name, met in zip(names, verdicts, strict=True) if not met)
