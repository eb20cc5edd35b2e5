"""Which words tell which domain: vectors for the embeddings to start from.

A bag of words soon learns to name the domain of an instruction, where the model, which
sees each word a few dozen times, would take hours. Its vectors become a part of the embeddings, and
those of the prompt are added up and compared with others by the circuits of `circuits.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

import torch
from torch import Tensor, nn
from torch.nn import functional

from builtin_recipe.phrases import phrases, role_phrase
from builtin_recipe.scenario import draw_scenario
from builtin_recipe.tasks import GENERATE
from builtin_recipe.tokenizer import Encoder
from builtin_recipe.topics import Topics
from builtin_recipe.verdicts import SYSTEM as VERIFY
from builtin_recipe.words import WORDS
from sysgen_local.core.records import LABELS

SIZE = 32
"""Entries of a vector."""

_TEXTS = 240_000
_ROUNDS = 4
_BATCH = 256
_RATE = 5e-3
_DECAY = 0.1
_LEFT_OUT = 0.55
_MOST = 4.0
"""Largest score, so that no word drowns all others."""
_UNSEEN = -2.0
"""Of a token that no text has, so that it tells little."""


@dataclass(frozen=True, slots=True)
class DomainVectors:
    """vectors[vocabulary, SIZE], of mean square 1: those of one domain's words point alike.
    scores[vocabulary]: how much a word counts, as the logarithm of its weight in the mean."""

    vectors: Tensor
    scores: Tensor


class _Bag(nn.Module):
    """Compares texts by the weighted means of their tokens' vectors."""

    def __init__(self, vocabulary: int) -> None:
        super().__init__()
        self.vectors = nn.Embedding(vocabulary, SIZE)
        self.scores = nn.Embedding(vocabulary, 1)
        self.scale = nn.Parameter(torch.tensor(1.0))
        nn.init.normal_(self.vectors.weight, 0, 0.5)
        nn.init.zeros_(self.scores.weight)

    def means(self, texts: list[list[int]]) -> Tensor:
        """[texts, SIZE]."""
        flat = torch.tensor([token for text in texts for token in text])
        lengths = torch.tensor([len(text) for text in texts])
        bags = torch.arange(len(texts)).repeat_interleave(lengths)
        weights = self.scores(flat).clamp(-_MOST, _MOST).exp()
        total = torch.zeros(len(texts), 1).index_add(0, bags, weights)
        summed = torch.zeros(len(texts), SIZE).index_add(0, bags, weights * self.vectors(flat))
        return summed / total

    def forward(self, texts: list[list[int]], roles: list[list[int]]) -> Tensor:
        """How alike each text is with each role, [texts, roles], as logits."""
        return self.scale * self.means(texts) @ self.means(roles).t()


def learn_domain_vectors(encoder: Encoder, topics: Topics, rng: Random) -> DomainVectors:
    """What each token tells, learnt from texts of the corpus: to be more like a role of the own
    domain than like one of any other, which is what the model has to see (`circuits.py`)."""
    names = list(WORDS.domains)
    texts = [_text(rng, topics) for _ in range(_TEXTS)]
    ids = [encoder.ids(text) for text, _ in texts]
    domains = torch.tensor([names.index(domain) for _, domain in texts])
    bag = _Bag(encoder.size)
    optimizer = torch.optim.AdamW(bag.parameters(), lr=_RATE, weight_decay=_DECAY)
    order = list(range(_TEXTS))
    for _ in range(_ROUNDS):
        rng.shuffle(order)
        for start in range(0, _TEXTS, _BATCH):
            batch = order[start : start + _BATCH]
            roles = [
                encoder.ids(role_phrase(rng, rng.choice(d.roles))) for d in WORDS.domains.values()
            ]
            alike = bag([_some(rng, ids[number]) for number in batch], roles)
            loss = functional.cross_entropy(alike, domains[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    vectors = bag.vectors.weight.detach()
    scores = bag.scores.weight.detach().squeeze(1).clamp(-_MOST, _MOST)
    seen = torch.zeros(encoder.size, dtype=torch.bool)
    seen[[token for text in ids for token in text]] = True
    scores[~seen] = _UNSEEN
    scores[: encoder.first_text_id] = -_MOST
    return DomainVectors(vectors / vectors.square().mean().sqrt(), scores)


def _some(rng: Random, text: list[int]) -> list[int]:
    """Some of the tokens: with others gone, each that tells something has to do so by itself."""
    return [token for token in text if rng.random() > _LEFT_OUT] or text


def _text(rng: Random, topics: Topics) -> tuple[str, str]:
    """A text and its domain: an instruction as the phases show it or by itself, a role, or only a
    few of the words that tell it."""
    sort = rng.random()
    if sort < 0.1:
        domain = WORDS.domains[rng.choice(tuple(WORDS.domains))]
        role = role_phrase(rng, rng.choice(domain.roles))
        return rng.choice((role, domain.name)), domain.name
    if sort < 0.35:
        domain = WORDS.domains[rng.choice(tuple(WORDS.domains))]
        lists = (domain.said, domain.said, domain.things, domain.doings, domain.known)
        words = [rng.choice(rng.choice(lists) or domain.said) for _ in range(rng.randint(1, 2))]
        return " " + " ".join(words), domain.name
    about = draw_scenario(rng, topics, telling=True)
    if sort < 0.6:
        return about.instruction, about.domain
    if sort < 0.75:
        tag, phrase = rng.choice(tuple(phrases(rng, about).items()))
        asked = f"{VERIFY}\nInstruction: {about.instruction}\nPhrase: {phrase}\nTag: {tag}"
        return f"{asked}\nassistant\n{rng.choice(LABELS)}", about.domain
    return f"{GENERATE}\nInstruction: {about.instruction}\nAnswer", about.domain
