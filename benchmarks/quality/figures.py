"""The figures: shares and estimates with 95 % intervals, in a tree of names.

The interval of a share is Wilson's. The other intervals come from a bootstrap over rows, because
the phrases of one row are not independent.
"""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sysgen_local.core.intervals import Estimate, bootstrap, wilson


@dataclass(frozen=True, slots=True)
class Share:
    """`count` of `of`. `part`: the share is one of several that add up to the whole, so if it is
    missing in a tree its count there is 0."""

    count: int
    of: int
    part: bool = False

    @classmethod
    def among(cls, found: Iterable[bool]) -> Share:
        """The share of true values."""
        values = list(found)
        return cls(sum(values), len(values))

    @property
    def value(self) -> float | None:
        """The share; None if `of` is 0."""
        return self.count / self.of if self.of else None

    def interval(self) -> tuple[float, float] | None:
        """Wilson's 95 % interval; None if `of` is 0."""
        _, low, high = wilson(self.count, self.of)
        return None if low is None or high is None else (low, high)

    def __add__(self, other: Share) -> Share:
        return Share(self.count + other.count, self.of + other.of)


Leaf = Share | Estimate | int | float | str | None
"""None: there was no data to measure."""

Tree = Mapping[str, "Tree | Leaf"]


def mean(values: Sequence[float]) -> Estimate:
    """The mean with a bootstrap interval over the values."""
    return bootstrap(values, lambda some: sum(some) / len(some))


def shares(counts: Mapping[str, int], of: int) -> dict[str, Share]:
    """The counts as shares of the same whole, the largest first."""
    return {name: Share(n, of, part=True) for name, n in Counter(counts).most_common()}


def number(leaf: Leaf) -> float | None:
    """The value of the leaf if it is a number."""
    value = leaf.value if isinstance(leaf, Share | Estimate) else leaf
    return value if isinstance(value, int | float) else None


def walk(trees: Sequence[Tree]) -> Iterator[tuple[tuple[str, ...], list[Leaf] | None]]:
    """All paths of several trees in order, each with the leaves of all trees (None for a branch). A
    tree without that leaf gives None. An empty branch is a leaf."""
    names = dict.fromkeys(name for tree in trees for name in tree)
    for name in names:
        found = [tree.get(name) for tree in trees]
        branches = [value for value in found if isinstance(value, Mapping)]
        if any(branches):
            yield (name,), None
            for path, leaves in walk([v if isinstance(v, Mapping) else {} for v in found]):
                yield (name, *path), leaves
        else:
            yield (name,), [None if isinstance(value, Mapping) else value for value in found]


def median(leaves: Sequence[Leaf]) -> float | None:
    """The median of the leaves that are numbers; None if none is. A missing leaf is left out; if it
    is a part (see `Share`), it is 0."""
    parts = any(isinstance(leaf, Share) and leaf.part for leaf in leaves)
    values = [0.0 if parts and leaf is None else number(leaf) for leaf in leaves]
    found = [value for value in values if value is not None]
    return statistics.median(found) if found else None


def medians(trees: Sequence[Tree]) -> dict[str, Any]:
    """The tree of the medians of all numbers."""
    result: dict[str, Any] = {}
    for path, leaves in walk(trees):
        *above, name = path
        place = result
        for part in above:
            place = place[part]
        if leaves is None:
            place[name] = {}
        elif (value := median(leaves)) is not None:
            place[name] = value
    return result


def plain(tree: Tree) -> dict[str, Any]:
    """The tree as data for JSON."""
    return {
        name: plain(value) if isinstance(value, Mapping) else _plain(value)
        for name, value in tree.items()
    }


def _plain(leaf: Leaf) -> Any:
    if isinstance(leaf, Share):
        low, high = leaf.interval() or (None, None)
        return {
            "count": leaf.count, "of": leaf.of, "share": leaf.value, "low": low, "high": high
        }  # fmt: skip
    if isinstance(leaf, Estimate):
        return {"value": leaf.value, "low": leaf.low, "high": leaf.high, "of": leaf.of}
    return leaf
