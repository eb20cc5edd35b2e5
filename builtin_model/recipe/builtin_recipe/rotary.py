"""Rotary positions with chosen frequencies: eight pairs rotate, the others know no position.

A head that compares content then does so without noise from the distance. GGUF takes the
frequencies as `rope_freqs.weight`, the divisors of the usual ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

FREQUENCIES = (2.022, 1.146, 0.753, 0.526, 0.243, 0.1, 0.03, 0.01)
"""Radians a token, of the first pairs of each head."""

BASE = 10000.0
"""Base of the usual frequencies, which llama.cpp divides."""

_STILL = 1e12
"""Divisor of a pair that does not rotate."""


def angles(head_size: int) -> Tensor:
    """Radians a token of every pair."""
    still = head_size // 2 - len(FREQUENCIES)
    return torch.tensor([*FREQUENCIES, *([0.0] * still)])


def divisors(head_size: int) -> Tensor:
    """The usual frequencies divided by the chosen ones."""
    chosen = angles(head_size).double()
    usual = BASE ** (-torch.arange(0, head_size, 2).double() / head_size)
    return torch.where(chosen > 0, usual / chosen.clamp(min=1e-12), _STILL).float()


class _Rotate(torch.autograd.Function):
    """x cos + turned(x) sin, where `turn` maps a pair (a, b) to (-b, a)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, cosine: Tensor, sine: Tensor, turn: Tensor) -> Tensor:
        ctx.save_for_backward(cosine, sine, turn)
        return torch.addcmul(x * cosine, x @ turn, sine)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None]:
        cosine, sine, turn = ctx.saved_tensors
        return gradient * cosine + (gradient * sine) @ turn.t(), None, None, None


@dataclass(frozen=True, slots=True)
class Rotation:
    """Of the first positions of a text; called on x[batch, time, head, size]."""

    cosine: Tensor
    sine: Tensor
    turn: Tensor

    def __call__(self, x: Tensor) -> Tensor:
        return _Rotate.apply(x, self.cosine, self.sine, self.turn)


class RotaryTable(nn.Module):
    """Cosines and sines of all positions of a context; nothing of it is saved."""

    cosine: Tensor
    sine: Tensor
    turn: Tensor

    def __init__(self, context: int, head_size: int) -> None:
        super().__init__()
        angle = torch.arange(context).float()[:, None] * angles(head_size)
        angle = angle.repeat_interleave(2, dim=1)[:, None]
        turn = torch.zeros(head_size, head_size)
        even = torch.arange(0, head_size, 2)
        turn[even + 1, even] = -1
        turn[even, even + 1] = 1
        self.register_buffer("cosine", torch.cos(angle), persistent=False)
        self.register_buffer("sine", torch.sin(angle), persistent=False)
        self.register_buffer("turn", turn, persistent=False)

    def forward(self, positions: int, dtype: torch.dtype) -> Rotation:
        """Of the first positions, in the type of the activations."""
        cosine, sine = self.cosine[:positions], self.sine[:positions]
        return Rotation(cosine.to(dtype), sine.to(dtype), self.turn.to(dtype))
