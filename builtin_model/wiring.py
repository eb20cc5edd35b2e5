"""A start that can already copy, name the domain of a prompt, and compare a word with it.

Heads of block 0 write beside each token the one before it, and the one before that. Heads of
blocks 1 to 3 look for the place whose previous token is the present one, and fetch what stands
there; some ask for the token before that too, since a word that comes twice in a row's text would
else lead from its second place back to the first. Without this start a model of this size does not
learn to copy within minutes.

For the domains the last entries of the embeddings are set aside (`Entries`), and training leaves
alone all that is wired for them (`spare`). A third head of block 0 takes the weighted mean of what
the words so far tell. One of block 1 brings that mean from where a phrase opens to its words, units
of that block's feed-forward layer mark how alike each word is with it, and a head of block 2 takes
the mark to where the verdict is given. Units of block 2 let the mean say which words come next.

The residual stream grows tenfold while the model learns, and what is wired does not. So the weights
here are those that suit a stream some five times larger than it is at the start, and nothing hangs
on a balance between two sizes: a product keeps its sign, and who wins an attention wins by far.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from builtin_model.domains import SIZE, Telling
from builtin_model.model import Block, Config, Model
from builtin_model.rotary import FREQUENCIES, angles

_CONSTANT = 5.0
"""First entry of each embedding, in units of the others' spread."""

_SHARPNESS = 4.5
"""How firmly a previous-token head looks one step back."""

_PAIRS = 5
"""Rotary pairs, the fastest ones, by which it does so."""

_BACK = ((0, 1), (1, 2))
"""Heads of block 0 and how many tokens back they look."""

_BY_ONE = ((1, 0), (2, 0))
"""Blocks and heads that look for the present token."""

_BY_TWO = ((1, 1), (3, 1))
"""Those that look for the present token after the one before it."""

_DOMAIN_HEAD = 2
"""The head of blocks 0 to 2 that serves the domains."""

_LOUDNESS = 3.0
"""How loud what a word tells is in its embedding, in units of the others' spread."""

_GATE = 3.0
"""What marks the tokens around a phrase, in the same units."""

_NEAR = 6
"""The rotary pair by which the last phrase is looked at rather than earlier ones."""


@dataclass(frozen=True, slots=True)
class Entries:
    """Which entries of the embeddings are set aside: what a word tells by itself, the mean of what
    was told so far, how much the word counts, what opens a phrase and what closes it, whether a
    word is inside of one, how alike it is with what was told before, and the same of a phrase."""

    own: slice
    mean: slice
    score: int
    opening: int
    closing: int
    inside: int
    mark: int
    verdict: int
    free: int
    """Entries before these, for everything else."""

    @classmethod
    def of(cls, config: Config) -> Entries:
        width = config.width
        free = width - 2 * SIZE - 6
        return cls(
            own=slice(width - SIZE, width),
            mean=slice(width - 2 * SIZE, width - SIZE),
            score=free,
            opening=free + 1,
            closing=free + 2,
            inside=free + 3,
            mark=free + 4,
            verdict=free + 5,
            free=free,
        )


@torch.no_grad()
def wire(model: Model, telling: Telling, phrase: int, tag: int) -> None:
    """Set the heads' weights, in place. `phrase` and `tag` are the tokens before a phrase and after
    it."""
    config = model.config
    size = config.head_size
    entries = Entries.of(config)
    model.token_embd.weight[:, 0] = _CONSTANT * config.scale
    read = _orthogonal(config.width, entries.free)
    written = _orthogonal(config.width, entries.free)
    for head, back in _BACK:
        _wire_previous(model, head, back, read[:size], written[:, head * size :][:, :size])
    _wire_embeddings(model, entries, telling, phrase, tag)
    for block in model.blk:  # nothing else writes there yet, or the mean drowns in it
        for entry in (0, slice(entries.free, None)):
            block.attn_output.weight[entry] = 0
            block.ffn_down.weight[entry] = 0
    _wire_mean(model, entries)
    _wire_opening(model, entries)
    _wire_likeness(model, entries)
    _wire_verdict(model, entries)
    _wire_naming(model, entries)
    still = size - 2 * len(FREQUENCIES)
    before, before_that = written[:, :size].t(), written[:, size : 2 * size].t()
    for number, head in _BY_ONE:
        _wire_induction(model, number, head, read[:still], before[:still])
    half = still // 2
    for number, head in _BY_TWO:
        asked = torch.cat([read[:half], before[half:still]])
        found = torch.cat([before[:half], before_that[half:still]])
        _wire_induction(model, number, head, asked, found)


