"""Questions to a judge that it answers with yes or no, which is read off its logits.

A small judge says more reliably, and with a probability, whether one thing is so than what it finds
of several in a reply. All questions about an answer are asked at once.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass

from sysgen_local.core.records import Cost
from sysgen_local.engine.request import Choice, Completion, Message, Request
from sysgen_local.evaluation.benchmarks.questions import EvaluationPhase, QuestionRecord
from sysgen_local.running.stage import cost_of, unanswered

YES_NO = Choice(("yes", "no"))


@dataclass(frozen=True, slots=True)
class Verdicts:
    """The probability of yes for each question, None for one that the judge could not be asked:
    `unread` says why the first of them was not."""

    p: tuple[float | None, ...]
    unread: tuple[str, str] | None
    cost: Cost

    @property
    def marks(self) -> tuple[str, ...]:
        """yes where it is at least as probable as no, else no; "" without a verdict."""
        return tuple("" if p is None else "yes" if p >= 0.5 else "no" for p in self.p)


def ask(
    record: QuestionRecord,
    phase: EvaluationPhase,
    questions: Iterable[tuple[int, tuple[Message, ...]]],
) -> Generator[Sequence[Request], Sequence[Completion], Verdicts]:
    """A part of the work of a stage: asks all questions about a record, each with its number in
    it."""
    requests = [
        Request(
            id=f"{record.row}:{phase}:{number}",
            group=phase,
            messages=messages,
            constraint=YES_NO,
            max_tokens=1,
        )
        for number, messages in questions
    ]
    completions = yield requests
    found: list[float | None] = []
    unread: tuple[str, str] | None = None
    for completion in completions:
        known = completion.probabilities
        found.append(None if known is None else known["yes"])
        reason = unanswered(completion) or ((completion.finish, "") if known is None else None)
        # One that can be tried again says more than one that is too long for the judge.
        if reason and (unread is None or unread[0] == "too_long"):
            unread = reason
    return Verdicts(tuple(found), unread, cost_of(completions))
