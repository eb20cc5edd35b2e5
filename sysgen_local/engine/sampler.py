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
    k = sampling.top_k if 0 < sampling.top_k < n else n
    if k == n and (sampling.top_p < 1 or sampling.min_p > 0):
        # What lies 30 nats below the best has no weight in any nucleus; sorting it costs.
        candidates = np.flatnonzero(logits > logits.max() - 30)
    elif k < n:
        candidates = np.argpartition(logits, n - k)[n - k :]
    else:
        candidates = np.arange(n)
    values = logits[candidates].astype(np.float64)
    order = np.argsort(-values, kind="stable")
    candidates, values = candidates[order], values[order]
    weights = np.exp(values - values[0])
    keep = len(weights)
    if sampling.top_p < 1:
        mass = np.cumsum(weights)
        keep = int(np.searchsorted(mass, sampling.top_p * mass[-1])) + 1
    if sampling.min_p > 0:
        keep = min(keep, int(np.count_nonzero(weights >= sampling.min_p)))
    tempered = np.exp((values[:keep] - values[0]) / sampling.temperature)
    mass = np.cumsum(tempered)
    return int(candidates[np.searchsorted(mass, random.random() * mass[-1], side="right")])


def shares(logits: Logits, starts: list[list[int]]) -> NDArray[np.float64]:
    """Probability of each label, given the tokens that may begin it; sums to 1."""
    scores = np.array([np.logaddexp.reduce(logits[s].astype(np.float64)) for s in starts])
    weights = np.exp(scores - scores.max())
    return np.asarray(weights / weights.sum())