@torch.no_grad()
def spare(model: Model) -> None:
    """No gradient for what is wired for the domains. A rare word's few steps would undo what a bag
    of words learnt from all of them; and Muon's steps are as large in directions that hardly
    matter yet, which within minutes leaves nothing of the comparison with a phrase."""
    entries = Entries.of(model.config)
    size = model.config.head_size
    head = slice(_DOMAIN_HEAD * size, (_DOMAIN_HEAD + 1) * size)

    def none(weight: Tensor, *where: int | slice) -> None:
        if weight.grad is not None:
            weight.grad[where] = 0

    everywhere, aside = slice(None), slice(entries.free, None)
    for columns in (0, aside):
        none(model.token_embd.weight, everywhere, columns)
    for block in model.blk[:3]:
        for entry in (0, aside):
            none(block.attn_norm.weight, entry)
        for layer in (block.attn_q, block.attn_k, block.attn_v):
            none(layer.weight, head)
        none(block.attn_output.weight, everywhere, head)
        for entry in (0, aside):
            none(block.attn_output.weight, entry)
            none(block.ffn_down.weight, entry)
    for units in _units(model):
        for layer in (model.blk[1].ffn_gate, model.blk[1].ffn_up):
            none(layer.weight, units)
        none(model.blk[1].ffn_down.weight, everywhere, units)


def _wire_previous(model: Model, head: int, back: int, read: Tensor, written: Tensor) -> None:
    """A head of block 0 that looks so many tokens back, by position alone."""
    config = model.config
    size = config.head_size
    block = model.blk[0]
    rows = slice(head * size, (head + 1) * size)
    block.attn_q.weight[rows] = 0
    block.attn_k.weight[rows] = 0
    strength = _SHARPNESS / _CONSTANT
    for pair, angle in enumerate(angles(size)[:_PAIRS]):
        row = head * size + 2 * pair
        block.attn_k.weight[row, 0] = strength
        block.attn_q.weight[row, 0] = strength * torch.cos(back * angle)
        block.attn_q.weight[row + 1, 0] = -strength * torch.sin(back * angle)
    block.attn_v.weight[rows] = read
    block.attn_output.weight[:, rows] = 1.5 * config.scale * written


def _wire_induction(model: Model, number: int, head: int, asked: Tensor, found: Tensor) -> None:
    """A head that fetches from where `found` is what `asked` is here, both [still rows, width]."""
    config = model.config
    size = config.head_size
    block = model.blk[number]
    rows = slice(head * size, (head + 1) * size)
    still = slice(rows.start + 2 * len(FREQUENCIES), rows.stop)
    fetched = _orthogonal(config.width, Entries.of(config).free)[:size]
    block.attn_q.weight[rows] = 0
    block.attn_k.weight[rows] = 0
    block.attn_q.weight[still] = 2 * asked
    block.attn_k.weight[still] = 2 * found
    block.attn_v.weight[rows] = fetched
    block.attn_output.weight[:, rows] = 3 * config.scale * fetched.t()


def _wire_embeddings(
    model: Model, entries: Entries, telling: Telling, phrase: int, tag: int
) -> None:
    scale = model.config.scale
    embeddings = model.token_embd.weight
    before = embeddings.square().mean().sqrt()
    embeddings[:, entries.free :] = 0
    embeddings[:, entries.own] = _LOUDNESS * scale * telling.vectors
    embeddings[:, entries.score] = scale * telling.scores / 2
    embeddings[[phrase, tag], entries.opening] = scale * _GATE
    embeddings[tag, entries.closing] = scale * _GATE
    # What was not set aside is to be as loud for block 0 as without it.
    model.blk[0].attn_norm.weight[: entries.free] *= embeddings.square().mean().sqrt() / before


def _wire_mean(model: Model, entries: Entries) -> None:
    """The weights of the mean are the softmax of the scores."""
    block = model.blk[0]
    first = _still_row(model, block, _DOMAIN_HEAD)
    told = _value_rows(model, block, _DOMAIN_HEAD)
    block.attn_q.weight[first, 0] = 8
    block.attn_k.weight[first, entries.score] = 8
    block.attn_v.weight[told, entries.own] = torch.eye(SIZE)
    block.attn_output.weight[entries.mean, told] = 0.12 * torch.eye(SIZE)


