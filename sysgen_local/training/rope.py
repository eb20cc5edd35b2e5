"""Rotary embeddings whose frequencies are scaled, as in Llama 3.1 and later.

A config of transformers has the parameters of the scaling, a GGUF has a tensor `rope_freqs.weight`
with what each frequency is divided by.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

TENSOR = "rope_freqs.weight"

_FACTORS = (8.0, 32.0)
"""Of Llama 3.1 and 3.2."""
_LOW, _HIGH, _CONTEXT = 1.0, 4.0, 8192
"""The other parameters, which are the same in both."""


def llama3_divisors(theta: float, head: int, rope: Mapping[str, Any]) -> NDArray[np.float32]:
    """What each frequency is divided by, shape (head / 2,): long wavelengths by `factor`, short
    ones by 1, and those between them by something between (as in transformers'
    `_compute_llama3_parameters`)."""
    factor, original = float(rope["factor"]), float(rope["original_max_position_embeddings"])
    low, high = float(rope["low_freq_factor"]), float(rope["high_freq_factor"])
    wavelengths = 2 * math.pi * theta ** (np.arange(0, head, 2) / head)
    smooth = np.clip((original / wavelengths - low) / (high - low), 0, 1)
    return np.asarray(1 / ((1 - smooth) / factor + smooth), np.float32)


def parameters(divisors: NDArray[np.float32], theta: float, context: int) -> dict[str, Any]:
    """The parameters of transformers that give these divisors, so that its config has them when a
    trained model is saved: those of a Llama, or a list of all of them, which it knows as
    `longrope`. `context` is the model's in tokens."""
    for factor in _FACTORS:
        found = {
            "rope_type": "llama3",
            "rope_theta": theta,
            "factor": factor,
            "low_freq_factor": _LOW,
            "high_freq_factor": _HIGH,
            "original_max_position_embeddings": _CONTEXT,
        }
        if np.allclose(llama3_divisors(theta, 2 * len(divisors), found), divisors, rtol=1e-3):
            return found
    factors = [float(of) for of in divisors]
    return {
        "rope_type": "longrope",
        "rope_theta": theta,
        "short_factor": factors,
        "long_factor": factors,
        "attention_factor": 1.0,
        "original_max_position_embeddings": context,
    }


def listed_divisors(rope: Mapping[str, Any]) -> NDArray[np.float32] | None:
    """The divisors of the type `longrope`; None where long texts have others than short ones, or
    attention is scaled too."""
    listed = rope.get("short_factor")
    if not listed or listed != rope.get("long_factor") or rope.get("attention_factor") != 1.0:
        return None
    return np.asarray(listed, np.float32)
