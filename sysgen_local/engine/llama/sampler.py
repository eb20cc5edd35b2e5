"""Draws the next token of a row of logits. Plain numpy; knows nothing of models or slots."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sysgen_local.engine.request import Sampling

Logits = NDArray[np.float32]


TABLE_ROWS = 64
"""A large row of logits is looked at as a table of so many rows: the best of each column, which
one pass gives, bounds what the column holds."""

MIN_TABLE_LOGITS = 16_384
"""Fewer logits are gone through themselves."""

EXACT_NATS = 12.0
"""Columns whose best is as many nats behind are bounded, not looked into."""

MIN_BOUND_TEMPERATURE = 0.01
"""A mass at a higher temperature is a larger one; at lower ones single precision ends."""

FLOAT32_MARGIN = 1 + 1e-5
"""What single precision may lack."""


def sample(logits: Logits, sampling: Sampling, random: np.random.Generator) -> int:
    """One token: top-k, then top-p, then min-p, then temperature, as llama.cpp orders them.

    `logits` has shape (vocabulary,) and is not changed; -inf marks what may not be drawn. While
    this goes on the model waits: the best token stands first in line, and where the mass of all
    the others could not push the draw past it, nobody asks which of them would have been kept.
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


class _BoundedLogits:
    """A row of logits, its best token, and what can be said without looking at all of it."""

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
        """What all tokens together do not exceed, where the best one's mass is 1."""
        column_max = (self._column_max - self.max_logit) / temperature
        bounds = np.exp(column_max)
        rows = len(self._table)
        if rows == 1:
            return float(bounds.sum()) * FLOAT32_MARGIN
        near = np.flatnonzero(column_max > -EXACT_NATS)
        if len(near) * 16 > self._width:
            return np.inf
        bounds[near] = 0
        columns = np.exp((self._table[:, near] - self.max_logit) / temperature)
        return (rows * float(bounds.sum()) + float(columns.sum())) * FLOAT32_MARGIN

    def tokens_within(self, distance: float) -> NDArray[np.intp]:
        """The tokens that are so far below the best at most, and perhaps some just below."""
        least = self.max_logit - (distance + 0.001)
        if len(self._table) > 1:
            columns = np.flatnonzero(self._column_max >= least)
            if len(columns) * 16 < self._width:
                row, column = np.nonzero(self._table[:, columns] >= least)
                return np.asarray(row * self._width + columns[column])
        return np.flatnonzero(self.logits >= least)

    def top_k_tokens(self, k: int) -> NDArray[np.intp]:
        """The k best tokens. The k-th best of the columns' bests is a bound: k tokens reach it."""
        width = len(self.logits) // TABLE_ROWS
        tokens: NDArray[np.intp] = np.arange(len(self.logits))
        if k < width:
            column_max = self._column_max
            if len(self._table) == 1:
                column_max = (
                    self.logits[: TABLE_ROWS * width].reshape(TABLE_ROWS, width).max(axis=0)
                )
            tokens = self.tokens_within(
                self.max_logit - np.partition(column_max, width - k)[width - k]
            )
        found = tokens[np.argpartition(self.logits[tokens], len(tokens) - k)[len(tokens) - k :]]
        if self.best_token not in found:  # one of more than k equals
            found[0] = self.best_token
        return np.sort(found)


def _candidates(
    row: _BoundedLogits, sampling: Sampling
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """The tokens that may be drawn, and how far below the best they are. What can be left out is
    left out before anything is sorted."""
    size = len(row.logits)
    floor = np.log(sampling.min_p) if sampling.min_p > 0 else -np.inf
    whole = 0.0
    if 0 < sampling.top_k < size:
        tokens = row.top_k_tokens(sampling.top_k)
    else:
        if sampling.top_p < 1:
            whole = float(np.exp(row.logits - row.max_logit).sum())
            # All below this weight together hold less than 1 - top_p.
            least = np.log((1 - sampling.top_p) * whole / size)
        else:
            # What lies 30 nats below the best weighs nothing, whatever the vocabulary.
            least = -30 * max(1, sampling.temperature)
        tokens = row.tokens_within(-max(least, floor))
    values = row.logits[tokens].astype(np.float64) - float(row.max_logit)
    if sampling.top_p < 1:
        whole = whole or float(np.exp(values).sum())
        floor = max(floor, _top_p_floor(values, sampling.top_p * whole))
    kept = values >= floor
    return tokens[kept], values[kept]


def _top_p_floor(values: NDArray[np.float64], mass: float) -> float:
    """The lowest of the best values that together hold so much, as exp(value)."""
    near_best = values[values > -EXACT_NATS / 2]
    if np.exp(near_best).sum() >= mass:
        values = near_best
    ordered = np.sort(values)[::-1]
    last = np.searchsorted(np.cumsum(np.exp(ordered)), mass)
    return float(ordered[min(int(last), len(ordered) - 1)])


def label_probabilities(logits: Logits, starts: list[list[int]]) -> NDArray[np.float64]:
    """Probability of each label, given the tokens that may begin it; sums to 1."""
    scores = np.array([np.logaddexp.reduce(logits[s].astype(np.float64)) for s in starts])
    weights = np.exp(scores - scores.max())
    return np.asarray(weights / weights.sum())
