"""Estimates what a step of the engine costs: a fixed time, and a time per token.

What: least squares over all steps so far, with three unknowns: seconds of a step, of a token that
is prefilled, and of a token that is generated.
Why: the forecast of the time left needs these costs, and they differ between machines.
Steps that are all alike (a batch that is always full) do not determine three unknowns. A prior
with the ratios of measured machines fills the gap; it counts as much as PRIOR_STEPS steps.
"""

from __future__ import annotations

import numpy as np

from sysgen_local.engine.request import Costs

CPU_COSTS = Costs(fixed=2.0, read=0.2, written=1.0)
"""Ratios of the costs on a CPU, measured on two cores."""

GPU_COSTS = Costs(fixed=40.0, read=0.1, written=1.0)
"""Ratios on a GPU: the time of a step hardly grows with the sequences in it."""

PRIOR_STEPS = 0.3
"""How many steps the prior counts for. The time of a step deviates by some tenths of itself, and
the ratios of another machine by about as much as they are."""


class StepCosts:
    """Sums over all steps, from which the costs follow.

    steps, prefill_tokens, generated_tokens: how many there were.
    """

    def __init__(self, prior: Costs) -> None:
        """`prior`: the ratios of the costs on machines of this kind."""
        self._prior = np.array(prior)
        self._products = np.zeros((3, 3))
        self._weighted_seconds = np.zeros(3)
        self._seconds = 0.0
        self.steps = 0
        self.prefill_tokens = 0
        self.generated_tokens = 0

    def add(self, prefill_tokens: int, generated_tokens: int, seconds: float) -> None:
        """Adds a step that decoded so many tokens of prompts and of answers."""
        step = np.array((1.0, prefill_tokens, generated_tokens))
        self._products += np.outer(step, step)
        self._weighted_seconds += step * seconds
        self._seconds += seconds
        self.steps += 1
        self.prefill_tokens += prefill_tokens
        self.generated_tokens += generated_tokens

    @property
    def costs(self) -> Costs | None:
        """The costs in seconds; None before the first step."""
        seconds, steps = self._seconds, self.steps
        if not seconds:
            return None
        done = np.array((steps, self.prefill_tokens, self.generated_tokens))
        prior = self._prior * (seconds / (self._prior @ done))
        doubt = PRIOR_STEPS * (seconds / steps) ** 2
        products = self._products + np.diag(doubt / prior**2)
        found = np.linalg.solve(products, self._weighted_seconds + doubt / prior)
        return Costs(*np.maximum(found, prior / 20).tolist())
