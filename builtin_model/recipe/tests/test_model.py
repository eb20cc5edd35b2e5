"""The loss the model learns by."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from builtin_recipe.model import Config, Model

SMALL = Config(vocabulary=12, width=64, heads=1, feed_forward=64)


@torch.no_grad()
def test_a_token_with_a_margin_has_to_win_by_it():
    torch.manual_seed(0)
    model = Model(SMALL)
    ids, margins = torch.tensor([[3, 7, 5, 9]]), torch.zeros(SMALL.vocabulary)
    asked = torch.tensor([[0.0, 1.0, 2.0, 0.0]])
    margins[5] = 3.0
    plain = model.predict(ids, asked, torch.zeros(SMALL.vocabulary))
    firm = model.predict(ids, asked, margins)
    logits = model(ids)[0]
    lowered = logits[1].clone()
    lowered[5] -= 3.0
    now, before = (functional.cross_entropy(at, ids[0, 2]) for at in (lowered, logits[1]))
    more = float(now - before)
    assert more > 1
    assert float(firm.loss - plain.loss) == pytest.approx(more / 3, abs=1e-5)
    assert torch.equal(firm.hits, plain.hits)
