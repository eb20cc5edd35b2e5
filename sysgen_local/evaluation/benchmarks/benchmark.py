"""A benchmark: its questions, and the functions that score them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from sysgen_local.core.errors import SysgenError, UsageError
from sysgen_local.evaluation.benchmarks import by_instruction, by_rule
from sysgen_local.evaluation.benchmarks.layouts import looks_like
from sysgen_local.evaluation.benchmarks.questions import QuestionRecord
from sysgen_local.evaluation.benchmarks.table import TABLE, BenchmarkName, RuleStage
from sysgen_local.evaluation.statistics import Bounds, Units, intervals

__all__ = ["Benchmark", "BenchmarkName", "failure", "load", "need_golds", "unjudged"]


UNGRADABLE = frozenset({by_rule.UNREADABLE, by_instruction.UNREADABLE, by_instruction.NO_RULE})
"""Reasons of questions that no rule grades, however often they are asked."""


@dataclass(frozen=True, slots=True)
class Benchmark:
    """The questions and the scoring functions of a benchmark.

    `fingerprint` is the SHA-256 of the whole file, so a larger `limit` continues a run with a
    smaller one. `count` computes the scores of judged questions, `units` prepares the same for the
    bootstrap, and `summary` selects metrics from the result of `count`. `title` is the name of the
    file where a benchmark may have several files (own), else "". With a `grader`, its rules grade
    the answers, and no model judges them; `reads`: a judge may read some phrases too. `notes` says
    what of the file is not used. `intervals` computes those of the metrics, where they are shares.
    """

    name: BenchmarkName
    path: Path
    fingerprint: str
    questions: Sequence[Any]
    count: Callable[[Sequence[Any]], dict[str, Any]]
    summary: Callable[[Mapping[str, Any]], dict[str, float | None]]
    units: Callable[[Sequence[Any]], Units]
    title: str = ""
    grader: Callable[[], RuleStage] | None = None
    reads: bool = False
    notes: tuple[str, ...] = ()
    intervals: Callable[[Units], dict[str, Bounds]] | None = None

    @property
    def needs_judge(self) -> bool:
        return self.grader is None

    @property
    def label(self) -> str:
        """What the benchmark is called in a list of several."""
        return self.title or self.name

    def score(self, records: Sequence[QuestionRecord]) -> dict[str, Any]:
        """The scores of the judged questions, with the key `intervals` where they are shares. The
        key `questions` counts those without marks, by reason, and `ungraded` names them. A question
        is pending if no run has finished it: it needs more memory than was free.

        Raises SysgenError if no question was judged.
        """
        judged = self.judged(records)
        failed: dict[str, int] = {}
        cut_off = 0
        for record in records:
            if reason := failure(record):
                failed[reason] = failed.get(reason, 0) + 1
            if record.answered:
                cut_off += sum(finish == "length" for finish in record.answered.finishes)
        questions = {
            "all": len(records), "judged": len(judged), "failed": failed,
            "pending": len(records) - len(judged) - sum(failed.values()),
            "answers_cut_off": cut_off,
        }  # fmt: skip
        if not judged:
            raise SysgenError(
                f"no question of {self.path} was judged: {unjudged(questions) or 'none is there'}",
                hint=self._remedy()
                if failed
                else "the same command asks them once more memory is free, or with fewer --slots",
            )
        marked = list(judged.values())
        return {
            **self.count(marked),
            **({"intervals": self.intervals(self.units(marked))} if self.intervals else {}),
            "questions": questions,
            "ungraded": [named for record in records if (named := _named(record))],
        }

    def _remedy(self) -> str:
        """What to do where every question failed."""
        again = "--retry-failed tries those questions again"
        if self.needs_judge:
            return f"a larger --context, --max-judge-tokens or another judge may help; {again}"
        return f"a larger --context may help, or a file of this version of sysgen-local; {again}"

    @staticmethod
    def judged(records: Sequence[QuestionRecord]) -> dict[int, Any]:
        """Row -> the question with its marks, for all judged questions."""
        return {
            record.row: record.question.judged(record.judged.marks)
            for record in records
            if record.judged is not None and record.judged.dropped is None
        }


def unjudged(questions: Mapping[str, Any]) -> str:
    """How many questions have no marks, by reason, as text; "" if none. `questions` is that key of
    the result of `score`."""
    reasons = [f"{reason} {n:,}" for reason, n in questions["failed"].items()]
    if pending := questions["pending"]:
        reasons.append(f"pending for want of memory {pending:,}")
    return ", ".join(reasons)


def _named(record: QuestionRecord) -> dict[str, str] | None:
    """The question, if it has no marks: its id, the reason, and what went wrong."""
    if (reason := failure(record)) is None:
        return None
    why: tuple[str, ...] = record.judged.reasons if record.judged is not None else ()
    if (answered := record.answered) is not None and answered.dropped:
        # The last reply is what went wrong, if the engine said so. Else it is of an earlier turn.
        said = len(answered.replies) == len(answered.finishes)
        why = answered.replies if said else ()
    return {"id": record.question.id, "reason": reason, "why": why[-1] if why else ""}


def failure(record: QuestionRecord) -> str | None:
    """Why this question has no marks; None if it has some or is pending."""
    if record.answered is not None and record.answered.dropped:
        return f"answer_{record.answered.dropped}"
    return record.judged.dropped if record.judged is not None else None


def load(
    name: BenchmarkName,
    path: Path,
    *,
    limit: int | None = None,
    table: Mapping[str, str] | None = None,
) -> Benchmark:
    """Reads a benchmark's file. `table` maps the sources of Multifacet to benchmarks. Raises
    UsageError if the file cannot be read or a field is missing, and says which benchmark the file
    is of, if that is another."""
    of = TABLE[name]
    if not path.exists():
        where = f"; {name} is published at {of.published}" if of.published else ""
        raise UsageError(f"{path} is not there", hint=f"see whether the path is right{where}")
    try:
        questions = of.read(path, limit)
    except UsageError as error:
        _of_another(name, path, error)
        raise
    if of.unreadable is not None and all(map(of.unreadable, questions)):
        raise UsageError(
            f"no item of {path} can be graded; the first: {of.unreadable(questions[0])}",
            hint=f"the layout of {name} is in docs/evaluate.md",
        )
    counting = of.counting(table)
    return Benchmark(
        name,
        path,
        of.fingerprint(path),
        questions,
        counting.score,
        of.summary,
        counting.units,
        title=of.title(path),
        grader=of.grader,
        reads=of.reads(questions),
        notes=tuple(of.notes(path)),
        intervals=partial(intervals, differences=of.differences) if of.shares else None,
    )


def _of_another(name: BenchmarkName, path: Path, error: UsageError) -> None:
    """Raises UsageError if the file has the layout of another benchmark."""
    other = None if path.is_dir() else looks_like(path)
    if other is not None and other != name:
        raise UsageError(
            f"{path} is no file of {name}: it looks like one of {other}",
            hint=f"sysgen evaluate {other} {path}",
        ) from error


def need_golds(benchmark: Benchmark) -> None:
    """Raises UsageError if a question has no gold answers for its history."""
    for question in benchmark.questions:
        for i, gold in enumerate(question.golds[:-1], 1):
            if not gold:
                raise UsageError(
                    f"{benchmark.path}: dialogue {question.id} has no gold answer for turn {i}",
                    hint="--history own needs none",
                )
