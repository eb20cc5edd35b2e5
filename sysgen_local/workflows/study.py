"""`sysgen study`: several models on the same benchmarks, in tables as in the SysGen paper.

Each model is compared with the first: difference and 95 % interval of every score, by paired
bootstrap over the questions that were graded for both.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import get_args

from sysgen_local.core.errors import UsageError
from sysgen_local.engine.options import Options
from sysgen_local.evaluation.benchmarks.answer import SystemIn
from sysgen_local.evaluation.benchmarks.benchmark import Benchmark, unjudged
from sysgen_local.evaluation.statistics import compare
from sysgen_local.report.benchmarks import study_tables
from sysgen_local.report.grid import Table
from sysgen_local.running.progress import View
from sysgen_local.store.evaluation import Comparison, Evaluation
from sysgen_local.workflows.benchmark import BenchmarkRun, Outcome, Setting, run_benchmark


@dataclass(frozen=True, slots=True)
class StudyModel:
    """A model, its label in the tables, and where its prompt has the system message."""

    label: str
    model: str
    system_in: SystemIn | None = None

    @classmethod
    def parse(cls, text: str) -> StudyModel:
        """`MODEL`, `LABEL=MODEL`, either with `@system` or `@user` behind it."""
        label, _, model = text.rpartition("=") if "://" not in text else text.partition("=")
        if "://" in label or not model:
            label, model = "", text
        name, at, role = model.rpartition("@")
        found: SystemIn | None = next((r for r in get_args(SystemIn) if at and r == role), None)
        if found is not None:
            model = name
        if not model:
            raise UsageError(
                f"{text!r} names no model", hint="write LABEL=MODEL or LABEL=MODEL@user"
            )
        return cls(label or (f"{model} ({found})" if found else model), model, found)


@dataclass(frozen=True, slots=True)
class StudyResult:
    """One model at one benchmark: its grading run, and row -> judged question."""

    model: StudyModel
    benchmark: Benchmark
    outcome: Outcome


def run(
    models: Sequence[StudyModel],
    benchmarks: Sequence[Benchmark],
    judge: str,
    setting: Setting,
    store: Evaluation,
    views: Callable[[], Sequence[View]],
    options: Options,
    *,
    retry_failed: bool = False,
    announce: Callable[[str], None] = lambda line: None,
) -> list[StudyResult] | None:
    """Every model through every benchmark; None if it was interrupted. What is there already
    is not done again. Raises UsageError where two models have one label."""
    labels = [model.label for model in models]
    if twice := next((label for label in labels if labels.count(label) > 1), None):
        raise UsageError(f"two models are called {twice}", hint="write LABEL=MODEL for each")
    results = []
    for benchmark in benchmarks:
        for model in models:
            announce(f"{benchmark.name}: {model.label}")
            mine = replace(setting, system_in=model.system_in or setting.system_in)
            outcome = run_benchmark(
                BenchmarkRun(benchmark, model.model, judge, mine),
                store,
                views(),
                options,
                retry_failed=retry_failed,
                announce=announce,
            )
            if outcome is None:
                return None
            results.append(StudyResult(model, benchmark, outcome))
    return results


def conclude(results: Sequence[StudyResult], store: Evaluation) -> list[Table]:
    """Compares each model with the first, notes that in the store, and returns the tables."""
    tables = []
    for name in dict.fromkeys(result.benchmark.name for result in results):
        first, *others = [result for result in results if result.benchmark.name == name]
        comparisons = [c for other in others for c in _comparisons(first, other)]
        store.set_comparisons(comparisons)
        scores = {
            r.model.label: r.benchmark.summary(r.benchmark.score(r.outcome.cases))
            for r in (first, *others)
        }
        notes = [_note(result) for result in (first, *others)]
        tables += study_tables(name, scores, comparisons, [note for note in notes if note])
    return tables


def _comparisons(first: StudyResult, other: StudyResult) -> list[Comparison]:
    benchmark = first.benchmark
    before = benchmark.judged(first.outcome.cases)
    after = benchmark.judged(other.outcome.cases)
    both = sorted(before.keys() & after.keys())
    found = compare(
        benchmark.units([before[row] for row in both]),
        benchmark.units([after[row] for row in both]),
    )
    return [
        Comparison(
            benchmark.name, metric, first.outcome.grading_run, other.outcome.grading_run,
            first.model.label, other.model.label, of.before, of.after, of.difference, of.low,
            of.high, len(both),
        )
        for metric, of in found.items()
    ]  # fmt: skip


def _note(result: StudyResult) -> str | None:
    """What a model's numbers leave out."""
    of = result.benchmark.score(result.outcome.cases)["questions"]
    if not (reasons := unjudged(of)):
        return None
    return f"{result.model.label}: {of['judged']:,} of {of['all']:,} questions ({reasons})"
