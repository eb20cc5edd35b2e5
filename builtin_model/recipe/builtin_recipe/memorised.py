"""Which tokens the model has to memorise; all others it only ever copies.

Of ten thousand tokens, some fifteen hundred come up in answers without having stood in what was
asked. Each of the others is seen too seldom to learn when it may be said, and one of them came up
now and then where it stood nowhere. They share what training learns of the output layer, so that
only codes and forms tell them apart (`copying.py`): of themselves, none can be said.
"""

from __future__ import annotations

from collections import Counter
from random import Random

import torch
from torch import Tensor

from builtin_recipe.layout import Entries
from builtin_recipe.model import Model
from builtin_recipe.tasks import draw
from builtin_recipe.tokenizer import Encoder
from builtin_recipe.topics import Topics

_SAMPLES = 20_000
_OFTEN = 5
"""How many answers have a token that is memorised: fewer are chance."""


def copied_tokens(encoder: Encoder, topics: Topics, rng: Random) -> Tensor:
    """The tokens that are only ever copied: truth values [vocabulary]."""
    variants = [_but_for_form(text) for text in encoder.texts]
    marks = {encoder.phrase, encoder.tag, *encoder.asking, *encoder.answering}
    new: Counter[int] = Counter()
    for _ in range(_SAMPLES):
        sample = draw(rng, topics)
        asked: set[str] = set()
        for role, content in sample.messages:
            if role == "user":
                question = content.partition("\nAnswer: ")[0]
                asked |= {variants[token] for token in encoder.ids(question) if token not in marks}
            elif role == "assistant" and sample.task != "copy":
                said = set(encoder.ids(content))
                label = len(said) == 1
                new.update(token for token in said if label or variants[token] not in asked)
    copied = torch.ones(encoder.size, dtype=torch.bool)
    copied[: encoder.first_text_id] = False
    copied[[token for token, times in new.items() if times >= _OFTEN]] = False
    return copied


def _but_for_form(text: str) -> str:
    """A token's text as the forms of `copying.py` leave it open; escapes are apart."""
    return text.strip(" ").lower() or text


@torch.no_grad()
def clear_output_rows(model: Model, copied: Tensor) -> None:
    """Of what training may move of the output layer, tokens that are only copied have nothing of
    their own."""
    model.output.weight[copied, Entries.of(model.config).free] = 0


@torch.no_grad()
def share_gradient(model: Model, copied: Tensor) -> None:
    """Each of these tokens learns what they learn on average: so they stay alike in all that is
    not set by hand, where there is no gradient."""
    gradient = model.output.weight.grad
    assert gradient is not None
    mean = copied.to(gradient.dtype) @ gradient / copied.sum()
    gradient.copy_(torch.where(copied[:, None], mean, gradient))
