"""Prints the figures as text: one column for each run and, for several runs, their median."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.quality.figures import Leaf, Share, Tree, median, walk
from sysgen_local.core.intervals import Estimate

LABEL = 46
WIDTH = 30


def lines(heads: Sequence[str], trees: Sequence[Tree]) -> list[str]:
    """The lines of the table. `heads` are the names of the trees."""
    several = len(trees) > 1
    cells = [*heads, "median"] if several else list(heads)
    result = [_line("", cells)] if several else []
    for path, leaves in walk(trees):
        label = "  " * (len(path) - 1) + path[-1].replace("_", " ")
        if leaves is None:
            result += [""] * (len(path) == 1) + [label]
            continue
        cells = [_cell(leaf) for leaf in leaves]
        if several:
            cells.append(_median(leaves))
        result.append(_line(label, cells))
    return result


def _line(label: str, cells: Sequence[str]) -> str:
    return f"{label:{LABEL}} " + " ".join(f"{cell:{WIDTH}}" for cell in cells).rstrip()


def _cell(leaf: Leaf) -> str:
    match leaf:
        case None:
            return "-"
        case Share():
            interval = leaf.interval()
            if leaf.value is None or interval is None:
                return f"{leaf.count} of {leaf.of}"
            low, high = (f"{100 * end:.0f}" for end in interval)
            return f"{leaf.count} of {leaf.of}: {leaf.value:.1%} [{low}, {high}]"
        case Estimate(value=None):
            return "-"
        case Estimate(low=None):
            return f"{leaf.value:.2f}"
        case Estimate():
            return f"{leaf.value:.2f} [{leaf.low:.2f}, {leaf.high:.2f}]"
    return str(leaf)


def _median(leaves: Sequence[Leaf]) -> str:
    value = median(leaves)
    if value is None:
        return "-"
    if any(isinstance(leaf, Share) for leaf in leaves):
        return f"{value:.1%}"
    return f"{value:.2f}" if any(isinstance(leaf, Estimate) for leaf in leaves) else f"{value:g}"