def _wire_opening(model: Model, entries: Entries) -> None:
    """Each word of a phrase fetches what was told before the phrase from the token that opens it,
    and knows by that that it stands in one. Elsewhere it is the mean over all tokens so far."""
    block = model.blk[1]
    _still_row(model, block, _DOMAIN_HEAD)
    told = _value_rows(model, block, _DOMAIN_HEAD)
    near = _DOMAIN_HEAD * model.config.head_size + 2 * _NEAR
    block.attn_q.weight[near, 0] = 50
    block.attn_k.weight[near, entries.opening] = 50
    block.attn_v.weight[told, entries.mean] = torch.eye(SIZE)
    block.attn_v.weight[told.stop, entries.opening] = 1
    block.attn_v.weight[told.stop, entries.closing] = -2
    block.attn_output.weight[entries.mean, told] = torch.eye(SIZE)
    block.attn_output.weight[entries.inside, told.stop] = 1


def _wire_likeness(model: Model, entries: Entries) -> None:
    """Units of block 1 multiply what a word tells with what was told: silu(x) y - silu(-x) y is
    x y, and the sum over the entries how alike both are."""
    block = model.blk[1]
    for sign, units in zip((1, -1), _units(model), strict=True):
        for layer in (block.ffn_gate, block.ffn_up):
            layer.weight[units] = 0
        block.ffn_gate.weight[units, entries.own] = sign * torch.eye(SIZE)
        block.ffn_up.weight[units, entries.mean] = torch.eye(SIZE)
        block.ffn_down.weight[:, units] = 0
        block.ffn_down.weight[entries.mark, units] = 0.3 * sign


def _wire_verdict(model: Model, entries: Entries) -> None:
    """How alike the words of the last phrase are with what was told before it: their mean, weighted
    as words are everywhere."""
    block = model.blk[2]
    first = _still_row(model, block, _DOMAIN_HEAD)
    told = _value_rows(model, block, _DOMAIN_HEAD)
    block.attn_q.weight[first, 0] = 36
    block.attn_k.weight[first, entries.score] = 120
    block.attn_k.weight[first, entries.inside] = 42
    near = _DOMAIN_HEAD * model.config.head_size + 2 * _NEAR
    block.attn_q.weight[near, 0] = 38
    block.attn_k.weight[near, 0] = 38
    block.attn_v.weight[told.start, entries.mark] = 1
    block.attn_output.weight[entries.verdict, told.start] = 2


def _wire_naming(model: Model, entries: Entries) -> None:
    """Units of block 2 add what was told to what the next word is to tell."""
    block = model.blk[2]
    for sign, units in zip((1, -1), _units(model), strict=True):
        for layer in (block.ffn_gate, block.ffn_up):
            layer.weight[units] = 0
        block.ffn_gate.weight[units, entries.mean] = sign * torch.eye(SIZE)
        block.ffn_up.weight[units, 0] = 4
        block.ffn_down.weight[:, units] = 0
        block.ffn_down.weight[entries.own, units] = 1.5 * sign * torch.eye(SIZE)


def _units(model: Model) -> tuple[slice, slice]:
    """The last units of a feed-forward layer, in two halves."""
    last = model.config.feed_forward
    return slice(last - 2 * SIZE, last - SIZE), slice(last - SIZE, last)


def _still_row(model: Model, block: Block, head: int) -> int:
    """The head looks at nothing yet; its first row that does not rotate."""
    size = model.config.head_size
    rows = slice(head * size, (head + 1) * size)
    block.attn_q.weight[rows] = 0
    block.attn_k.weight[rows] = 0
    return head * size + 2 * len(FREQUENCIES)


def _value_rows(model: Model, block: Block, head: int) -> slice:
    """The head fetches and writes nothing yet; the rows for a vector of a domain."""
    size = model.config.head_size
    rows = slice(head * size, (head + 1) * size)
    block.attn_v.weight[rows] = 0
    block.attn_output.weight[:, rows] = 0
    return slice(head * size, head * size + SIZE)


def _orthogonal(width: int, free: int) -> Tensor:
    """[width, width]: a rotation of the free entries but the constant; the rest stays out of it."""
    matrix = torch.zeros(width, width)
    matrix[1:free, 1:free] = torch.linalg.qr(torch.randn(free - 1, free - 1))[0]
    return matrix
