"""The questions of a benchmark, what is stored of each, and the work queue of their stages."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol

from sysgen_local.store.evaluation import Answered, Evaluation, Graded

PHASES = ("answer", "judge")
EvaluationPhase = Literal["answer", "judge"]


class Question(Protocol):
    """A question for the model: a system message and the user's turns."""

    @property
    def id(self) -> str: ...
    @property
    def system(self) -> str: ...
    @property
    def users(self) -> tuple[str, ...]: ...
    @property
    def golds(self) -> tuple[str, ...]:
        """The dataset's own answers, one for each turn."""
        ...

    @property
    def earlier(self) -> tuple[tuple[str, str], ...]:
        """(user, assistant) turns that the dataset puts before them. They are not asked."""
        ...


@dataclass(frozen=True, slots=True)
class QuestionRecord:
    """A question with its answers and marks so far. `row` is its number in the file, from 1."""

    row: int
    question: Any
    answered: Answered | None = None
    judged: Graded | None = None

    def after(self, phase: EvaluationPhase, result: Answered | Graded) -> QuestionRecord:
        """The same record with the result of one more stage."""
        field = {"answer": "answered", "judge": "judged"}[phase]
        changed: dict[str, Any] = {field: result}
        return replace(self, **changed)


class QuestionQueue:
    """The work queue for one answer run and one grading run. Results are written to the evaluation
    file."""

    def __init__(
        self, store: Evaluation, questions: Sequence[Question], answer_run: int, grading_run: int
    ) -> None:
        self._store = store
        self._questions = questions
        self.answer_run = answer_run
        self.grading_run = grading_run

    def records(self) -> list[QuestionRecord]:
        """All questions with their answers and marks so far."""
        answers = self._store.answers(self.answer_run)
        verdicts = self._store.verdicts(self.grading_run)
        return [
            QuestionRecord(row, question, answers.get(row), verdicts.get(row))
            for row, question in enumerate(self._questions, 1)
        ]

    def due(self, phase: EvaluationPhase) -> Iterator[QuestionRecord]:
        """For `answer` the questions without answers; for `judge` the answered ones without
        marks."""
        for record in self.records():
            if record.answered is None:
                if phase == "answer":
                    yield record
            elif phase == "judge" and record.judged is None and record.answered.dropped is None:
                yield record

    def commit(self, results: Sequence[tuple[int, EvaluationPhase, Any]]) -> None:
        """Writes (row, phase, result) in one transaction."""
        self._store.commit(
            [(self.answer_run, row, result) for row, phase, result in results if phase == "answer"],
            [(self.grading_run, row, result) for row, phase, result in results if phase == "judge"],
        )
