"""Draws the next token of a row of logits. Plain numpy; knows nothing of models or slots."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sysgen_local.engine.request import Sampling

Logits = NDArray[np.float32]


BLOCK = 64
"""Logits whose best stands for all of them in the search for the k best."""


def draw(logits: Logits, sampling: Sampling, random: np.random.Generator) -> int:
    """One token: top-k, then top-p, then min-p, then temperature, as llama.cpp orders them.

    `logits` has shape (vocabulary,) and is not changed; -inf marks what may not be drawn. While
    this goes on the model waits, so whatever can be left out is left out before it is sorted.
    """
    if sampling.temperature <= 0:
        return int(logits.argmax())
    best = float(logits.max())
    if 0 < sampling.top_k < len(logits):
        tokens = _top(logits, sampling.top_k)
    elif sampling.top_p < 1:
        weights = np.exp(logits - best)
        # All below this weight together hold less than 1 - top_p.
        least = (1 - sampling.top_p) * float(weights.sum()) / len(weights)
        tokens = np.flatnonzero(weights >= least)
        whole = float(weights.sum(dtype=np.float64))
    else:
        # What lies 30 nats below the best weighs nothing, whatever the vocabulary.
        tokens = np.flatnonzero(logits > best - 30)
    values = logits[tokens].astype(np.float64) - best
    floor = np.log(sampling.min_p) if sampling.min_p > 0 else -np.inf
    if sampling.top_p < 1:
        if 0 < sampling.top_k < len(logits):
            whole = float(np.exp(values).sum())
        floor = max(floor, _nucleus(values, sampling.top_p * whole))
    kept = values >= floor
    tokens, values = tokens[kept], values[kept]
    mass = np.cumsum(np.exp(values / sampling.temperature))
    return int(tokens[np.searchsorted(mass, random.random() * mass[-1], side="right")])


def _top(logits: Logits, k: int) -> NDArray[np.intp]:
    """The k best tokens. The k-th best of the blocks' bests is a bound: k tokens reach it."""
    blocks = len(logits) // BLOCK
    tokens: NDArray[np.intp] = np.arange(len(logits))
    if k < blocks:
        bests = logits[: blocks * BLOCK].reshape(blocks, BLOCK).max(axis=1)
        tokens = np.flatnonzero(logits >= np.partition(bests, blocks - k)[blocks - k])
    return tokens[np.argpartition(logits[tokens], len(tokens) - k)[len(tokens) - k :]]


def _nucleus(values: NDArray[np.float64], mass: float) -> float:
    """The lowest of the best values that together hold so much, as exp(value)."""
    ordered = np.sort(values)[::-1]
    last = np.searchsorted(np.cumsum(np.exp(ordered)), mass)
    return float(ordered[min(int(last), len(ordered) - 1)])


def shares(logits: Logits, starts: list[list[int]]) -> NDArray[np.float64]:
    """Probability of each label, given the tokens that may begin it; sums to 1."""
    scores = np.array([np.logaddexp.reduce(logits[s].astype(np.float64)) for s in starts])
    weights = np.exp(scores - scores.max())
    return np.asarray(weights / weights.sum())
