"""The judge stages: one request for each turn or rubric of an answered question, and its marks.

A reply is JSON by its grammar, so it can only fail if it is cut off. Then it is asked again with a
higher temperature. If no try succeeds, the question ends with a reason: it is counted, not scored.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from sysgen_local.core.thoughts import parse_reply
from sysgen_local.engine.request import (
    GREEDY,
    UNANSWERED,
    Completion,
    Json,
    Message,
    Request,
    Sampling,
)
from sysgen_local.evaluation.benchmarks.multifacet import SCORES
from sysgen_local.evaluation.benchmarks.questions import EvaluationPhase, QuestionRecord
from sysgen_local.prompts import PromptFile
from sysgen_local.running.stage import (
    STAGE_FAILED,
    EngineReason,
    Work,
    cost_of,
    seed_of,
    unanswered,
)
from sysgen_local.store.evaluation import Graded

TRIES = 3
"""How often a judge is asked at most. SysBench's official script tries ten times."""

UnreadableReply = Literal["cut_off", "not_json"]
"""Why a judge's reply holds no marks. Stored with the prefix `judge_`, as the engine's reasons."""

AGAIN = Sampling(temperature=0.5)
"""Sampling for every try after the first. Greedy sampling would repeat the same reply."""

REASON = 800
"""Maximum number of characters of a reason, so that the marks fit as well."""


@dataclass(frozen=True, slots=True)
class _Asked:
    """One thing to judge: the prompt, the schema of the reply, and how to read its marks."""

    messages: tuple[Message, ...]
    schema: str
    read: Callable[[dict[str, object]], tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class SysBenchJudge:
    """The stage for SysBench: every criterion of every turn gets yes or no. The prompt has the
    system message and the earlier turns, with the answers that the model's history had."""

    prompt: PromptFile
    gold_history: bool = False
    seed: int = 0
    max_tokens: int = 1024
    phase: EvaluationPhase = "judge"

    def work(self, record: QuestionRecord) -> Work[Graded]:
        assert record.answered is not None
        return (yield from _judge(self, record, [
            self._turn(record, i) for i in range(len(record.question.turns))
        ]))  # fmt: skip

    def failed(self, why: str) -> Graded:
        return _failed(why)

    def facts(self) -> dict[str, str]:
        return _facts(self.prompt, self.seed, self.max_tokens)

    def _turn(self, record: QuestionRecord, index: int) -> _Asked:
        question = record.question
        assert record.answered is not None
        earlier = question.golds if self.gold_history else record.answered.replies
        turn = question.turns[index]
        messages = self.prompt.messages({
            "system": question.system,
            "history": [
                {"user": user, "answer": answer}
                for user, answer in zip(question.users[:index], earlier[:index], strict=True)
            ],
            "user": turn.user,
            "answer": record.answered.replies[index],
            "criteria": [{"type": kind, "text": text} for kind, text in turn.criteria],
        })  # fmt: skip
        names = [str(n) for n in range(1, len(turn.criteria) + 1)]
        marks = {name: {"enum": ["yes", "no"]} for name in names}

        def read(reply: dict[str, object]) -> tuple[str, ...]:
            verdicts = reply["verdicts"]
            assert isinstance(verdicts, dict)
            return tuple(verdicts[name] for name in names)

        return _Asked(messages, _schema("verdicts", _object(marks)), read)


@dataclass(frozen=True, slots=True)
class MultifacetJudge:
    """The stage for Multifacet: one request for each rubric, with a score of 1 to 5. With
    `sees_system`, the system message is in front of the prompt; the official setting is without.
    """

    prompt: PromptFile
    sees_system: bool = False
    seed: int = 0
    max_tokens: int = 1024
    phase: EvaluationPhase = "judge"

    def work(self, record: QuestionRecord) -> Work[Graded]:
        assert record.answered is not None
        return (yield from _judge(self, record, [
            self._rubric(record, i) for i in range(len(record.question.rubrics))
        ]))  # fmt: skip

    def failed(self, why: str) -> Graded:
        return _failed(why)

    def facts(self) -> dict[str, str]:
        return {
            **_facts(self.prompt, self.seed, self.max_tokens),
            "judge_sees_system": str(self.sees_system),
        }

    def _rubric(self, record: QuestionRecord, index: int) -> _Asked:
        question = record.question
        assert record.answered is not None
        rubric = question.rubrics[index]
        instruction = question.prompt
        if self.sees_system:
            instruction = f"{question.system}\n{instruction}"
        messages = self.prompt.messages({
            "instruction": instruction,
            "answer": record.answered.replies[0],
            "reference": question.reference_answer,
            "criteria": rubric.criteria,
            "levels": [
                {"score": score, "text": text} for score, text in rubric.score_descriptions.items()
            ],
        })  # fmt: skip
        return _Asked(
            messages, _schema("score", {"enum": list(SCORES)}), lambda reply: (str(reply["score"]),)
        )


BenchmarkJudge = SysBenchJudge | MultifacetJudge


def _judge(
    judge: BenchmarkJudge, record: QuestionRecord, asked: Sequence[_Asked]
) -> Generator[Sequence[Request], Sequence[Completion], Graded]:
    marks: dict[int, tuple[str, ...]] = {}
    reasons = [""] * len(asked)
    spent: list[Completion] = []
    fault: EngineReason | UnreadableReply | None = None
    for attempt in range(TRIES):
        left = [part for part in range(len(asked)) if part not in marks]
        if not left or fault in UNANSWERED:
            break
        fault = None
        requests = [_request(judge, record, asked[part], part, attempt) for part in left]
        for part, completion in zip(left, (yield requests), strict=True):
            spent.append(completion)
            if ended := unanswered(completion):
                fault, reasons[part] = ended
                continue
            try:
                reply = json.loads(parse_reply(completion.text).answer)
                marks[part] = asked[part].read(reply)
                reasons[part] = str(reply["reason"])
            except (ValueError, KeyError, TypeError, AssertionError):
                reasons[part] = completion.text
                fault = "cut_off" if completion.finish == "length" else "not_json"
    return Graded(
        tuple(marks.get(part, ()) for part in range(len(asked))),
        tuple(reasons),
        fault and f"judge_{fault}",
        cost_of(spent),
    )


def _failed(why: str) -> Graded:
    return Graded(reasons=(why,), dropped=f"judge_{STAGE_FAILED}")


def _request(
    judge: BenchmarkJudge, record: QuestionRecord, asked: _Asked, part: int, attempt: int
) -> Request:
    return Request(
        id=f"{record.row}:{judge.phase}:{part}:{attempt}",
        group=judge.phase,
        messages=asked.messages,
        constraint=Json(asked.schema),
        sampling=AGAIN if attempt else GREEDY,
        max_tokens=judge.max_tokens,
        min_tokens=min(judge.max_tokens, 64),
        seed=seed_of(judge.seed, record.row, judge.phase, part * TRIES + attempt),
    )


def _facts(prompt: PromptFile, seed: int, max_tokens: int) -> dict[str, str]:
    return {
        "prompts": prompt.fingerprint,
        "seed": str(seed),
        "max_tokens": str(max_tokens),
        "tries": f"{TRIES}, then at temperature {AGAIN.temperature}",
        "reason": str(REASON),
    }


def _schema(name: str, mark: dict[str, object]) -> str:
    reason: dict[str, object] = {"type": "string", "maxLength": REASON}
    return json.dumps(_object({"reason": reason, name: mark}))


def _object(properties: Mapping[str, object]) -> dict[str, object]:
    return {
        "type": "object",
        "properties": dict(properties),
        "required": list(properties),
        "additionalProperties": False,
    }
