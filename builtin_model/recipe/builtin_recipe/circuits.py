"""Weights set by hand before training, as circuits: they copy, name the domain of a prompt, and
compare a phrase with it.

For the domains, a head of block 0 takes the weighted mean of what the words so far tell. One of
block 1 brings the mean from where a phrase opens to its words, units of that block's feed-forward
layer mark how alike each word is with it, and a head of block 2 takes the mark to where the verdict
is given. Units of block 3 let the mean say which words come next. Copying has a module of its own
(`copying.py`).

What a circuit writes is as large as all that training adds to the stream later, and nothing hangs
on a balance between two sizes: a product keeps its sign, and who wins an attention wins by far.
"""

from __future__ import annotations

import torch

from builtin_recipe.copying import build_copying
from builtin_recipe.domains import SIZE, DomainVectors
from builtin_recipe.layout import CONSTANT, STREAM_RMS, Circuits, Limits
from builtin_recipe.model import Model
from builtin_recipe.tokenizer import Encoder
from builtin_recipe.words import WORDS

_HEAD = 5
"""The head of blocks 0 to 2 that serves the domains."""

_OWN = 0.5
_SCORE = 0.15
"""Scale, in the embeddings, of a word's domain vector and of its score."""

_SPEAKER = 64.0
"""The sum of squares of the embedding of who speaks: about what training makes of it."""

_MEAN = 0.12
_TOLD = 6.0
"""Scale of the mean so far, and how many times that scale the mean before a phrase has."""

_NAMING = 0.1
"""Scale of the domain vectors in the output layer."""

_NEAR = 6
"""The rotary pair by which the last phrase is looked at rather than earlier ones."""


@torch.no_grad()
def build_circuits(model: Model, domain_vectors: DomainVectors, encoder: Encoder) -> Limits:
    """Set the weights, in place; what `mask_gradients` is to hold training to."""
    circuits = Circuits(model)
    entries = circuits.entries
    taken = entries.taken
    model.token_embd.weight[:, taken] = 0
    model.token_embd.weight[:, entries.constant] = CONSTANT
    circuits.fix(model.token_embd.weight, slice(None), taken)
    model.output.weight[:, taken] = 0
    for block in model.blk:
        for norm in (block.attn_norm, block.ffn_norm):
            norm.weight[entries.free] = 2.0
            circuits.fix(norm.weight, taken)
        for layer in (block.attn_output, block.ffn_down):
            layer.weight[taken] = 0  # nothing else writes there
            circuits.fix(layer.weight, taken)
    circuits.fix(model.output_norm.weight, taken)
    build_copying(circuits, encoder)
    _build_words(circuits, domain_vectors, encoder)
    _level_speakers(circuits, encoder)
    _build_mean(circuits)
    _build_opening(circuits)
    _build_likeness(circuits)
    _build_verdict(circuits)
    _build_naming(circuits)
    return circuits.limits


def _build_words(circuits: Circuits, domain_vectors: DomainVectors, encoder: Encoder) -> None:
    model, entries = circuits.model, circuits.entries
    embeddings = model.token_embd.weight
    embeddings[:, entries.own] = _OWN * domain_vectors.vectors
    embeddings[:, entries.score] = _SCORE * domain_vectors.scores
    embeddings[encoder.answer, entries.shown] = 1
    embeddings[encoder.phrase, entries.opening] = 1
    embeddings[encoder.tag, entries.opening] = 1.4  # from there on it is heard instead
    embeddings[encoder.tag, entries.closing] = 1
    named = _named(encoder)
    model.output.weight[named, entries.named] = _NAMING * domain_vectors.vectors[named]
    circuits.fix(model.output.weight, slice(None), entries.named)


def _level_speakers(circuits: Circuits, encoder: Encoder) -> None:
    """The embeddings of speakers have one norm, and keep it: which is the latest is a small
    difference in what a head of block 0 sees, and each is divided by its own norm there."""
    embeddings, entries = circuits.model.token_embd.weight, circuits.entries
    speakers = encoder.asking + encoder.answering
    rows = embeddings[speakers]
    left = _SPEAKER - rows[:, entries.taken].square().sum(1)
    free = rows[:, entries.free]
    rows[:, entries.free] = free * (left / free.square().sum(1)).sqrt()[:, None]
    embeddings[speakers] = rows
    circuits.fix(embeddings, speakers)


def _named(encoder: Encoder) -> list[int]:
    """The tokens of domains, roles and tools, in which alone a domain is named: what a text is
    about comes from the text."""
    domains = WORDS.domains.values()
    texts = [text for domain in domains for text in (domain.name, *domain.roles, *domain.tools)]
    return sorted({token for text in texts for token in encoder.ids(f" {text}")})


