"""Muon (Jordan et al., 2024): momentum whose matrices are made nearly orthogonal before a step.

The optimiser of this name in PyTorch always works in bfloat16, which a processor without
instructions for it does more than ten times as slowly as float32.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from builtin_model.team import Member

_QUINTIC = (3.4445, -4.775, 2.0315)
"""Coefficients of x, x^3 and x^5, which drive singular values to about 1 (from the same source)."""

_ROUNDS = 5
_TINY = 1e-7


def fast_type() -> torch.dtype:
    """The type in which this processor multiplies matrices fastest."""
    wide = torch.backends.cpu.get_cpu_capability().startswith("AVX512")
    return torch.bfloat16 if wide else torch.float32


class Muon(torch.optim.Optimizer):
    """For matrices only. The step's size is that of AdamW at the same rate (Liu et al., 2025).

    Members of a team with the same gradients share the work: each makes the steps of some matrices,
    and all get all. The gradients are used up.
    """

    def __init__(
        self,
        matrices: Iterable[Tensor],
        lr: float,
        momentum: float = 0.95,
        dtype: torch.dtype = torch.float32,
        member: Member | None = None,
    ) -> None:
        super().__init__(matrices, {"lr": lr, "momentum": momentum})
        self._dtype = dtype
        self._member = member

    @torch.no_grad()
    def step(self) -> None:
        for group in self.param_groups:
            matrices = group["params"]
            self._turn_gradients(matrices, group["momentum"])
            for matrix in matrices:
                size = 0.2 * max(matrix.shape) ** 0.5
                matrix.add_(matrix.grad, alpha=-group["lr"] * size)

    def _turn_gradients(self, matrices: list[Tensor], momentum: float) -> None:
        """Into the directions of the steps."""
        member = self._member
        if member:
            member.meet()  # nobody works on the own gradients any more
        for number, matrix in enumerate(matrices):
            if member and number % len(member.rows) != member.rank:
                continue
            gradient = matrix.grad
            mean = self.state[matrix].setdefault("mean", torch.zeros_like(matrix))
            mean.lerp_(gradient, 1 - momentum)
            gradient.copy_(orthogonal(gradient.lerp(mean, momentum).to(self._dtype)))
            if member:
                member.spread(gradient)
        if member:
            member.meet()


def orthogonal(matrix: Tensor) -> Tensor:
    """Nearly the orthogonal matrix closest to this one, by Newton-Schulz rounds."""
    tall = matrix.size(0) > matrix.size(1)
    x = matrix.t() if tall else matrix
    x = x / x.norm().clamp(min=_TINY)
    a, b, c = _QUINTIC
    for _ in range(_ROUNDS):
        square = x @ x.t()
        x = a * x + (b * square + c * square @ square) @ x
    return x.t() if tall else x
