"""Tables of what was measured of new answers, and of what judges said of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sysgen_local.report import paper
from sysgen_local.report.grid import new_table, plain

if TYPE_CHECKING:
    from rich.table import Table

Means = Mapping[str, Mapping[str, tuple[float, int]]]
ORDER = ("rouge1", "rouge2", "rougeL", "gleu", "length_ratio")


def compared(means: Means, *, beside_paper: bool = False) -> list[Table]:
    """The paper's table 1 for this file. `means` is what `Store.stats` gives as `measures`;
    figures but the ratio are in per cent, as the paper has them."""
    if not means:
        return []
    metrics = [m for m in ORDER if m in means[""]]
    metrics += [m for m in means[""] if m not in ORDER]
    made = new_table(
        "new answers compared with old ones (table 1)",
        "dataset",
        ">rows",
        *(f">{metric}" for metric in metrics),
    )
    for name, of in [*((n, o) for n, o in means.items() if n), ("", means[""])]:
        rows = max(n for _, n in of.values())
        cells = [_figure(metric, of[metric][0]) if metric in of else "" for metric in metrics]
        made.add_row(plain(name or "all"), f"{rows:,}", *cells)
    if beside_paper:
        for model, figures in paper.COMPARED.items():
            cells = [f"{figures[m]:g}" if m in figures else "" for m in metrics]
            made.add_row(f"the paper's {model}", "", *cells, style="dim")
    return [made]


def _figure(metric: str, mean: float) -> str:
    return f"{mean:.2f}" if metric == "length_ratio" else f"{mean * 100:.1f}"


def judged(found: Sequence[Mapping[str, Any]]) -> list[Table]:
    """A table for each judge of `evaluate.judge.summary`."""
    made = []
    for judge in found:
        one = new_table(
            f"judged by {judge['judge']} (prompts: {judge['prompt_set']})",
            "dataset", ">new better", ">95 %", ">won", ">lost", ">tied", ">first chosen",
            ">aligned", ">rating",
        )  # fmt: skip
        datasets = judge["datasets"]
        names = [name for name in datasets if name]
        for name in [*names, *([""] if len(names) > 1 else [])]:
            said, rated = datasets[name]["preference"], datasets[name]["alignment"]
            one.add_row(
                plain(name or "all"), _share(said["rate"]), _range(said["low"], said["high"]),
                *(f"{said[name]:,}" for name in ("wins", "losses", "ties")), _share(said["first"]),
                f"{_share(rated['share'])} of {rated['rows']}" if rated["rows"] else "",
                f"{rated['mean']:.2f}" if rated["rows"] else "",
            )  # fmt: skip
        notes = [
            "new better: of the pairs on which both orders agree; tied: they do not",
            "first chosen: 50 % where the order plays no part",
        ]
        if dropped := datasets[""]["dropped"]:
            notes.append(f"{dropped:,} rows were too long for the judge")
        one.caption = "\n".join(notes)
        made.append(one)
    return made


def _share(share: float | None) -> str:
    return "" if share is None else f"{share:.1%}"


def _range(low: float | None, high: float | None) -> str:
    return "" if low is None or high is None else f"{low:.0%} to {high:.0%}"
