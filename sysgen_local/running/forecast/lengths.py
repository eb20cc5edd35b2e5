"""How long things turn out, as multiples of what was expected, while some are still under way.

The short ones end first. Counted alone they would pass for all, so what is under way counts too,
as being at least so long as it is by now (Kaplan and Meier 1958).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from statistics import NormalDist

BINS_TO_DOUBLE = 6
LEAST = 2.0**-5
"""Multiples below this count as none."""

MOST_BINS = 25 * BINS_TO_DOUBLE
MORE = 1.15
"""What is longer than all that have ended is taken to end at so many times what it is now."""


def spread(sigma: float, number: int) -> tuple[float, ...]:
    """So many multiples, of mean 1, that vary log-normally by `sigma`."""
    drawn = [
        math.exp(sigma * NormalDist().inv_cdf((i + 0.5) / number)) for i in range(max(number, 1))
    ]
    return tuple(x * len(drawn) / sum(drawn) for x in drawn)


class Lengths:
    """Counts those that ended, in bins. `usual` stand for what is known before the first one."""

    def __init__(self, usual: Sequence[float] = ()) -> None:
        self._ended = [0] * MOST_BINS
        self._sums = [0.0] * MOST_BINS
        for multiple in usual:
            self.add(multiple)

    def add(self, multiple: float) -> None:
        """One has ended at this multiple."""
        at = _bin(multiple)
        self._ended[at] += 1
        self._sums[at] += multiple

    def curve(self, under_way: Iterable[float] = ()) -> Curve | None:
        """What to expect, given how far those under way are. None where nothing is known."""
        so_far = [0] * MOST_BINS
        longest = 0.0
        for multiple in under_way:
            if multiple < LEAST:
                continue  # nothing is known of what has just begun
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
    """Ascending multiples with their shares, which sum to 1."""

    def __init__(self, values: Sequence[float], shares: Sequence[float]) -> None:
        self._values = values
        self._shares = shares
        self.mean = sum(v * s for v, s in zip(values, shares, strict=True))

    def beyond(self, multiple: float) -> float:
        """The mean of those that are not shorter than this."""
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
