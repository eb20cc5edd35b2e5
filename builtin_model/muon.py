"""Muon (Jordan et al., 2024): momentum whose matrices are made nearly orthogonal before a step.

The optimiser of this name in PyTorch always works in bfloat16, which a processor without
instructions for it does more than ten times as slowly as float32.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, distributed

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

    Processes of `torch.distributed` with the same gradients share the work: each makes the steps
    of some matrices, and all get all.
    """

    def __init__(
        self,
        matrices: Iterable[Tensor],
        lr: float,
        momentum: float = 0.95,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__(matrices, {"lr": lr, "momentum": momentum})
        self._dtype = dtype

    @torch.no_grad()
    def step(self) -> None:
        for group in self.param_groups:
            rate, momentum = group["lr"], group["momentum"]
            matrices = [matrix for matrix in group["params"] if matrix.grad is not None]
            for matrix, direction in zip(
                matrices, self._directions(matrices, momentum), strict=True
            ):
                size = 0.2 * max(matrix.shape) ** 0.5
                matrix.add_(direction, alpha=-rate * size)

    def _directions(self, matrices: Sequence[Tensor], momentum: float) -> list[Tensor]:
        parted = distributed.is_initialized()
        rank = distributed.get_rank() if parted else 0
        processes = distributed.get_world_size() if parted else 1
        flat = torch.zeros(sum(matrix.numel() for matrix in matrices))
        parts = flat.split([matrix.numel() for matrix in matrices])
        for number, (matrix, part) in enumerate(zip(matrices, parts, strict=True)):
            if number % processes == rank:
                mean = self.state[matrix].setdefault("mean", torch.zeros_like(matrix))
                mean.lerp_(matrix.grad, 1 - momentum)
                direction = orthogonal(matrix.grad.lerp(mean, momentum).to(self._dtype))
                part.copy_(direction.flatten())
        if parted:
            distributed.all_reduce(flat)
        return [part.view_as(matrix) for matrix, part in zip(matrices, parts, strict=True)]


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
