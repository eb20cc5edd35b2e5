"""A benchmark: its questions, how its judge is made, and how its numbers are counted."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

from sysgen_local.core.errors import SysgenError, UsageError
from sysgen_local.evaluate.benchmarks import dialogues, files, instances, multifacet, sysbench
from sysgen_local.evaluate.benchmarks.questions import QuestionRecord
from sysgen_local.evaluate.statistics import Units, multifacet_units, sysbench_units

BenchmarkName = Literal["sysbench", "multifacet"]


@dataclass(frozen=True, slots=True)
class Benchmark:
    """`fingerprint` is of the file's text, so that a longer `limit` goes on where a shorter one
    stopped. `count` takes judged questions, `units` the same for the bootstrap, `summary` what
    `count` returns."""

    name: BenchmarkName
    path: Path
    fingerprint: str
    questions: Sequence[Any]
    count: Callable[[Sequence[Any]], dict[str, Any]]
    summary: Callable[[Mapping[str, Any]], dict[str, float | None]]
    units: Callable[[Sequence[Any]], Units]

    def score(self, records: Sequence[QuestionRecord]) -> dict[str, Any]:
        """The numbers over what was judged; beside them under `questions` what was not, and why.
        A question that no run has brought to an end is pending: it needs more memory than was free.

        Raises SysgenError where nothing was judged.
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
                hint="a larger --context, --max-judge-tokens or another judge may help; "
                "--retry-failed tries those questions again"
                if failed
                else "the same command asks them once more memory is free, or with fewer --slots",
            )
        return {**self.count(list(judged.values())), "questions": questions}

    @staticmethod
    def judged(records: Sequence[QuestionRecord]) -> dict[int, Any]:
        """Row -> the question with its marks, of all that were judged."""
        return {
            record.row: record.question.judged(record.judged.marks)
            for record in records
            if record.judged is not None and record.judged.dropped is None
        }


def unjudged(questions: Mapping[str, Any]) -> str:
    """How many questions have no marks, by reason, of what `score` says of them; "" where none."""
    reasons = [f"{reason} {n:,}" for reason, n in questions["failed"].items()]
    if pending := questions["pending"]:
        reasons.append(f"pending for want of memory {pending:,}")
    return ", ".join(reasons)


def failure(record: QuestionRecord) -> str | None:
    """Why this question has no marks; None where it has, or is still pending."""
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
    """Raises UsageError for a file that cannot be read or lacks something."""
    if name == "sysbench":
        return Benchmark(
            name,
            path,
            files.fingerprint(path),
            dialogues.read_dialogues(path)[:limit],
            sysbench.score,
            sysbench.summary,
            sysbench_units,
        )
    return Benchmark(
        name,
        path,
        files.fingerprint(path),
        instances.read_instances(path)[:limit],
        partial(multifacet.score, table=table),
        multifacet.summary,
        partial(multifacet_units, table=table),
    )


def need_golds(benchmark: Benchmark) -> None:
    """Raises UsageError where a question lacks the answers that a gold history is made of."""
    for question in benchmark.questions:
        for i, gold in enumerate(question.golds[:-1], 1):
            if not gold:
                raise UsageError(
                    f"{benchmark.path}: dialogue {question.id} has no gold answer for turn {i}",
                    hint="--history own needs none",
                )
