"""Draws the next token of a row of logits. Plain numpy; knows nothing of models or slots."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sysgen_local.engine.request import Sampling

Logits = NDArray[np.float32]


def draw(logits: Logits, sampling: Sampling, random: np.random.Generator) -> int:
    """One token: top-k, then top-p, then min-p, then temperature, as llama.cpp orders them.

    `logits` has shape (vocabulary,) and is not changed; -inf marks what may not be drawn.
    """
    if sampling.temperature <= 0:
        return int(logits.argmax())
    n = len(logits)
    if 0 < sampling.top_k < n:
        tokens = np.argpartition(logits, n - sampling.top_k)[n - sampling.top_k :]
    else:
        # What lies 30 nats below the best weighs nothing, whatever the vocabulary.
        tokens = np.flatnonzero(logits > logits.max() - 30)
    values = logits[tokens].astype(np.float64)
    values -= values.max()
    floor = np.log(sampling.min_p) if sampling.min_p > 0 else -np.inf
    if sampling.top_p < 1:
        floor = max(floor, _nucleus(values, sampling.top_p))
    kept = values >= floor
    tokens, values = tokens[kept], values[kept]
    mass = np.cumsum(np.exp(values / sampling.temperature))
    return int(tokens[np.searchsorted(mass, random.random() * mass[-1], side="right")])


def _nucleus(values: NDArray[np.float64], top_p: float) -> float:
    """The lowest of the best values that together hold `top_p` of the mass."""
    weights = np.exp(values)
    # All below this weight together hold less than 1 - top_p: no need to sort them.
    able = np.sort(values[weights >= (1 - top_p) / len(weights)])[::-1]
    last = np.searchsorted(np.cumsum(np.exp(able)), top_p * weights.sum())
    return float(able[min(int(last), len(able) - 1)])


def shares(logits: Logits, starts: list[list[int]]) -> NDArray[np.float64]:
    """Probability of each label, given the tokens that may begin it; sums to 1."""
    scores = np.array([np.logaddexp.reduce(logits[s].astype(np.float64)) for s in starts])
    weights = np.exp(scores - scores.max())
    return np.asarray(weights / weights.sum())