def _build_mean(circuits: Circuits) -> None:
    """The weights of the mean are the softmax of the scores."""
    block, entries = circuits.model.blk[0], circuits.entries
    told = _clear(circuits, 0)
    first = circuits.still(_HEAD)
    block.attn_q.weight[first, entries.constant] = 2.6
    block.attn_k.weight[first, entries.score] = 2.6
    block.attn_v.weight[told, entries.own] = torch.eye(SIZE)
    block.attn_output.weight[entries.mean, told] = _MEAN * STREAM_RMS[0] / _OWN * torch.eye(SIZE)


def _build_opening(circuits: Circuits) -> None:
    """Each word of a phrase fetches what was told before the phrase from the token that opens it,
    and knows by that that it stands in one. Behind an answer that a prompt shows, all fetch what
    was told before it: answers speak of many things. All others fetch what was told before their
    turn."""
    block, entries = circuits.model.blk[1], circuits.entries
    told = _clear(circuits, 1)
    near = circuits.rows(_HEAD).start + 2 * _NEAR
    block.attn_q.weight[[near, near + 2], entries.constant] = 7
    block.attn_k.weight[near, entries.opening] = 7
    block.attn_k.weight[near + 2, entries.turn] = 0.5
    first = circuits.still(_HEAD)
    block.attn_q.weight[first, entries.constant] = 7
    block.attn_k.weight[first, entries.shown] = 6
    block.attn_v.weight[told, entries.mean] = torch.eye(SIZE)
    block.attn_v.weight[told.stop, entries.opening] = 1
    block.attn_v.weight[told.stop, entries.closing] = -4
    block.attn_output.weight[entries.mean, told] = STREAM_RMS[1] * _TOLD * torch.eye(SIZE)
    block.attn_output.weight[entries.inside, told.stop] = STREAM_RMS[1]


def _build_likeness(circuits: Circuits) -> None:
    """Units of block 1 multiply what a word tells with what was told: silu(x) y - silu(-x) y is
    x y, and the sum over the entries how alike both are."""
    block, entries = circuits.model.blk[1], circuits.entries
    for sign, units in zip((1, -1), _units(circuits), strict=True):
        for layer in (block.ffn_gate, block.ffn_up):
            layer.weight[units] = 0
            circuits.fix(layer.weight, units)
        block.ffn_gate.weight[units, entries.own] = sign * torch.eye(SIZE)
        block.ffn_up.weight[units, entries.mean] = torch.eye(SIZE)
        block.ffn_down.weight[:, units] = 0
        block.ffn_down.weight[entries.mark, units] = 0.03 * sign
        circuits.fix(block.ffn_down.weight, slice(None), units)


def _build_naming(circuits: Circuits) -> None:
    """Units of block 3 let the mean say which words come next: training opens them, where a role is
    to be named."""
    block, entries = circuits.model.blk[3], circuits.entries
    _, units = _units(circuits)
    block.ffn_gate.weight[units] = 0
    block.ffn_up.weight[units] = 0
    block.ffn_up.weight[units, entries.mean] = torch.eye(SIZE)
    block.ffn_down.weight[:, units] = 0
    block.ffn_down.weight[entries.named, units] = torch.eye(SIZE)
    circuits.fix(block.ffn_up.weight, units)
    circuits.fix(block.ffn_down.weight, slice(None), units)


def _build_verdict(circuits: Circuits) -> None:
    """How alike the words of the last phrase are with what was told before it: their mean, weighted
    as words are everywhere."""
    block, entries = circuits.model.blk[2], circuits.entries
    told = _clear(circuits, 2)
    first = circuits.still(_HEAD)
    near = circuits.rows(_HEAD).start + 2 * _NEAR
    block.attn_q.weight[first, entries.constant] = 5
    block.attn_k.weight[first, entries.inside] = 5
    block.attn_k.weight[first, entries.score] = 4
    block.attn_q.weight[near, entries.constant] = 4
    block.attn_k.weight[near, entries.constant] = 4
    block.attn_v.weight[told.start, entries.mark] = 1
    block.attn_output.weight[entries.verdict, told.start] = 2.4


def _units(circuits: Circuits) -> tuple[slice, slice]:
    """The last units of a feed-forward layer, in two halves."""
    last = circuits.model.config.feed_forward
    return slice(last - 2 * SIZE, last - SIZE), slice(last - SIZE, last)


def _clear(circuits: Circuits, number: int) -> slice:
    """The domains' head of a block looks at nothing and says nothing yet; the rows for a vector."""
    block, rows = circuits.model.blk[number], circuits.rows(_HEAD)
    for layer in (block.attn_q, block.attn_k, block.attn_v):
        layer.weight[rows] = 0
        circuits.fix(layer.weight, rows)
    block.attn_output.weight[:, rows] = 0
    circuits.fix(block.attn_output.weight, slice(None), rows)
    return slice(rows.start, rows.start + SIZE)
