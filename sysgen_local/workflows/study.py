"""`sysgen study`: several models on the same benchmarks, in tables as in the SysGen paper.

Each model is compared with a baseline, by default the first: difference and 95 % interval of every
score, by paired bootstrap over the questions that were graded for both, and which differences hold
among so many comparisons (Holm's correction).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import get_args

from sysgen_local.core.adapters import label_end
from sysgen_local.core.errors import UsageError
from sysgen_local.core.intervals import compare, holm
from sysgen_local.engine.factory import keeping_weights
from sysgen_local.engine.options import Options
from sysgen_local.evaluation.benchmarks.answer import SystemIn
from sysgen_local.evaluation.benchmarks.benchmark import Benchmark, unjudged
from sysgen_local.report.benchmarks import study_tables
from sysgen_local.report.grid import Table
from sysgen_local.running.progress import Part, View
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
        """`MODEL`, `LABEL=MODEL`, either with `@system` or `@user` behind it. The model may have
        LoRA adapters behind it, `+FILE.gguf[=SCALE]`."""
        name, at, role = text.rpartition("@")
        found: SystemIn | None = next((r for r in get_args(SystemIn) if at and r == role), None)
        named = text if found is None else name
        end = named.find("=") if "://" in named else label_end(named)
        label, model = (named[:end], named[end + 1 :]) if end >= 0 else ("", named)
        if "://" in label:
            label, model = "", named
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
    judge: str | None,
    setting: Setting,
    store: Evaluation,
    views: Callable[[], Sequence[View]],
    options: Options,
    *,
    retry_failed: bool = False,
    announce: Callable[[str], None] = lambda line: None,
) -> list[StudyResult] | None:
    """Every model through every benchmark; None if it was interrupted. What is there already
    is not done again. `judge` may be None where no benchmark needs one. Raises UsageError where two
    models, or two files, have one name."""
    if twice := _twice([model.label for model in models]):
        raise UsageError(f"two models are called {twice}", hint="write LABEL=MODEL for each")
    if twice := _twice([benchmark.label for benchmark in benchmarks]):
        raise UsageError(f"two files are called {twice}", hint="rename one: it is their name below")
    results = []
    rows_before, rows_of_all = 0, len(models) * sum(len(of.questions) for of in benchmarks)
    work = product(benchmarks, models)
    with keeping_weights():  # several models may have one base
        for number, (benchmark, model) in enumerate(work, 1):
            name = f"{model.label} at {benchmark.label}"
            part = Part(number, len(benchmarks) * len(models), name, rows_before, rows_of_all)
            announce(f"{number} of {part.of}: {name}")
            mine = replace(setting, system_in=model.system_in or setting.system_in)
            outcome = run_benchmark(
                BenchmarkRun(benchmark, model.model, judge, mine),
                store,
                views(),
                options,
                retry_failed=retry_failed,
                part=part,
                announce=announce,
            )
            if outcome is None:
                return None
            results.append(StudyResult(model, benchmark, outcome))
            rows_before += len(benchmark.questions)
    return results


def baseline_of(models: Sequence[StudyModel], label: str | None) -> str:
    """The label of the model that the others are compared with: this one, else that of the first
    model. Raises UsageError where no model has this label."""
    labels = [model.label for model in models]
    if label is not None and label not in labels:
        raise UsageError(
            f"no model is called {label}", hint=f"--baseline is one of {', '.join(labels)}"
        )
    return label or labels[0]


@dataclass(frozen=True, slots=True)
class Conclusion:
    """What a study found: its tables, and every difference from the baseline."""

    tables: list[Table]
    comparisons: list[Comparison]


def conclude(
    results: Sequence[StudyResult], store: Evaluation, baseline: str | None = None
) -> Conclusion:
    """Compares each model with the one of the label `baseline` (None: the first), and notes that in
    the store. The p-values are corrected for all comparisons of the study, because a reader sees
    all of them. Raises as `baseline_of`."""
    baseline = baseline_of([result.model for result in results], baseline)
    by_benchmark = {
        label: [result for result in results if result.benchmark.label == label]
        for label in dict.fromkeys(result.benchmark.label for result in results)
    }
    found = []
    for label, all_ in by_benchmark.items():
        first = next(result for result in all_ if result.model.label == baseline)
        found += [(label, c) for of in all_ if of is not first for c in _comparisons(first, of)]
    comparisons = corrected([c for _, c in found])
    store.set_comparisons(comparisons)
    labelled = [(label, c) for (label, _), c in zip(found, comparisons, strict=True)]
    tables = []
    for label, all_ in by_benchmark.items():
        benchmark = all_[0].benchmark
        scores = {r.model.label: benchmark.summary(benchmark.score(r.outcome.cases)) for r in all_}
        notes = [note for result in all_ if (note := _note(result))]
        mine = [c for name, c in labelled if name == label]
        tables += study_tables(benchmark.name, scores, mine, notes, benchmark.title)
    return Conclusion(tables, comparisons)


def corrected(comparisons: Sequence[Comparison]) -> list[Comparison]:
    """The comparisons with Holm's correction for all of them that have a p-value."""
    tested = [c.p for c in comparisons if c.p is not None]
    adjusted = iter(holm(tested))
    return [
        c if c.p is None else replace(c, p_holm=next(adjusted), family=len(tested))
        for c in comparisons
    ]


def _twice(names: Sequence[str]) -> str | None:
    """The first name that comes twice."""
    return next((name for name in names if names.count(name) > 1), None)


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
            of.high, len(both), of.error, of.p,
        )
        for metric, of in found.items()
    ]  # fmt: skip


def _note(result: StudyResult) -> str | None:
    """What a model's numbers leave out."""
    of = result.benchmark.score(result.outcome.cases)["questions"]
    if not (reasons := unjudged(of)):
        return None
    return f"{result.model.label}: {of['judged']:,} of {of['all']:,} questions ({reasons})"
