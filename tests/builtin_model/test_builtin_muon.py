"""The optimiser for matrices steps as PyTorch's does. Needs the extra `builtin-model`."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from builtin_model.muon import Muon, orthogonal  # noqa: E402


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
    values = torch.linalg.svdvals(orthogonal(torch.randn(20, 50)))
    assert values.min() > 0.6
    assert values.max() < 1.3
