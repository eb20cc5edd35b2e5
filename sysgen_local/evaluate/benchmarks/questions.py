"""A benchmark's question on its way: answered, then judged; and the board it is found on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol

from sysgen_local.store.evaluation import Answered, Evaluation, Judged

PHASES = ("answer", "judge")
EvaluationPhase = Literal["answer", "judge"]


class Question(Protocol):
    """What a model is asked: a system message, and what the user says turn by turn."""

    @property
    def id(self) -> str: ...
    @property
    def system(self) -> str: ...
    @property
    def users(self) -> tuple[str, ...]: ...
    @property
    def golds(self) -> tuple[str, ...]:
        """The dataset's own answers, one a turn."""
        ...


@dataclass(frozen=True, slots=True)
class QuestionRecord:
    """`row` is the question's place in its file, from 1."""

    row: int
    question: Any
    answered: Answered | None = None
    judged: Judged | None = None

    def after(self, phase: EvaluationPhase, result: Answered | Judged) -> QuestionRecord:
        """The same, one stage further."""
        field = {"answer": "answered", "judge": "judged"}[phase]
        changed: dict[str, Any] = {field: result}
        return replace(self, **changed)


class QuestionQueue:
    """The questions of one sitting and one marking; a stage's results go to that file."""

    def __init__(
        self, store: Evaluation, questions: Sequence[Question], sitting: int, marking: int
    ) -> None:
        self._store = store
        self._questions = questions
        self.sitting = sitting
        self.marking = marking

    def records(self) -> list[QuestionRecord]:
        """Every question with what was made of it so far."""
        answers = self._store.answers(self.sitting)
        verdicts = self._store.verdicts(self.marking)
        return [
            QuestionRecord(row, question, answers.get(row), verdicts.get(row))
            for row, question in enumerate(self._questions, 1)
        ]

    def due(self, phase: EvaluationPhase) -> Iterator[QuestionRecord]:
        """Questions without an answer; or those with one, but without verdicts."""
        for record in self.records():
            if record.answered is None:
                if phase == "answer":
                    yield record
            elif phase == "judge" and record.judged is None and record.answered.dropped is None:
                yield record

    def commit(self, results: Sequence[tuple[int, EvaluationPhase, Any]]) -> None:
        """Writes them in one transaction."""
        self._store.commit(
            [(self.sitting, row, result) for row, phase, result in results if phase == "answer"],
            [(self.marking, row, result) for row, phase, result in results if phase == "judge"],
        )
