"""What an engine's steps take: a fixed time, and one for each token that is read or written.

Fitted to the steps so far (least squares). What these do not tell apart, such as a batch that was
always full, is divided as on machines that were measured.
"""

from __future__ import annotations

import numpy as np

from sysgen_local.engine.request import Costs

ON_CPU = Costs(fixed=2.0, read=0.2, written=1.0)
"""Relative costs, as found on two cores."""

ON_GPU = Costs(fixed=40.0, read=0.1, written=1.0)
"""A GPU's step hardly grows with the rows in it."""

TRUST = 0.3
"""How many steps what is known of other machines is worth: a step's time is off by some tenths of
it, those relations by about as much as they are."""


class StepTimes:
    """Adds up steps; `costs` is what follows from them."""

    def __init__(self, usual: Costs) -> None:
        self._usual = np.array(usual)
        self._products = np.zeros((3, 3))
        self._seen = np.zeros(3)
        self._seconds = 0.0
        self.steps = 0
        self.read = 0
        self.written = 0

    def add(self, read: int, written: int, seconds: float) -> None:
        """A step with so many tokens of prompts and of answers."""
        step = np.array((1.0, read, written))
        self._products += np.outer(step, step)
        self._seen += step * seconds
        self._seconds += seconds
        self.steps += 1
        self.read += read
        self.written += written

    @property
    def costs(self) -> Costs | None:
        """Seconds of a step and of a token; None before the first step."""
        seconds, steps = self._seconds, self.steps
        if not seconds:
            return None
        done = np.array((steps, self.read, self.written))
        usual = self._usual * (seconds / (self._usual @ done))
        doubt = TRUST * (seconds / steps) ** 2
        products = self._products + np.diag(doubt / usual**2)
        found = np.linalg.solve(products, self._seen + doubt / usual)
        return Costs(*np.maximum(found, usual / 20).tolist())
