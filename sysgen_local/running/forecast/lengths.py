"""The distribution of lengths, as multiples of the expected length, while some rows are unfinished.

Short rows finish first. If only finished rows counted, the estimate would be too low. So unfinished
rows count as well, with at least their current length (Kaplan and Meier 1958).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from statistics import NormalDist

BINS_TO_DOUBLE = 6
LEAST = 2.0**-5
"""Smaller multiples count as zero."""

MOST_BINS = 25 * BINS_TO_DOUBLE
MORE = 1.15
"""A row that is longer than all finished ones is expected to end at this multiple of its length."""


def spread(sigma: float, number: int) -> tuple[float, ...]:
    """`number` multiples with a mean of 1 and a log-normal distribution with `sigma`."""
    drawn = [
        math.exp(sigma * NormalDist().inv_cdf((i + 0.5) / number)) for i in range(max(number, 1))
    ]
    return tuple(x * len(drawn) / sum(drawn) for x in drawn)


class Lengths:
    """Counts finished rows in bins by their multiple. `usual` are the multiples to begin with."""

    def __init__(self, usual: Sequence[float] = ()) -> None:
        self._ended = [0] * MOST_BINS
        self._sums = [0.0] * MOST_BINS
        for multiple in usual:
            self.add(multiple)

    def add(self, multiple: float) -> None:
        """Counts a row that finished at this multiple."""
        at = _bin(multiple)
        self._ended[at] += 1
        self._sums[at] += multiple

    def curve(self, under_way: Iterable[float] = ()) -> Curve | None:
        """The distribution, given the current multiples of unfinished rows. None without any
        row."""
        so_far = [0] * MOST_BINS
        longest = 0.0
        for multiple in under_way:
            if multiple < LEAST:
                continue  # it has just begun, so it gives no information
            so_far[_bin(multiple)] += 1
            longest = max(longest, multiple)
        at_risk = sum(self._ended) + sum(so_far)
        if not at_risk:
            return None
        values, shares, left = [], [], 1.0
        for ended, total, running in zip(self._ended, self._sums, so_far, strict=True):
            if ended:
                share = left * ended / at_risk
                values.append(total / ended)
                shares.append(share)
                left -= share
            at_risk -= ended + running
        if left > 1e-9:
            values.append(max(longest * MORE, LEAST))
            shares.append(left)
        return Curve(values, shares)


class Curve:
    """A distribution: ascending multiples with their shares, which sum to 1."""

    def __init__(self, values: Sequence[float], shares: Sequence[float]) -> None:
        self._values = values
        self._shares = shares
        self.mean = sum(v * s for v, s in zip(values, shares, strict=True))

    def beyond(self, multiple: float) -> float:
        """The mean of all multiples that are at least this one."""
        total = weight = 0.0
        for value, share in zip(self._values, self._shares, strict=True):
            if value >= multiple:
                total += value * share
                weight += share
        return total / weight if weight > 1e-9 else multiple * MORE


def _bin(multiple: float) -> int:
    if multiple < LEAST:
        return 0
    return min(MOST_BINS - 1, 1 + int(BINS_TO_DOUBLE * math.log2(multiple / LEAST)))
