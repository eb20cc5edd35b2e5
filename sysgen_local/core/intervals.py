"""Intervals and tests: of shares, of statistics of a sample, and of differences of two models.

- A share of independent trials has Wilson's interval (Wilson 1927, "Probable inference, the law of
  succession, and statistical inference").
- The phrases of one row are no independent trials: an answer that misses one misses others too.
  Every share of phrases, demands or instructions is computed by `share`, from the counts of each
  row: Wilson's interval with the effective number of trials (Franco, Little, Louis and Slud 2019,
  "Comparative study of confidence intervals for proportions in complex sample surveys").
- Another statistic has a bootstrap interval over units that are independent, such as rows.
- The difference of two models has a paired bootstrap: both answered the same questions, so a
  resample draws questions, the same ones for both. Every metric of a benchmark is a ratio of two
  sums over its questions, as its authors count; a resample computes the same ratio. (Koehn 2004,
  "Statistical significance tests for machine translation evaluation".)
- Of many differences some are significant by chance. Holm's correction bounds the probability that
  any is, whatever their dependence (Holm 1979, "A simple sequentially rejective multiple test
  procedure").
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any, TypeVar

T = TypeVar("T")

LEVEL = 0.95
"""The level of every interval. What is significant has a p-value of at most one minus this."""

POWER = 0.8
"""The probability with which `detectable` differences are seen."""

Z = NormalDist().inv_cdf((1 + LEVEL) / 2)

Units = dict[str, list[tuple[float, float]]]
"""Metric -> for every question (its part of the numerator, its part of the denominator)."""

RESAMPLES = 10_000
"""Resamples of a paired bootstrap."""

STATISTIC_RESAMPLES = 1000
"""Resamples of another statistic, which takes longer."""

FEWEST = 2
"""Minimum number of questions in a group for an interval."""

_CHUNK = 500
_EQUAL = 1e-12


def wilson(successes: float, trials: float) -> tuple[float | None, float | None, float | None]:
    """(share, low, high) of the 95 % interval after Wilson (1927); None without trials."""
    if not trials:
        return None, None, None
    share = successes / trials
    scale = 1 + Z * Z / trials
    middle = (share + Z * Z / (2 * trials)) / scale
    half = Z * math.sqrt(share * (1 - share) / trials + Z * Z / (4 * trials * trials)) / scale
    low = 0.0 if not successes else max(0.0, middle - half)  # without errors of rounding
    return share, low, 1.0 if successes == trials else min(1.0, middle + half)


@dataclass(frozen=True, slots=True)
class Share:
    """A share with its 95 % interval; None without trials. `effective` is the number of independent
    trials that would tell as much as these do, at most `trials`."""

    value: float | None
    low: float | None
    high: float | None
    trials: float
    effective: float


def share(groups: Iterable[tuple[float, float]]) -> Share:
    """The share of successes of (successes, trials) of each group, where trials of one group (a
    row, a conversation) belong together.

    The variance of the share is that of a ratio of two sums over groups (Cochran 1977, "Sampling
    techniques", chapter 6). Of few groups it is uncertain itself, for which t stands in place of z
    (Korn and Graubard 1998). Where all trials succeed, or none, it cannot be told: each group then
    tells as much as one trial (Kish 1965: the squared sum of sizes over the sum of their squares).
    Groups of one trial each have Wilson's interval.
    """
    found = [(part, whole) for part, whole in groups if whole]
    trials = sum(whole for _, whole in found)
    if not trials:
        return Share(None, None, None, 0, 0)
    successes, groups_of = sum(part for part, _ in found), len(found)
    value = successes / trials
    effective = trials
    if any(whole > 1 for _, whole in found):
        spread = sum((part - value * whole) ** 2 for part, whole in found)
        if not 0 < successes < trials or groups_of == 1:
            effective = trials * trials / sum(whole * whole for _, whole in found)
        elif spread:
            variance = spread * groups_of / (groups_of - 1) / (trials * trials)
            few = (Z / _student(groups_of - 1)) ** 2
            effective = min(trials, few * value * (1 - value) / variance)
    return Share(*wilson(value * effective, effective), trials, effective)


def _student(degrees: int) -> float:
    """The quantile of Student's t at which the level of the intervals ends (Abramowitz and Stegun
    26.7.5); within 1 % from four degrees of freedom on."""
    z = Z
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
    )
    return z + terms[0] / degrees + terms[1] / degrees**2 + terms[2] / degrees**3


def trials_for(share: float, half_width: float) -> int:
    """The number of trials from which Wilson's interval around a share reaches at most `half_width`
    to each side of its middle.

    The width is half = Z sqrt(n p q + Z^2 / 4) / (n + Z^2). Squared, that is a quadratic equation
    of n + Z^2.
    """
    z2, h2, pq = Z * Z, half_width * half_width, share * (1 - share)
    # h2 m^2 - z2 pq m - z2 (z2 / 4 - z2 pq) = 0 with m = n + z2
    root = math.sqrt((z2 * pq) ** 2 + 4 * h2 * z2 * z2 * (0.25 - pq))
    return max(0, math.ceil((z2 * pq + root) / (2 * h2) - z2 - _EQUAL))


@dataclass(frozen=True, slots=True)
class Estimate:
    """A number with a 95 % interval, from `of` units. It has no interval with fewer than two."""

    value: float | None
    low: float | None
    high: float | None
    of: int


def bootstrap(
    units: Sequence[T],
    statistic: Callable[[Sequence[T]], float | None],
    *,
    biased: bool = False,
    seed: int = 0,
) -> Estimate:
    """The statistic of these units with a 95 % bootstrap interval.

    The interval is made of percentiles of the resamples. A `biased` statistic is too small or too
    large for few units (an entropy, a distance). For it, the interval is that of the basic
    bootstrap: a resample differs from the sample as the sample differs from the population.
    """
    import numpy as np

    value = statistic(units) if units else None
    if value is None or len(units) < FEWEST:
        return Estimate(value, None, None, len(units))
    random = np.random.default_rng(seed)
    found = []
    for _ in range(STATISTIC_RESAMPLES):
        drawn = random.integers(len(units), size=len(units)).tolist()
        if (again := statistic([units[i] for i in drawn])) is not None:
            found.append(again)
    tail = (1 - LEVEL) / 2
    low, high = map(float, np.quantile(found, [tail, 1 - tail]))
    if biased:
        low, high = max(0.0, 2 * value - high), max(0.0, 2 * value - low)
    return Estimate(value, low, high, len(units))


@dataclass(frozen=True, slots=True)
class Difference:
    """`difference` is after minus before, `low` to `high` its 95 % interval (percentiles of the
    resamples). A number is None if it cannot be computed.

    `error` is the standard error, the standard deviation of the resamples. `p` is the two-sided
    p-value of no difference: twice the share of resamples on the other side of zero, with one added
    to both counts, so that it is never 0 (Davison and Hinkley 1997, "Bootstrap methods and their
    application", chapter 4). So few resamples are on the other side where few questions differ that
    a bootstrap is too sure: p is never below 2^(1 - d) for d questions that differ, the least that
    an exact test by signs can have.
    """

    before: float | None
    after: float | None
    difference: float | None
    low: float | None
    high: float | None
    error: float | None = None
    p: float | None = None


def compare(
    before: Units, after: Units, *, seed: int = 0, resamples: int = RESAMPLES
) -> dict[str, Difference]:
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
    for start in range(0, resamples, _CHUNK):
        size = min(_CHUNK, resamples - start)
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
            known = of[~np.isnan(of)]
            low, high = np.percentile(known, [2.5, 97.5])
            differing = int(np.count_nonzero((own[:2] != own[2:]).any(axis=0)))
            found[metric] = Difference(
                first, second, change, float(low), float(high), float(known.std()),
                _p_value(known, differing),
            )  # fmt: skip
    return found


def _p_value(drawn: Any, differing: int) -> float:
    sides = (drawn <= _EQUAL).sum(), (drawn >= -_EQUAL).sum()
    p = 2 * (int(min(sides)) + 1) / (len(drawn) + 1)
    return min(1.0, max(p, 2.0 ** (1 - differing)))


def holm(p_values: Sequence[float]) -> list[float]:
    """The p-values after Holm's correction for all of them, in the same order. Those of at most
    0.05 are significant, with a probability of at most 0.05 that any of them is so by chance."""
    found = [1.0] * len(p_values)
    largest = 0.0
    for rank, i in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        largest = max(largest, (len(p_values) - rank) * p_values[i])
        found[i] = min(1.0, largest)
    return found


def detectable(error: float) -> float:
    """The smallest true difference that a test at the level 0.05 finds with a probability of 80 %,
    where a difference has this standard error: (1.96 + 0.84) * error (Bloom 1995, "Minimum
    detectable effects"). It is that of one comparison, without a correction for several."""
    return (Z + NormalDist().inv_cdf(POWER)) * error


def _differences(sums: Any) -> Any:
    """(metric, 4, resample) -> (metric, resample); NaN if no question of a group was drawn."""
    import numpy as np

    with np.errstate(invalid="ignore", divide="ignore"):
        return sums[:, 2] / sums[:, 3] - sums[:, 0] / sums[:, 1]


def _ratio(part: float, whole: float) -> float | None:
    return float(part / whole) if whole else None
