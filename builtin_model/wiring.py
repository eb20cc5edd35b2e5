"""A start that can already copy, name the domain of a prompt, and compare a word with it.

Heads of block 0 write beside each token the one before it, and the one before that. Heads of
blocks 1 to 3 look for the place whose previous token is the present one, and fetch what stands
there; some ask for the token before that too, since a word that comes twice in a row's text would
else lead from its second place back to the first. Without this start a model of this size does not
learn to copy within minutes.

For the domains the last entries of the embeddings are set aside (`Entries`), and training leaves
alone all that is wired for them (`spare`). A third head of block 0 takes the weighted mean of what
the words so far tell. One of block 1 marks the words of a phrase that tell the same as all that
stands before the phrase, and one of block 2 brings the mark to where the verdict is given.
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
"""How much of the mean is written, in units of the embeddings' spread."""

_GATE = 3.0
"""What marks the token that opens a phrase, and the one that opens a turn, in the same units."""

_MARK = 12.0
"""How loud the mark of a word is that tells what the instruction tells."""

_CARE = 2.0
"""How much it takes that a word tells the same, against what marks turns and phrases."""

_GROWTH = (4.0, 8.0)
"""How many times larger blocks 1 and 2 find the residual stream soon after the start. What is wired
for the domains does not grow with it, so the weights that read it there are as much larger."""

_NEAR = 6
"""The rotary pair by which the verdict looks at the last phrase rather than at earlier ones."""


@dataclass(frozen=True, slots=True)
class Entries:
    """Which entries of the embeddings are set aside: what a word tells by itself, the mean of what
    was told so far, how much the word counts, what opens a phrase or a turn, and the mark."""

    own: slice
    mean: slice
    score: int
    phrase: int
    turn: int
    mark: int
    free: int
    """Entries before these, for everything else."""

    @classmethod
    def of(cls, config: Config) -> Entries:
        width = config.width
        free = width - 2 * SIZE - 4
        return cls(
            own=slice(width - SIZE, width),
            mean=slice(width - 2 * SIZE, width - SIZE),
            score=free,
            phrase=free + 1,
            turn=free + 2,
            mark=free + 3,
            free=free,
        )


@torch.no_grad()
def wire(model: Model, telling: Telling, phrase: int, turn: int) -> None:
    """Set the heads' weights, in place. `phrase` and `turn` are the tokens that open a phrase and a
    turn of the chat."""
    config = model.config
    size = config.head_size
    entries = Entries.of(config)
    model.token_embd.weight[:, 0] = _CONSTANT * config.scale
    read = _orthogonal(config.width, entries.free)
    written = _orthogonal(config.width, entries.free)
    for head, back in _BACK:
        _wire_previous(model, head, back, read[:size], written[:, head * size :][:, :size])
    _wire_embeddings(model, entries, telling, phrase, turn)
    for block in model.blk:  # nothing else writes there yet, or the mean drowns in it
        for entry in (0, slice(entries.free, None)):
            block.attn_output.weight[entry] = 0
            block.ffn_down.weight[entry] = 0
    _wire_mean(model, entries)
    _wire_same(model, entries)
    _wire_verdict(model, entries)
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
    model: Model, entries: Entries, telling: Telling, phrase: int, turn: int
) -> None:
    scale = model.config.scale
    embeddings = model.token_embd.weight
    embeddings[:, entries.free :] = 0
    embeddings[:, entries.own] = scale * telling.vectors
    embeddings[:, entries.score] = scale * telling.scores / 2
    embeddings[phrase, entries.phrase] = scale * _GATE
    embeddings[turn, entries.turn] = scale * _GATE


def _wire_mean(model: Model, entries: Entries) -> None:
    """The weights of the mean are the softmax of the scores."""
    config = model.config
    block = model.blk[0]
    first = _still_row(model, block, _DOMAIN_HEAD)
    told = _value_rows(model, block, _DOMAIN_HEAD)
    block.attn_q.weight[first, 0] = 2 * config.head_size**0.5 / _CONSTANT / 4
    block.attn_k.weight[first, entries.score] = 4
    block.attn_v.weight[told, entries.own] = torch.eye(SIZE)
    for where in (entries.own, entries.mean):
        block.attn_output.weight[where, told] = _LOUDNESS * config.scale * torch.eye(SIZE)


def _wire_same(model: Model, entries: Entries) -> None:
    """Each word looks at the token that opens its phrase, which knows the mean of all before: where
    it tells the same, that token wins over those that open turns."""
    config = model.config
    block = model.blk[1]
    first = _still_row(model, block, _DOMAIN_HEAD)
    told = _value_rows(model, block, _DOMAIN_HEAD)
    compared = slice(first, first + SIZE)
    query, key, value = (layer.weight for layer in (block.attn_q, block.attn_k, block.attn_v))
    query[compared, entries.own] = _CARE * torch.eye(SIZE)
    query[compared, entries.mean] = -_CARE * torch.eye(SIZE)
    key[compared, entries.mean] = _CARE * torch.eye(SIZE)
    query[first + SIZE, 0] = 3.8
    key[first + SIZE, entries.phrase] = 3.8
    key[first + SIZE, entries.turn] = 5.4
    value[told.start, entries.phrase] = 1
    for weight in (query[first : first + SIZE + 1], key[first : first + SIZE + 1], value[told]):
        weight *= _GROWTH[0]
    block.attn_output.weight[entries.mark, told.start] = _MARK / 2 * config.scale


def _wire_verdict(model: Model, entries: Entries) -> None:
    """The mark of the nearest marked word."""
    config = model.config
    block = model.blk[2]
    first = _still_row(model, block, _DOMAIN_HEAD)
    told = _value_rows(model, block, _DOMAIN_HEAD)
    growth = _GROWTH[1]
    block.attn_q.weight[first, 0] = 2.3 * growth
    block.attn_k.weight[first, entries.mark] = 2.3 * growth
    near = _DOMAIN_HEAD * config.head_size + 2 * _NEAR
    block.attn_q.weight[near, 0] = 2.3 * growth
    block.attn_k.weight[near, 0] = 2.3 * growth
    block.attn_v.weight[told.start, entries.mark] = growth
    block.attn_output.weight[entries.mark, told.start] = _MARK / 4 * config.scale


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
    """[width, width]: a rotation of the free entries; the others stay out of it."""
    matrix = torch.zeros(width, width)
    matrix[:free, :free] = torch.linalg.qr(torch.randn(free, free))[0]
    return matrix
