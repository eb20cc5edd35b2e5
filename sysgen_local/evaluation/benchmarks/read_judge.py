"""The grading stage of the benchmark `own` with a judge: rules, and a question for each phrase that
no rule can test.

The question is that of phase 5, with its prompt, and the verdict is read off the judge's logits: a
phrase is followed if yes is at least as probable as no. An answer without a word, and one that
repeats its system message, follows nothing; no model is asked then. A phrase that the judge could
not be asked about has no mark, which is no zero.
"""

from __future__ import annotations

from dataclasses import dataclass

from sysgen_local.engine.request import Choice, Completion, Request
from sysgen_local.evaluation.benchmarks import by_rule
from sysgen_local.evaluation.benchmarks.own import READ, Item
from sysgen_local.evaluation.benchmarks.questions import EvaluationPhase, QuestionRecord
from sysgen_local.prompts import PromptSet
from sysgen_local.running.stage import STAGE_FAILED, Work, cost_of, seed_of, unanswered
from sysgen_local.store.evaluation import Graded

_YES_NO = Choice(("yes", "no"))


@dataclass(frozen=True, slots=True)
class ReadingJudge:
    """The stage. `prompts` has the question, in its file `follow`."""

    prompts: PromptSet
    seed: int = 0
    phase: EvaluationPhase = "judge"

    def work(self, record: QuestionRecord) -> Work[Graded]:
        assert record.answered is not None
        item: Item = record.question
        graded = by_rule.grade(item, record.answered)
        places = [i for i, check in enumerate(item.checks) if check.kind == READ]
        if graded.dropped or not places:
            return graded
        verdicts, *rest = graded.marks
        marks = list(verdicts)
        if not {"empty", "echo"}.isdisjoint(rest[0]):
            for place in places:
                marks[place] = "no"
            return Graded((tuple(marks), *rest), graded.reasons)
        answer = record.answered.replies[-1]
        spent: list[Completion] = []
        found: list[str] = []
        for place in places:
            phrase = item.checks[place].phrase
            [completion] = yield [self._request(record, place, item.users[-1], answer, phrase)]
            spent.append(completion)
            ended = unanswered(completion)
            if ended and completion.finish != "too_long":
                # It can be tried again, and the marks of the rules come with that try.
                return Graded((), (ended[1],), f"judge_{ended[0]}", cost_of(spent))
            if completion.probabilities is None:
                continue  # too long for a slot: the judge cannot read it
            p = completion.probabilities["yes"]
            marks[place] = "yes" if p >= 0.5 else "no"
            found.append(f"{phrase}: {p:.3f}")
        reasons = (*graded.reasons, "; ".join(found))
        return Graded((tuple(marks), *rest), reasons, cost=cost_of(spent))

    def failed(self, why: str) -> Graded:
        return Graded(reasons=(why,), dropped=f"judge_{STAGE_FAILED}")

    def facts(self) -> dict[str, str]:
        return {
            **by_rule.RuleGrader().facts(),
            "follow": self.prompts.fingerprint("follow"),
            "seed": str(self.seed),
        }

    def _request(
        self, record: QuestionRecord, place: int, question: str, answer: str, phrase: str
    ) -> Request:
        return Request(
            id=f"{record.row}:{self.phase}:{place}",
            group=self.phase,
            messages=self.prompts.messages(
                "follow", instruction=question, answer=answer, phrase=phrase
            ),
            constraint=_YES_NO,
            max_tokens=1,
            seed=seed_of(self.seed, record.row, self.phase, place),
        )
