"""A start that can already copy, name the domain of a prompt, and compare a phrase with it.

For the domains, a head of block 0 takes the weighted mean of what the words so far tell. One of
block 1 brings the mean from where a phrase opens to its words, units of that block's feed-forward
layer mark how alike each word is with it, and a head of block 2 takes the mark to where the verdict
is given. Units of block 3 let the mean say which words come next. Copying has a module of its own.

What is wired is as loud as all that training adds to the stream later, and nothing hangs on a
balance between two sizes: a product keeps its sign, and who wins an attention wins by far.
"""

from __future__ import annotations

import torch

from builtin_recipe.copying import wire_copying
from builtin_recipe.domains import SIZE, Telling
from builtin_recipe.layout import CONSTANT, LOUDNESS, Limits, Wiring
from builtin_recipe.model import Model
from builtin_recipe.tokenizer import Encoder
from builtin_recipe.words import WORDS

_HEAD = 5
"""The head of blocks 0 to 2 that serves the domains."""

_OWN = 0.5
_SCORE = 0.15
"""How loud what a word tells is in its embedding, and how much it counts."""

_SPEAKER = 64.0
"""The sum of squares of the embedding of who speaks: about what training makes of it."""

_MEAN = 0.12
_TOLD = 6.0
"""How loud the mean so far is, and how many times as loud what was told before a phrase."""

_NAMING = 0.1
"""How loud the words of a domain are where it is named."""

_NEAR = 6
"""The rotary pair by which the last phrase is looked at rather than earlier ones."""


@torch.no_grad()
def wire(model: Model, telling: Telling, encoder: Encoder) -> Limits:
    """Set the weights, in place; what `spare` is to hold training to."""
    wiring = Wiring(model)
    entries = wiring.entries
    taken = entries.taken
    model.token_embd.weight[:, taken] = 0
    model.token_embd.weight[:, entries.constant] = CONSTANT
    wiring.fix(model.token_embd.weight, slice(None), taken)
    model.output.weight[:, taken] = 0
    for block in model.blk:
        for norm in (block.attn_norm, block.ffn_norm):
            norm.weight[entries.free] = 2.0
            wiring.fix(norm.weight, taken)
        for layer in (block.attn_output, block.ffn_down):
            layer.weight[taken] = 0  # nothing else writes there
            wiring.fix(layer.weight, taken)
    wiring.fix(model.output_norm.weight, taken)
    wire_copying(wiring, encoder)
    _wire_words(wiring, telling, encoder)
    _level_speakers(wiring, encoder)
    _wire_mean(wiring)
    _wire_opening(wiring)
    _wire_likeness(wiring)
    _wire_verdict(wiring)
    _wire_naming(wiring)
    return wiring.limits


def _wire_words(wiring: Wiring, telling: Telling, encoder: Encoder) -> None:
    model, entries = wiring.model, wiring.entries
    embeddings = model.token_embd.weight
    embeddings[:, entries.own] = _OWN * telling.vectors
    embeddings[:, entries.score] = _SCORE * telling.scores
    embeddings[encoder.answer, entries.shown] = 1
    embeddings[encoder.phrase, entries.opening] = 1
    embeddings[encoder.tag, entries.opening] = 1.4  # from there on it is heard instead
    embeddings[encoder.tag, entries.closing] = 1
    named = _named(encoder)
    model.output.weight[named, entries.named] = _NAMING * telling.vectors[named]
    wiring.fix(model.output.weight, slice(None), entries.named)


def _level_speakers(wiring: Wiring, encoder: Encoder) -> None:
    """Those who speak are equally loud, and stay so: which of them is the latest is a small
    difference in what a head of block 0 sees, and each is divided by its own loudness there."""
    embeddings, entries = wiring.model.token_embd.weight, wiring.entries
    speakers = encoder.asking + encoder.answering
    rows = embeddings[speakers]
    left = _SPEAKER - rows[:, entries.taken].square().sum(1)
    free = rows[:, entries.free]
    rows[:, entries.free] = free * (left / free.square().sum(1)).sqrt()[:, None]
    embeddings[speakers] = rows
    wiring.fix(embeddings, speakers)


def _named(encoder: Encoder) -> list[int]:
    """The tokens of domains, roles and tools, in which alone a domain is named: what a text is
    about comes from the text."""
    domains = WORDS.domains.values()
    texts = [text for domain in domains for text in (domain.name, *domain.roles, *domain.tools)]
    return sorted({token for text in texts for token in encoder.ids(f" {text}")})


