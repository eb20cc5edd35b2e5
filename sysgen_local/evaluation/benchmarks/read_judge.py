"""The grading stage of the benchmark `own` with a judge: rules, and a question for each phrase that
no rule can test.

The question is that of phase 5, with its prompt. An answer without a word, and one that repeats its
system message, follows nothing; no model is asked then. A phrase that the judge could not be asked
about has no mark, which is no zero.
"""

from __future__ import annotations

from dataclasses import dataclass

from sysgen_local.engine.request import Message
from sysgen_local.evaluation.benchmarks import by_rule, yes_no
from sysgen_local.evaluation.benchmarks.own import READ, Item
from sysgen_local.evaluation.benchmarks.questions import EvaluationPhase, QuestionRecord
from sysgen_local.prompts import PromptSet
from sysgen_local.running.stage import STAGE_FAILED, Work
from sysgen_local.store.evaluation import Graded

_NEVER_READ = frozenset({"too_long", "stop", "length"})
"""Ends after which asking again gives no verdict either: the answer is too long for the judge, or
the judge tells no probabilities."""


@dataclass(frozen=True, slots=True)
class ReadingJudge:
    """The stage. `prompts` has the question, in its file `follow`."""

    prompts: PromptSet
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
        phrases = {place: item.checks[place].phrase for place in places}
        asked = (
            (place, self._messages(item.users[-1], answer, phrase))
            for place, phrase in phrases.items()
        )
        said = yield from yes_no.ask(record, self.phase, asked)
        if said.unread and said.unread[0] not in _NEVER_READ:
            # It can be tried again, and the marks of the rules come with that try.
            reason, why = said.unread
            return Graded((), (why,), f"judge_{reason}", said.cost)
        for place, mark in zip(places, said.marks, strict=True):
            marks[place] = mark
        read = zip(phrases.values(), said.p, strict=True)
        found = [f"{phrase}: {p:.3f}" for phrase, p in read if p is not None]
        return Graded((tuple(marks), *rest), (*graded.reasons, "; ".join(found)), cost=said.cost)

    def failed(self, why: str) -> Graded:
        return Graded(reasons=(why,), dropped=f"judge_{STAGE_FAILED}")

    def facts(self) -> dict[str, str]:
        return {
            **by_rule.RuleGrader().facts(),
            "follow": self.prompts.fingerprint("follow"),
        }

    def _messages(self, question: str, answer: str, phrase: str) -> tuple[Message, ...]:
        return self.prompts.messages("follow", instruction=question, answer=answer, phrase=phrase)
