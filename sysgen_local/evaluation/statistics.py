"""The units of the metrics of benchmarks, which a paired bootstrap compares (`core.intervals`), and
the intervals of metrics that are shares."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence

from sysgen_local.core.intervals import Units, bootstrap, share
from sysgen_local.evaluation.benchmarks import multifacet, sysbench

__all__ = ["Units", "intervals", "main_metric", "multifacet_units", "sysbench_units"]

_MAIN = {"sysbench": "ISR", "multifacet": "average"}


def main_metric(benchmark: str, metrics: Sequence[str]) -> str | None:
    """The metric of a benchmark that is named first where one must stand for all: the first, unless
    its authors name another one. None without metrics."""
    chosen = _MAIN.get(benchmark)
    return chosen if chosen in metrics else next(iter(metrics), None)


Bounds = dict[str, float | None]
"""low, high: the ends of a 95 % interval; None where there is nothing to tell it from."""
_UNKNOWN: Bounds = {"low": None, "high": None}


def intervals(units: Units, differences: Container[str] = ()) -> dict[str, Bounds]:
    """Metric -> its 95 % interval. The metrics are shares, but for `differences` of two shares in
    the same rows, which have a bootstrap interval over the rows."""
    found: dict[str, Bounds] = {}
    for metric, pairs in units.items():
        if metric in differences:
            drawn = bootstrap([pair for pair in pairs if pair[1]], _ratio)
            # All rows the same: an interval without width would look like certainty.
            known = drawn.low != drawn.high
            found[metric] = {"low": drawn.low, "high": drawn.high} if known else dict(_UNKNOWN)
        else:
            of = share(pairs)
            found[metric] = {"low": of.low, "high": of.high}
    return found


def _ratio(pairs: Sequence[tuple[float, float]]) -> float:
    return sum(part for part, _ in pairs) / sum(whole for _, whole in pairs)


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
