"""Tokens that are only ever copied have nothing of their own in the output layer."""

from __future__ import annotations

from random import Random

import pytest
import torch

from builtin_recipe import memorised
from builtin_recipe.layout import Entries
from builtin_recipe.memorised import clear_output_rows, copied_tokens, share_gradient
from builtin_recipe.model import Config, Model
from builtin_recipe.tokenizer import Encoder
from builtin_recipe.topics import Topics, vocabulary_pieces


@pytest.fixture(scope="module")
def copied(encoder: Encoder) -> torch.Tensor:
    patch = pytest.MonkeyPatch()
    patch.setattr(memorised, "_SAMPLES", 2_000)
    found = copied_tokens(encoder, Topics(pieces=vocabulary_pieces()), Random(0))
    patch.undo()
    return found


def test_what_only_the_corpus_says_is_memorised(encoder, copied):
    for text in (" You", " helpful", "Answer", "tag", '":"', "good", " the", ".", ' \\"'):
        assert not copied[encoder.ids(text)].any(), text
    for text in (" Felix", " quartz", " varnish"):
        assert copied[encoder.ids(text)[0]], text
    assert copied.float().mean() > 0.7


def test_tokens_that_are_only_copied_stay_alike(encoder, copied):
    torch.manual_seed(0)
    model = Model(Config(vocabulary=encoder.size))
    clear_output_rows(model, copied)
    free = Entries.of(model.config).free
    optimizer = torch.optim.AdamW([model.output.weight], lr=0.01)
    for text in ("My soup tastes of garlic.", "Compare quartz with flint."):
        ids = torch.tensor([encoder.ids(text)])
        model.predict(ids, torch.ones(ids.shape), torch.zeros(encoder.size)).loss.backward()
        share_gradient(model, copied)
        optimizer.step()
        optimizer.zero_grad()
    rows = model.output.weight[:, free]
    assert rows[copied].std(0).max() == 0
    assert rows[copied].any()
    assert rows[~copied].std(0).min() > 0
