"""What an engine's steps take: a fixed time, and one for each token that is read or written.

Fitted to the steps so far (least squares). What these do not tell apart, such as a batch that was
always full, is divided as on machines that were measured.
"""

from __future__ import annotations

import numpy as np

from sysgen_local.engine.request import Costs

CPU_COSTS = Costs(fixed=2.0, read=0.2, written=1.0)
"""Relative costs, as found on two cores."""

GPU_COSTS = Costs(fixed=40.0, read=0.1, written=1.0)
"""A GPU's step hardly grows with the rows in it."""

PRIOR_STEPS = 0.3
"""How many steps what is known of other machines is worth: a step's time is off by some tenths of
it, those relations by about as much as they are."""


class StepCosts:
    """Adds up steps; `costs` is what follows from them."""

    def __init__(self, prior: Costs) -> None:
        self._prior = np.array(prior)
        self._products = np.zeros((3, 3))
        self._weighted_seconds = np.zeros(3)
        self._seconds = 0.0
        self.steps = 0
        self.prefill_tokens = 0
        self.generated_tokens = 0

    def add(self, prefill_tokens: int, generated_tokens: int, seconds: float) -> None:
        """A step with so many tokens of prompts and of answers."""
        step = np.array((1.0, prefill_tokens, generated_tokens))
        self._products += np.outer(step, step)
        self._weighted_seconds += step * seconds
        self._seconds += seconds
        self.steps += 1
        self.prefill_tokens += prefill_tokens
        self.generated_tokens += generated_tokens

    @property
    def costs(self) -> Costs | None:
        """Seconds of a step and of a token; None before the first step."""
        seconds, steps = self._seconds, self.steps
        if not seconds:
            return None
        done = np.array((steps, self.prefill_tokens, self.generated_tokens))
        prior = self._prior * (seconds / (self._prior @ done))
        doubt = PRIOR_STEPS * (seconds / steps) ** 2
        products = self._products + np.diag(doubt / prior**2)
        found = np.linalg.solve(products, self._weighted_seconds + doubt / prior)
        return Costs(*np.maximum(found, prior / 20).tolist())
