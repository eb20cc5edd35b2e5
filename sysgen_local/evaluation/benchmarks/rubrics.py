"""The judge stage of AdvancedIF: one request for each rubric, whose yes or no is read off the
logits.

The authors ask a reasoning model for all rubrics in one reply. A small judge says more reliably,
and with a probability, whether one rubric is met.
"""

from __future__ import annotations

from dataclasses import dataclass

from sysgen_local.engine.request import Choice, Request
from sysgen_local.evaluation.benchmarks.questions import EvaluationPhase, QuestionRecord
from sysgen_local.prompts import PromptFile
from sysgen_local.running.stage import STAGE_FAILED, Work, cost_of, unanswered
from sysgen_local.store.evaluation import Graded

LABELS = Choice(("yes", "no"))
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
        completions = yield [self._request(record, part) for part in range(len(rubrics))]
        cost = cost_of(completions)
        marks: list[tuple[str, ...]] = []
        reasons: list[str] = []
        for completion in completions:
            if completion.probabilities is None:
                reason, why = unanswered(completion) or (completion.finish, "")
                return Graded(reasons=(why,), dropped=f"judge_{reason}", cost=cost)
            yes = dict(completion.probabilities)["yes"]
            marks.append(("yes" if yes > 0.5 else "no",))
            reasons.append(f"p(yes) {yes:.3f}")
        return Graded(tuple(marks), tuple(reasons), cost=cost)

    def failed(self, why: str) -> Graded:
        return Graded(reasons=(why,), dropped=f"judge_{STAGE_FAILED}")

    def facts(self) -> dict[str, str]:
        return {"prompts": self.prompt.fingerprint, "verdicts": "logits"}

    def _request(self, record: QuestionRecord, part: int) -> Request:
        question, answered = record.question, record.answered
        assert answered is not None
        messages = self.prompt.messages({
            "system": question.system,
            "history": [{"user": user, "answer": said} for user, said in question.earlier],
            "user": question.user,
            "answer": answered.replies[-1],
            "rubric": question.rubrics[part],
        })  # fmt: skip
        return Request(
            id=f"{record.row}:{self.phase}:{part}",
            group=self.phase,
            messages=messages,
            constraint=LABELS,
            max_tokens=1,
        )
