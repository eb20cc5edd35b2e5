"""The judge stage of AdvancedIF: one question for each rubric.

The authors ask a reasoning model for all rubrics in one reply.
"""

from __future__ import annotations

from dataclasses import dataclass

from sysgen_local.engine.request import Message
from sysgen_local.evaluation.benchmarks import yes_no
from sysgen_local.evaluation.benchmarks.questions import EvaluationPhase, QuestionRecord
from sysgen_local.prompts import PromptFile
from sysgen_local.running.stage import STAGE_FAILED, Work
from sysgen_local.store.evaluation import Graded

EMPTY = "the answer is empty"


@dataclass(frozen=True, slots=True)
class RubricJudge:
    """The stage. The mark of a rubric is yes or no, its reason the probability of yes."""

    prompt: PromptFile
    phase: EvaluationPhase = "judge"

    def work(self, record: QuestionRecord) -> Work[Graded]:
        rubrics = record.question.rubrics
        assert record.answered is not None
        if not record.answered.replies[-1].strip():  # meets nothing, whatever a judge would say
            return Graded((("no",),) * len(rubrics), (EMPTY,) * len(rubrics))
        asked = enumerate(self._messages(record, rubric) for rubric in rubrics)
        said = yield from yes_no.ask(record, self.phase, asked)
        if said.unread:
            reason, why = said.unread
            return Graded(reasons=(why,), dropped=f"judge_{reason}", cost=said.cost)
        marks = tuple((mark,) for mark in said.marks)
        return Graded(marks, tuple(f"p(yes) {p:.3f}" for p in said.p), cost=said.cost)

    def failed(self, why: str) -> Graded:
        return Graded(reasons=(why,), dropped=f"judge_{STAGE_FAILED}")

    def facts(self) -> dict[str, str]:
        return {"prompts": self.prompt.fingerprint, "verdicts": "logits"}

    def _messages(self, record: QuestionRecord, rubric: str) -> tuple[Message, ...]:
        question, answered = record.question, record.answered
        assert answered is not None
        return self.prompt.messages({
            "system": question.system,
            "history": [{"user": user, "answer": said} for user, said in question.earlier],
            "user": question.user,
            "answer": answered.replies[-1],
            "rubric": rubric,
        })  # fmt: skip
