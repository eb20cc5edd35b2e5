"""The optimiser for matrices steps as PyTorch's does."""

from __future__ import annotations

from threading import Barrier, Thread

import pytest
import torch

from builtin_recipe.muon import Muon, orthogonal
from builtin_recipe.processes import Member


@pytest.mark.parametrize("shape", [(24, 40), (40, 24), (32, 32)])
def test_a_few_steps_end_where_those_of_pytorch_end(shape):
    torch.manual_seed(0)
    start = torch.randn(shape)
    ours, theirs = (torch.nn.Parameter(start.clone()) for _ in range(2))
    mine = Muon([ours], lr=0.1)
    reference = torch.optim.Muon(
        [theirs], lr=0.1, weight_decay=0.0, momentum=0.95, adjust_lr_fn="match_rms_adamw"
    )
    for _ in range(5):
        gradient = torch.randn(shape)
        for parameter, optimizer in ((ours, mine), (theirs, reference)):
            parameter.grad = gradient.clone()
            optimizer.step()
    moved = (theirs - start).norm()
    assert moved > 0.3
    assert (ours - theirs).norm() < 0.03 * moved


def test_singular_values_become_about_one():
    torch.manual_seed(0)
    values = torch.linalg.svdvals(orthogonal(torch.randn(1, 20, 50)))
    assert values.min() > 0.6
    assert values.max() < 1.3


@pytest.mark.parametrize("count", [1, 2])
def test_processes_step_as_one_process_with_their_mean_gradient(count):
    torch.manual_seed(0)
    starts = [torch.randn(12, 20), torch.randn(20, 8)]
    gradients = [[torch.randn_like(start) for start in starts] for _ in range(count)]
    alone = [torch.nn.Parameter(start.clone()) for start in starts]
    for parameter, *own in zip(alone, *gradients, strict=True):
        parameter.grad = torch.stack(own).mean(0)
    Muon(alone, lr=0.1).step()

    rows = torch.zeros(count, 1 + sum(start.numel() for start in starts))
    barrier = Barrier(count)
    copies = [[torch.nn.Parameter(start + rank) for start in starts] for rank in range(count)]

    def work(rank: int) -> None:
        member = Member(rank, rows, barrier)
        member.broadcast(copies[rank])
        member.bind_gradients(copies[rank])
        for parameter, gradient in zip(copies[rank], gradients[rank], strict=True):
            parameter.grad.copy_(gradient)
        member.average(0.0)
        Muon(copies[rank], lr=0.1, member=member).step()

    threads = [Thread(target=work, args=(rank,)) for rank in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for parameters in copies:
        assert all(torch.allclose(a, b, atol=1e-6) for a, b in zip(alone, parameters, strict=True))
