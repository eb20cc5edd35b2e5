"""Muon (Jordan et al., 2024): momentum whose matrices are made nearly orthogonal before a step.

The optimiser of this name in PyTorch always works in bfloat16, which a processor without
instructions for it does more than ten times as slowly as float32.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

import torch
from torch import Tensor, nn

from builtin_recipe.processes import Member

_QUINTIC = (3.4445, -4.775, 2.0315)
"""Coefficients of x, x^3 and x^5, which drive singular values to about 1 (from the same source)."""

_ROUNDS = 5
_TINY = 1e-7


def fast_type(device: str = "cpu") -> torch.dtype:
    """The type in which this device multiplies matrices fastest, of those that are exact enough."""
    if device != "cpu":
        return torch.float32
    wide = torch.backends.cpu.get_cpu_capability().startswith("AVX512")
    return torch.bfloat16 if wide else torch.float32


class Muon(torch.optim.Optimizer):
    """For matrices only. The step's size is that of AdamW at the same rate (Liu et al., 2025).
    Matrices of one shape are worked on together, since a GPU is done with one of them before the
    next has been asked for.

    Processes with the same gradients share the work: each makes the steps of some matrices,
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

    def _turn_gradients(self, matrices: list[nn.Parameter], momentum: float) -> None:
        """Into the directions of the steps."""
        member = self._member
        if member:
            member.wait()  # nobody works on the own gradients any more
            matrices = matrices[member.rank :: len(member.rows)]
        for group in _by_shape(matrices):
            gradients = torch.stack([matrix.grad for matrix in group])
            mean = self.state[group[0]].setdefault("mean", torch.zeros_like(gradients))
            mean.lerp_(gradients, 1 - momentum)
            steps = orthogonal(gradients.lerp(mean, momentum).to(self._dtype))
            for matrix, step in zip(group, steps, strict=True):
                matrix.grad.copy_(step)
                if member:
                    member.spread(matrix.grad)
        if member:
            member.wait()


def _by_shape(matrices: list[nn.Parameter]) -> Iterable[list[nn.Parameter]]:
    groups = defaultdict(list)
    for matrix in matrices:
        groups[matrix.shape].append(matrix)
    return groups.values()


def orthogonal(matrices: Tensor) -> Tensor:
    """Nearly the orthogonal matrices closest to matrices[count, rows, columns], by Newton-Schulz
    rounds."""
    tall = matrices.size(1) > matrices.size(2)
    x = matrices.mT if tall else matrices
    x = x / x.norm(dim=(1, 2), keepdim=True).clamp(min=_TINY)
    a, b, c = _QUINTIC
    for _ in range(_ROUNDS):
        square = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(square, square, square, beta=b, alpha=c), x, beta=a)
    return x.mT if tall else x
