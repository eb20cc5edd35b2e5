"""Samples the next token from a row of logits, in numpy.

What: top-k, top-p, min-p and temperature in llama.cpp's order. The number line of the draw begins
with the most probable token. If an upper bound on the mass of all other tokens already shows that
the draw falls on the most probable one, that token is returned without computing the filters.
The bound: a large row is seen as a table of TABLE_ROWS rows. One pass gives the maximum of each
column, and TABLE_ROWS times its exponential bounds the mass of that column.
Why it is exact: the filters only remove tokens, so the mass that they leave is below the bound.
Measured with 151,936 tokens: a sampled row takes 53 us instead of 796, of which some 17 are the
pass over its logits. A draw that the bound does not decide takes 150 to 1,700 us, as before.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sysgen_local.engine.request import Sampling

Logits = NDArray[np.float32]
"""A row of logits, shape (vocabulary,)."""

MOST_CANDIDATES = 64
"""So many of the most probable tokens are picked by the device, where it does (`candidates`)."""


class Candidates(NamedTuple):
    """The most probable tokens of a row of logits: ids in ascending order, and the logits of
    these."""

    tokens: NDArray[np.int32]
    logits: Logits


AnyLogits = Logits | Candidates
"""What a step gives for a sequence: the whole row of logits, or what the device chose of it."""


def is_finite(row: AnyLogits) -> bool:
    """Whether the model computed numbers. Where one is none, all are."""
    logits = row.logits if isinstance(row, Candidates) else row
    return not np.isnan(logits[0])


TABLE_ROWS = 64
"""Rows of the table that a large row of logits is seen as."""

MIN_TABLE_LOGITS = 16_384
"""A row with fewer logits is not seen as a table."""

EXACT_NATS = 12.0
"""Columns whose maximum is this far below the best logit (in units of the temperature) are only
bounded; the tokens of the others are summed one by one."""

MIN_BOUND_TEMPERATURE = 0.01
"""The bound is computed at this temperature or above. The mass grows with the temperature, so it
holds for lower ones too; dividing by those may leave the range of single precision."""

FLOAT32_MARGIN = 1 + 1e-5
"""Factor for the rounding errors of sums in single precision."""


def sample(logits: Logits, sampling: Sampling, random: np.random.Generator) -> int:
    """One token: top-k, then top-p, then min-p, then temperature.

    `logits` is not changed; -inf marks tokens that must not be sampled.
    """
    temperature = sampling.temperature
    if temperature <= 0:
        return int(logits.argmax())
    point = random.random()
    row = _BoundedLogits(logits)
    if point * row.mass_bound(max(temperature, MIN_BOUND_TEMPERATURE)) < 1:
        return row.best_token
    tokens, values = _candidates(row, sampling)
    weights = np.exp(values / temperature)
    weights[tokens == row.best_token] = 0
    mass = np.cumsum(weights)
    beyond = point * (1 + mass[-1]) - 1
    return int(tokens[np.searchsorted(mass, beyond, "right")]) if beyond >= 0 else row.best_token


def needs_only_candidates(sampling: Sampling) -> bool:
    """Whether `sample` can only return one of the MOST_CANDIDATES most probable tokens."""
    return sampling.temperature <= 0 or 0 < sampling.top_k <= MOST_CANDIDATES


def sample_candidate(
    candidates: Candidates, sampling: Sampling, random: np.random.Generator
) -> int:
    """The token that `sample` returns for the whole row, if the sampling needs only candidates."""
    return int(candidates.tokens[sample(candidates.logits, sampling, random)])


class _BoundedLogits:
    """A row of logits with its maximum, and bounds that need no look at every token."""

    __slots__ = ("_column_max", "_table", "_width", "best_token", "logits", "max_logit")

    def __init__(self, logits: Logits) -> None:
        size = len(logits)
        rows = TABLE_ROWS if size >= MIN_TABLE_LOGITS and size % TABLE_ROWS == 0 else 1
        self.logits = logits
        self._width = size // rows
        self._table = logits.reshape(rows, self._width)
        self._column_max = self._table.max(axis=0) if rows > 1 else logits
        column = int(self._column_max.argmax())
        self.max_logit = self._column_max[column]
        self.best_token = int(self._table[:, column].argmax()) * self._width + column

    def mass_bound(self, temperature: float) -> float:
        """An upper bound on the sum of all weights, where the best token's weight is 1. Infinite
        where too many columns are near the best for the bound to save time."""
        scaled = (self._column_max - self.max_logit) / temperature
        bounds = np.exp(scaled)
        rows = len(self._table)
        if rows == 1:
            return float(bounds.sum()) * FLOAT32_MARGIN
        near = np.flatnonzero(scaled > -EXACT_NATS)
        if len(near) * 16 > self._width:
            return np.inf
        bounds[near] = 0
        columns = np.exp((self._table[:, near] - self.max_logit) / temperature)
        return (rows * float(bounds.sum()) + float(columns.sum())) * FLOAT32_MARGIN

    def tokens_within(self, distance: float) -> NDArray[np.intp]:
        """The tokens at most `distance` nats below the best one, and perhaps some just below."""
        least = self.max_logit - (distance + 0.001)
        if len(self._table) > 1:
            columns = np.flatnonzero(self._column_max >= least)
            if len(columns) * 16 < self._width:
                row, column = np.nonzero(self._table[:, columns] >= least)
                return np.asarray(row * self._width + columns[column])
        return np.flatnonzero(self.logits >= least)

    def top_k_tokens(self, k: int) -> NDArray[np.intp]:
        """The k most probable tokens, the best one among them, in order of their ids. At least k
        tokens reach the k-th largest column maximum, so only those are compared."""
        width = len(self.logits) // TABLE_ROWS
        tokens: NDArray[np.intp] = np.arange(len(self.logits))
        if k < width:
            column_max = self._column_max
            if len(self._table) == 1:
                table = self.logits[: TABLE_ROWS * width].reshape(TABLE_ROWS, width)
                column_max = table.max(axis=0)
            kth = np.partition(column_max, width - k)[width - k]
            tokens = self.tokens_within(self.max_logit - kth)
        found = tokens[np.argpartition(self.logits[tokens], len(tokens) - k)[len(tokens) - k :]]
        if self.best_token not in found:  # more than k tokens have the largest logit
            found[0] = self.best_token
        return np.sort(found)


def _candidates(
    row: _BoundedLogits, sampling: Sampling
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """The tokens that pass the filters, and their logits relative to the best one. Tokens that
    cannot pass are left out before anything is sorted."""
    size = len(row.logits)
    floor = np.log(sampling.min_p) if sampling.min_p > 0 else -np.inf
    whole = 0.0
    if 0 < sampling.top_k <= size:
        tokens = row.top_k_tokens(sampling.top_k)
    else:
        if sampling.top_p < 1:
            whole = float(np.exp(row.logits - row.max_logit).sum())
            # All tokens below this weight together hold less than 1 - top_p.
            least = np.log((1 - sampling.top_p) * whole / size)
        else:
            # 30 nats below the best (at temperature 1) a token has no weight in any vocabulary.
            least = -30 * max(1, sampling.temperature)
        tokens = row.tokens_within(-max(least, floor))
    values = row.logits[tokens].astype(np.float64) - float(row.max_logit)
    if sampling.top_p < 1:
        whole = whole or float(np.exp(values).sum())
        floor = max(floor, _top_p_floor(values, sampling.top_p * whole))
    kept = values >= floor
    return tokens[kept], values[kept]


def _top_p_floor(values: NDArray[np.float64], mass: float) -> float:
    """The lowest of the best values whose exponentials together reach `mass`."""
    near_best = values[values > -EXACT_NATS / 2]
    if np.exp(near_best).sum() >= mass:
        values = near_best
    ordered = np.sort(values)[::-1]
    last = np.searchsorted(np.cumsum(np.exp(ordered)), mass)
    return float(ordered[min(int(last), len(ordered) - 1)])


def label_probabilities(logits: Logits, starts: list[list[int]]) -> NDArray[np.float64]:
    """The probability of each label, shape (labels,), summing to 1. `starts`: for each label the
    tokens that may begin it."""
    scores = np.array([np.logaddexp.reduce(logits[s].astype(np.float64)) for s in starts])
    weights = np.exp(scores - scores.max())
    return np.asarray(weights / weights.sum())
