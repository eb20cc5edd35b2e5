"""Processes of one machine that train one model, each with a row of the same memory.

Through it, averaging the gradients costs little; through the sockets of `torch.distributed` it
took a fifth of all time.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from threading import Barrier

import torch
import torch.multiprocessing
from torch import Tensor, nn


@dataclass(frozen=True, slots=True)
class Member:
    """One process. `rows[processes, numbers]` are the same memory for all, the row of its `rank` is
    its own."""

    rank: int
    rows: Tensor
    barrier: Barrier

    @property
    def own(self) -> Tensor:
        return self.rows[self.rank]

    @torch.no_grad()
    def broadcast(self, parameters: Iterable[nn.Parameter]) -> None:
        """All start from the first one's weights; the rows are used up."""
        parameters = list(parameters)
        if self.rank == 0:
            self.own[:-1] = nn.utils.parameters_to_vector(parameters)
        self.wait()
        nn.utils.vector_to_parameters(self.rows[0, :-1].clone(), parameters)
        self.wait()
        self.own.zero_()

    def to(self, device: str) -> Member:
        """A member with its rows there; on another device than these, nobody shares them."""
        return replace(self, rows=self.rows.to(device))

    def bind_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """From now on the gradients are parts of the own row, from its start."""
        offset = 0
        for parameter in parameters:
            part = self.own[offset : offset + parameter.numel()]
            parameter.grad = part.view_as(parameter)
            offset += parameter.numel()

    def average(self, clock: float) -> float:
        """Every row becomes the mean of all; the mean clock, by which all stop together."""
        if len(self.rows) == 1:
            return clock
        self.own[-1] = clock
        self.wait()
        part = self.rows.tensor_split(len(self.rows), dim=1)[self.rank]
        part.copy_(part.mean(0).expand_as(part))
        self.wait()
        return float(self.own[-1])

    def spread(self, own: Tensor) -> None:
        """This part of the own row, to the same place of all others."""
        start = own.storage_offset() - self.own.storage_offset()
        for rank, row in enumerate(self.rows):
            if rank != self.rank:
                row[start : start + own.numel()] = own.flatten()

    def wait(self) -> None:
        """Wait until all are here."""
        self.barrier.wait()


def make_members(processes: int, numbers: int) -> list[Member]:
    """Members with a row of so many numbers each, to be passed to spawned processes."""
    rows = torch.zeros(processes, numbers).share_memory_()
    barrier = torch.multiprocessing.get_context("spawn").Barrier(processes)
    return [Member(rank, rows, barrier) for rank in range(processes)]
