"""What is measured, as numbers: shares and estimates with 95 % intervals, in a tree by name.

A share's interval is Wilson's. Others come from a bootstrap whose unit is the row, because the
phrases of one row are not independent of each other.
"""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

T = TypeVar("T")

RESAMPLES = 1000
LEVEL = 0.95
_Z = statistics.NormalDist().inv_cdf((1 + LEVEL) / 2)


@dataclass(frozen=True, slots=True)
class Share:
    """`count` of `of`. `part`: one of several that make up the whole, so that where it is not
    named there is none of it."""

    count: int
    of: int
    part: bool = False

    @classmethod
    def among(cls, found: Iterable[bool]) -> Share:
        """How many of these are true."""
        values = list(found)
        return cls(sum(values), len(values))

    @property
    def value(self) -> float | None:
        """The share; None of nothing."""
        return self.count / self.of if self.of else None

    def interval(self) -> tuple[float, float] | None:
        """Wilson's 95 % interval; None of nothing."""
        if self.value is None:
            return None
        p, of = self.value, self.of
        middle = p + _Z**2 / (2 * of)
        half = _Z * math.sqrt(p * (1 - p) / of + (_Z / (2 * of)) ** 2)
        whole = 1 + _Z**2 / of
        return max(0.0, (middle - half) / whole), min(1.0, (middle + half) / whole)

    def __add__(self, other: Share) -> Share:
        return Share(self.count + other.count, self.of + other.of)


@dataclass(frozen=True, slots=True)
class Estimate:
    """A number that is no share, from `of` rows. No interval where there are fewer than two."""

    value: float | None
    low: float | None
    high: float | None
    of: int


Leaf = Share | Estimate | int | float | str | None
"""None: there was nothing to measure."""

Tree = Mapping[str, "Tree | Leaf"]


def bootstrap(
    units: Sequence[T],
    statistic: Callable[[Sequence[T]], float | None],
    *,
    biased: bool = False,
    seed: int = 0,
) -> Estimate:
    """The statistic of these units, with an interval by resampling them.

    The interval is that of the resamples' percentiles. For a `biased` statistic, which few units
    make too small or too large (an entropy, a distance), it is the basic bootstrap's: a resample
    is off from the sample as the sample is off from the truth.
    """
    import numpy as np

    value = statistic(units) if units else None
    if value is None or len(units) < 2:
        return Estimate(value, None, None, len(units))
    random = np.random.default_rng(seed)
    found = []
    for _ in range(RESAMPLES):
        drawn = random.integers(len(units), size=len(units)).tolist()
        if (again := statistic([units[i] for i in drawn])) is not None:
            found.append(again)
    tail = (1 - LEVEL) / 2
    low, high = map(float, np.quantile(found, [tail, 1 - tail]))
    if biased:
        low, high = max(0.0, 2 * value - high), max(0.0, 2 * value - low)
    return Estimate(value, low, high, len(units))


def mean(values: Sequence[float]) -> Estimate:
    """With the interval of a bootstrap over the values."""
    return bootstrap(values, lambda some: sum(some) / len(some))


def shares(counts: Mapping[str, int], of: int) -> dict[str, Share]:
    """Every count as a part of the same whole, the largest first."""
    return {name: Share(n, of, part=True) for name, n in Counter(counts).most_common()}


def number(leaf: Leaf) -> float | None:
    """The leaf's value, where it is a number."""
    value = leaf.value if isinstance(leaf, Share | Estimate) else leaf
    return value if isinstance(value, int | float) else None


def walk(trees: Sequence[Tree]) -> Iterator[tuple[tuple[str, ...], list[Leaf] | None]]:
    """Every path of several trees alike, each with its leaves (None for a branch), in order. A
    tree that lacks a leaf gives None for it; a branch without anything is a leaf."""
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
    """Of those that are numbers; None where none is. A part that a tree does not name is 0 there;
    other leaves that are missing are left out."""
    parts = any(isinstance(leaf, Share) and leaf.part for leaf in leaves)
    values = [0.0 if parts and leaf is None else number(leaf) for leaf in leaves]
    found = [value for value in values if value is not None]
    return statistics.median(found) if found else None


def medians(trees: Sequence[Tree]) -> dict[str, Any]:
    """A tree of the medians of every number."""
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
    """The tree as JSON has it."""
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
