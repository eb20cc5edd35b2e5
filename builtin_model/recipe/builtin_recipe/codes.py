"""What tells tokens apart where they are copied: a code each, and the form in which it is written.

Tokens that differ only in case, a leading space or an escape have codes that are nearly alike, so
that a sentence is found again by its first word written in another way.
"""

from __future__ import annotations

import torch
from torch import Tensor

from builtin_recipe.layout import CODE
from builtin_recipe.tokenizer import Encoder

LEARNING_WAY = 0.65
_OWN_WAY = 0.4
_OWN_MARK = 1.6
"""What tells variants of a word apart, against what they share: while a model learns, and less in
the end, so that a word which begins a phrase goes on as where it stood behind a space. And what
tells those of a mark apart: behind a quote that closes there is no word, as there is behind one
that opens."""

_FIGURES, _ESCAPED, _OTHERS = 4, 5, 7
"""Forms of what is no word; of the latter two, the next one is that after a space."""


def codes(encoder: Encoder, own_way: float = _OWN_WAY) -> Tensor:
    """[vocabulary, CODE], of mean square 1 each; none for the token that starts a turn."""
    generator = fixed_generator(0)
    groups: dict[str, int] = {}
    group = torch.tensor([groups.setdefault(_plain(text), len(groups)) for text in encoder.texts])
    shared = torch.randn(len(groups), CODE, generator=generator)[group]
    shared[_named(encoder, group)] = 0
    word = torch.tensor([any(letter.isalnum() for letter in text) for text in encoder.texts])
    apart = torch.where(word, own_way, _OWN_MARK)[:, None]
    found = shared + apart * torch.randn(len(group), CODE, generator=generator)
    found /= found.square().mean(1, keepdim=True).sqrt()
    found[encoder.turn] = 0
    return found


def _named(encoder: Encoder, group: Tensor) -> Tensor:
    """The tokens that name a speaker in a text, as variants of those that start a turn: behind 'The
    user' there stands nothing of what stands behind 'user'."""
    speakers = encoder.asking + encoder.answering
    named = torch.isin(group, group[speakers])
    named[speakers] = False
    return named


def fixed_generator(number: int) -> torch.Generator:
    """Chance that is alike in all trainings: how often codes are mistaken for others depends on
    it, and of five turns this is the one with the fewest."""
    return torch.Generator().manual_seed(number)


def joined(encoder: Encoder) -> list[int]:
    """The tokens that go on with the word before them."""
    return [number for number, text in enumerate(encoder.texts) if text[:1].isalnum()]


def forms(encoder: Encoder) -> list[int]:
    """The form of every token, by number."""
    return [_form(text) for text in encoder.texts]


def _form(text: str) -> int:
    word, spaced = text.strip(" "), text[:1] == " "
    if word[:1].isalpha():
        return 2 * spaced + word[0].isupper()
    if word[:1].isdigit():
        return _FIGURES
    return (_ESCAPED if word[:1] == "\\" else _OTHERS) + spaced


def _plain(text: str) -> str:
    """What variants of a token have in common: all but case, leading spaces and escapes."""
    return text.strip(" \\").lower() or text
