"""The stage in which the evaluated model answers: one request for each turn of a question.

An answer is not checked: one that is cut off, looping or empty is judged like any other. Only a
question to which the engine gives no answer ends here.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Literal

from sysgen_local.core.thoughts import parse_reply
from sysgen_local.engine.request import GREEDY, Completion, Message, Request, Sampling, Segment
from sysgen_local.evaluation.benchmarks.questions import EvaluationPhase, QuestionRecord
from sysgen_local.running.stage import STAGE_FAILED, Work, cost_of, seed_of, unanswered
from sysgen_local.store.evaluation import Answered

History = Literal["own", "gold"]
"""Which earlier answers a later turn sees: the model's own, or the dataset's (gold)."""

SystemIn = Literal["system", "user"]
"""Where the system message is: in its own role, or at the start of the first user turn (SysGen,
table 7)."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The stage and its settings."""

    sampling: Sampling = GREEDY
    seed: int = 0
    max_tokens: int = 1024
    history: History = "own"
    system_in: SystemIn = "system"
    phase: EvaluationPhase = "answer"

    def work(self, record: QuestionRecord) -> Work[Answered]:
        question = record.question
        prompts: list[Message] = self._opening(question.system)
        for i, (user, said) in enumerate(question.earlier):
            prompts.append(self._user(question.system, user, first=i == 0))
            prompts.append(Message("assistant", (Segment(said, trusted=False),)))
        begun = bool(question.earlier)
        spent: list[Completion] = []
        replies: list[str] = []
        for i, (user, gold) in enumerate(zip(question.users, question.golds, strict=True)):
            prompts.append(self._user(question.system, user, first=i == 0 and not begun))
            [completion] = yield [self._request(record, tuple(prompts), i)]
            spent.append(completion)
            if ended := unanswered(completion):
                reason, why = ended
                replies += [why] if why else []
                return Answered(tuple(replies), _finishes(spent), reason, cost_of(spent))
            replies.append(parse_reply(completion.text).answer.strip())
            answer = replies[-1] if self.history == "own" else gold
            prompts.append(Message("assistant", (Segment(answer, trusted=False),)))
        return Answered(tuple(replies), _finishes(spent), cost=cost_of(spent))

    def failed(self, why: str) -> Answered:
        return Answered((why,), (STAGE_FAILED,), STAGE_FAILED)

    def facts(self) -> dict[str, str]:
        return {
            "sampling": json.dumps(asdict(self.sampling)),
            "seed": str(self.seed),
            "max_tokens": str(self.max_tokens),
            "history": self.history,
            "system_in": self.system_in,
        }

    def _opening(self, system: str) -> list[Message]:
        if self.system_in == "user" or not system:
            return []
        return [Message("system", (Segment(system, trusted=False),))]

    def _user(self, system: str, text: str, *, first: bool) -> Message:
        content: tuple[Segment, ...] = (Segment(text, trusted=False),)
        if first and self.system_in == "user" and system:
            content = (Segment(system, trusted=False), Segment("\n\n"), *content)
        return Message("user", content)

    def _request(self, record: QuestionRecord, messages: tuple[Message, ...], turn: int) -> Request:
        return Request(
            id=f"{record.row}:{self.phase}:{turn}",
            group=self.phase,
            messages=messages,
            sampling=self.sampling,
            max_tokens=self.max_tokens,
            min_tokens=min(self.max_tokens, 64),
            seed=seed_of(self.seed, record.row, self.phase, turn),
        )


def _finishes(spent: list[Completion]) -> tuple[str, ...]:
    return tuple(completion.finish for completion in spent)
