"""Tables of the measured similarity of new answers, and of the verdicts of judges."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sysgen_local.core.counted import counted
from sysgen_local.report import paper
from sysgen_local.report.grid import Table

Means = Mapping[str, Mapping[str, tuple[float, int]]]
ORDER = ("rouge1", "rouge2", "rougeL", "gleu", "length_ratio")


def similarity_tables(means: Means, *, beside_paper: bool = False) -> list[Table]:
    """The paper's table 1 for this file. `means` is the key `measures` of `Store.stats`. All
    figures except the ratio are in per cent, as in the paper."""
    if not means:
        return []
    metrics = [m for m in ORDER if m in means[""]]
    metrics += [m for m in means[""] if m not in ORDER]
    lines = []
    for name, of in [*((n, o) for n, o in means.items() if n), ("all", means[""])]:
        cells = [_figure(metric, of[metric][0]) if metric in of else "" for metric in metrics]
        lines.append((name, f"{max(n for _, n in of.values()):,}", *cells))
    for model, figures in paper.COMPARED.items() if beside_paper else ():
        cells = [f"{figures[m]:g}" if m in figures else "" for m in metrics]
        lines.append((f"(paper) {model}", "", *cells))
    title = "new answers compared with old ones (table 1)"
    return [Table(title, ("dataset", "rows", *metrics), tuple(lines))]


def _figure(metric: str, mean: float) -> str:
    return f"{mean:.2f}" if metric == "length_ratio" else f"{mean * 100:.1f}"


COLUMNS = (
    "dataset", "new better", "95 %", "won", "lost", "tied", "first chosen", "aligned", "rating",
)  # fmt: skip


FEWEST_PAIRS = 10
"""Pairs from which a judge is called one-sided."""

MOST_FIRST = 0.9
"""Share of choices of the answer shown first from which it is."""


def judge_tables(found: Sequence[Mapping[str, Any]]) -> list[Table]:
    """A table for each judge in the result of `evaluate.preference.summary`."""
    return [
        Table(
            f"judged by {judge['judge']} (prompts: {judge['prompt_set']})",
            COLUMNS,
            tuple(_lines(judge["datasets"])),
            tuple(_notes(judge["datasets"][""])),
        )
        for judge in found
    ]


def _lines(datasets: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    names = [name for name in datasets if name]
    for name in [*names, *([""] if len(names) > 1 else [])]:
        pairs, rated = datasets[name]["preference"], datasets[name]["alignment"]
        yield (
            name or "all",
            _share(pairs["rate"]),
            _range(pairs["low"], pairs["high"]),
            *(f"{pairs[of]:,}" for of in ("wins", "losses", "ties")),
            _share(pairs["first"]),
            f"{_share(rated['share'])} of {rated['rows']}" if rated["rows"] else "",
            f"{rated['mean']:.2f}" if rated["rows"] else "",
        )


def _notes(whole: Mapping[str, Any]) -> Iterator[str]:
    """Notes on the results of all datasets together."""
    pairs, dropped = whole["preference"], whole["dropped"]
    if one_sided(pairs):
        yield (
            f"it chose the answer that was shown first in {_share(pairs['first'])} of its choices: "
            "its verdicts say more about the order than about the answers"
        )
    yield "new better: of the pairs on which both orders agree; tied: they do not"
    yield "first chosen: 50 % where the order plays no part"
    if dropped:
        yield f"{counted(dropped, 'row')} not judged: too long, or no verdict was to be had"


def one_sided(pairs: Mapping[str, Any]) -> bool:
    """Whether a judge chose nearly always the answer shown first, or nearly never."""
    asked = pairs["wins"] + pairs["losses"] + pairs["ties"]
    first = pairs["first"]
    return asked >= FEWEST_PAIRS and first is not None and not 1 - MOST_FIRST < first < MOST_FIRST


def _share(share: float | None) -> str:
    return "" if share is None else f"{share:.1%}"


def _range(low: float | None, high: float | None) -> str:
    return "" if low is None or high is None else f"{low:.0%} to {high:.0%}"
