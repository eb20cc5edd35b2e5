"""A benchmark: its questions, and the functions that score them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

from sysgen_local.core.errors import SysgenError, UsageError
from sysgen_local.evaluation.benchmarks import (
    dialogues,
    files,
    instances,
    multifacet,
    own,
    sysbench,
)
from sysgen_local.evaluation.benchmarks.questions import QuestionRecord
from sysgen_local.evaluation.statistics import Units, multifacet_units, sysbench_units

BenchmarkName = Literal["sysbench", "multifacet", "own"]


@dataclass(frozen=True, slots=True)
class Benchmark:
    """The questions and the scoring functions of a benchmark.

    `fingerprint` is the SHA-256 of the whole file, so a larger `limit` continues a run with a
    smaller one. `count` computes the scores of judged questions, `units` prepares the same for the
    bootstrap, and `summary` selects metrics from the result of `count`. `title` is the name of the
    file where a benchmark may have several files (own), else "". Without `needs_judge`, rules grade
    the answers, and no model judges them; `reads`: a judge may read some phrases too.
    """

    name: BenchmarkName
    path: Path
    fingerprint: str
    questions: Sequence[Any]
    count: Callable[[Sequence[Any]], dict[str, Any]]
    summary: Callable[[Mapping[str, Any]], dict[str, float | None]]
    units: Callable[[Sequence[Any]], Units]
    title: str = ""
    needs_judge: bool = True
    reads: bool = False

    @property
    def label(self) -> str:
        """What the benchmark is called in a list of several."""
        return self.title or self.name

    def score(self, records: Sequence[QuestionRecord]) -> dict[str, Any]:
        """The scores of the judged questions. The key `questions` counts those without marks, by
        reason, and `ungraded` names them. A question is pending if no run has finished it: it
        needs more memory than was free.

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
        return {
            **self.count(list(judged.values())),
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
    UsageError if the file cannot be read or a field is missing."""
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
    if name == "own":
        items = own.read_items(path)[:limit]
        return Benchmark(
            name,
            path,
            files.fingerprint(path),
            items,
            own.score,
            own.summary,
            own.units,
            title=re.sub(r"\.jsonl?(?:\.gz)?$", "", path.name, flags=re.IGNORECASE),
            needs_judge=False,
            reads=any(check.kind == own.READ for item in items for check in item.checks),
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
    """Raises UsageError if a question has no gold answers for its history."""
    for question in benchmark.questions:
        for i, gold in enumerate(question.golds[:-1], 1):
            if not gold:
                raise UsageError(
                    f"{benchmark.path}: dialogue {question.id} has no gold answer for turn {i}",
                    hint="--history own needs none",
                )