def _wire_mean(wiring: Wiring) -> None:
    """The weights of the mean are the softmax of the scores."""
    block, entries = wiring.model.blk[0], wiring.entries
    told = _clear(wiring, 0)
    first = wiring.still(_HEAD)
    block.attn_q.weight[first, entries.constant] = 2.6
    block.attn_k.weight[first, entries.score] = 2.6
    block.attn_v.weight[told, entries.own] = torch.eye(SIZE)
    block.attn_output.weight[entries.mean, told] = _MEAN * LOUDNESS[0] / _OWN * torch.eye(SIZE)


def _wire_opening(wiring: Wiring) -> None:
    """Each word of a phrase fetches what was told before the phrase from the token that opens it,
    and knows by that that it stands in one. Behind an answer that a prompt shows, all fetch what
    was told before it: answers speak of many things. All others fetch what was told before their
    turn."""
    block, entries = wiring.model.blk[1], wiring.entries
    told = _clear(wiring, 1)
    near = wiring.rows(_HEAD).start + 2 * _NEAR
    block.attn_q.weight[[near, near + 2], entries.constant] = 7
    block.attn_k.weight[near, entries.opening] = 7
    block.attn_k.weight[near + 2, entries.turn] = 0.5
    first = wiring.still(_HEAD)
    block.attn_q.weight[first, entries.constant] = 7
    block.attn_k.weight[first, entries.shown] = 6
    block.attn_v.weight[told, entries.mean] = torch.eye(SIZE)
    block.attn_v.weight[told.stop, entries.opening] = 1
    block.attn_v.weight[told.stop, entries.closing] = -4
    block.attn_output.weight[entries.mean, told] = LOUDNESS[1] * _TOLD * torch.eye(SIZE)
    block.attn_output.weight[entries.inside, told.stop] = LOUDNESS[1]


def _wire_likeness(wiring: Wiring) -> None:
    """Units of block 1 multiply what a word tells with what was told: silu(x) y - silu(-x) y is
    x y, and the sum over the entries how alike both are."""
    block, entries = wiring.model.blk[1], wiring.entries
    for sign, units in zip((1, -1), _units(wiring), strict=True):
        for layer in (block.ffn_gate, block.ffn_up):
            layer.weight[units] = 0
            wiring.fix(layer.weight, units)
        block.ffn_gate.weight[units, entries.own] = sign * torch.eye(SIZE)
        block.ffn_up.weight[units, entries.mean] = torch.eye(SIZE)
        block.ffn_down.weight[:, units] = 0
        block.ffn_down.weight[entries.mark, units] = 0.03 * sign
        wiring.fix(block.ffn_down.weight, slice(None), units)


def _wire_naming(wiring: Wiring) -> None:
    """Units of block 3 let the mean say which words come next: training opens them, where a role is
    to be named."""
    block, entries = wiring.model.blk[3], wiring.entries
    _, units = _units(wiring)
    block.ffn_gate.weight[units] = 0
    block.ffn_up.weight[units] = 0
    block.ffn_up.weight[units, entries.mean] = torch.eye(SIZE)
    block.ffn_down.weight[:, units] = 0
    block.ffn_down.weight[entries.named, units] = torch.eye(SIZE)
    wiring.fix(block.ffn_up.weight, units)
    wiring.fix(block.ffn_down.weight, slice(None), units)


def _wire_verdict(wiring: Wiring) -> None:
    """How alike the words of the last phrase are with what was told before it: their mean, weighted
    as words are everywhere."""
    block, entries = wiring.model.blk[2], wiring.entries
    told = _clear(wiring, 2)
    first = wiring.still(_HEAD)
    near = wiring.rows(_HEAD).start + 2 * _NEAR
    block.attn_q.weight[first, entries.constant] = 5
    block.attn_k.weight[first, entries.inside] = 5
    block.attn_k.weight[first, entries.score] = 4
    block.attn_q.weight[near, entries.constant] = 4
    block.attn_k.weight[near, entries.constant] = 4
    block.attn_v.weight[told.start, entries.mark] = 1
    block.attn_output.weight[entries.verdict, told.start] = 2.4


def _units(wiring: Wiring) -> tuple[slice, slice]:
    """The last units of a feed-forward layer, in two halves."""
    last = wiring.model.config.feed_forward
    return slice(last - 2 * SIZE, last - SIZE), slice(last - SIZE, last)


def _clear(wiring: Wiring, number: int) -> slice:
    """The domains' head of a block looks at nothing and says nothing yet; the rows for a vector."""
    block, rows = wiring.model.blk[number], wiring.rows(_HEAD)
    for layer in (block.attn_q, block.attn_k, block.attn_v):
        layer.weight[rows] = 0
        wiring.fix(layer.weight, rows)
    block.attn_output.weight[:, rows] = 0
    wiring.fix(block.attn_output.weight, slice(None), rows)
    return slice(rows.start, rows.start + SIZE)
