"""Tests whether one model is better than another: paired bootstrap over the questions.

Both models answered the same questions, so a resample draws questions, the same ones for both.
Every metric of a benchmark is a ratio of two sums over its questions, as its authors count; a
resample computes the same ratio. (Koehn 2004, "Statistical significance tests for machine
translation evaluation".)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sysgen_local.evaluation.benchmarks import multifacet, sysbench

Units = dict[str, list[tuple[float, float]]]
"""Metric -> for every question (its part of the numerator, its part of the denominator)."""

RESAMPLES = 10_000
FEWEST = 2
"""Minimum number of questions in a group for an interval."""

_CHUNK = 500


@dataclass(frozen=True, slots=True)
class Difference:
    """`difference` is after minus before, `low` to `high` its 95 % interval (percentiles of the
    resamples). A number is None if it cannot be computed."""

    before: float | None
    after: float | None
    difference: float | None
    low: float | None
    high: float | None


def sysbench_units(sessions: Sequence[sysbench.JudgedSession]) -> Units:
    """The units of the metrics of `sysbench.summary`."""
    units: Units = {}
    for session in sessions:
        passed = [(turn.alignment, turn.usable) for turn in session.turns]
        run = sysbench.run_length(session, lambda turn: turn.usable)
        stable = run / len(session.turns)
        pairs: dict[str, tuple[float, float]] = {
            "CSR": (
                sum(turn.satisfied for turn in session.turns),
                sum(len(turn.marks) for turn in session.turns),
            ),
            "ISR": (sum(ok for _, ok in passed), len(passed)),
            "SSR": (stable, 1),
        }
        for alignment in ("aligned", "misaligned"):
            group = [ok for of, ok in passed if of == alignment]
            pairs[f"ISR {alignment}"] = (sum(group), len(group))
        for dependency in ("dependent", "parallel"):
            here = session.dependency == dependency
            pairs[f"SSR {dependency}"] = (stable * here, float(here))
        for n in range(1, sysbench.OFFICIAL_TURNS + 1):
            pairs[f"R{n}"] = (float(run >= n), float(len(session.turns) >= n))
        for metric, pair in pairs.items():
            units.setdefault(metric, []).append(pair)
    return units


def multifacet_units(
    instances: Sequence[multifacet.Rated], table: Mapping[str, str] | None = None
) -> Units:
    """The units of the metrics of `multifacet.summary`."""
    names = [multifacet.benchmark_of(instance.source, table) for instance in instances]
    units: Units = {name: [] for name in (*dict.fromkeys(names), "average")}
    for instance, name in zip(instances, names, strict=True):
        mean = instance.mean
        for metric in units:
            here = metric in (name, "average") and mean is not None
            units[metric].append((mean or 0.0, 1.0) if here else (0.0, 0.0))
    return units


def compare(before: Units, after: Units, *, seed: int = 0) -> dict[str, Difference]:
    """Metric -> the difference of two models. Both have the same questions in the same order."""
    import numpy as np

    metrics = [metric for metric in before if metric in after]
    count = len(before[metrics[0]]) if metrics else 0
    if not count:
        return {}
    # (metric, which of before's and after's numerator and denominator, question)
    sums = np.array(
        [[*zip(*before[m], strict=True), *zip(*after[m], strict=True)] for m in metrics]
    )
    random = np.random.default_rng(seed)
    drawn: list[Any] = []
    for start in range(0, RESAMPLES, _CHUNK):
        size = min(_CHUNK, RESAMPLES - start)
        times = random.multinomial(count, np.full(count, 1 / count), size=size).astype(float)
        drawn.append(_differences(sums @ times.T))
    differences = np.concatenate(drawn, axis=1)
    found = {}
    for metric, of, own in zip(metrics, differences, sums, strict=True):
        whole = own.sum(axis=1)
        first, second = _ratio(whole[0], whole[1]), _ratio(whole[2], whole[3])
        change = None if first is None or second is None else second - first
        found[metric] = Difference(first, second, change, None, None)
        if change is not None and np.count_nonzero(own[1]) >= FEWEST:
            low, high = np.percentile(of[~np.isnan(of)], [2.5, 97.5])
            found[metric] = Difference(first, second, change, float(low), float(high))
    return found


def _differences(sums: Any) -> Any:
    """(metric, 4, resample) -> (metric, resample); NaN if no question of a group was drawn."""
    import numpy as np

    with np.errstate(invalid="ignore", divide="ignore"):
        return sums[:, 2] / sums[:, 3] - sums[:, 0] / sums[:, 1]


def _ratio(part: float, whole: float) -> float | None:
    return float(part / whole) if whole else None
