"""A start that can already copy: previous-token heads and the induction heads that build on them.

Heads of block 0 write the previous token beside each token; heads of blocks 1 to 3 look for the
place whose previous token is the present one, and fetch what stands there. Training may change all
of it. Without this start a model of this size does not learn to copy within minutes.
"""

from __future__ import annotations

import torch
from torch import Tensor

from builtin_model.model import Model
from builtin_model.rotary import FREQUENCIES, angles

_CONSTANT = 5.0
"""First entry of each embedding, in units of the others' spread."""

_SHARPNESS = 4.5
"""How firmly a previous-token head looks one step back."""

_PAIRS = 5
"""Rotary pairs, the fastest ones, by which it does so."""

_INDUCTION = ((1, (0, 1)), (2, (0,)), (3, (1,)))
"""Block and which previous-token heads its induction heads build on."""


@torch.no_grad()
def wire(model: Model) -> None:
    """Set the heads' weights, in place."""
    config = model.config
    size = config.head_size
    model.token_embd.weight[:, 0] = _CONSTANT * config.scale
    read = _orthogonal(config.width)
    written = _orthogonal(config.width)
    for head in (0, 1):
        _wire_previous(model, head, read, written)
    rotating = 2 * len(FREQUENCIES)
    for number, heads in _INDUCTION:
        if number >= config.layers:
            break
        block = model.blk[number]
        fetched = _orthogonal(config.width)
        for head in heads:
            rows = slice(head * size, (head + 1) * size)
            still = slice(head * size + rotating, (head + 1) * size)
            matched = slice(head * size, head * size + size - rotating)
            block.attn_q.weight[rows] = 0
            block.attn_k.weight[rows] = 0
            block.attn_q.weight[still] = 2 * read[matched]
            block.attn_k.weight[still] = 2 * written[:, matched].t()
            block.attn_v.weight[rows] = fetched[rows]
            block.attn_output.weight[:, rows] = 3 * config.scale * fetched[rows].t()


def _wire_previous(model: Model, head: int, read: Tensor, written: Tensor) -> None:
    """A head of block 0 that looks one token back, by position alone."""
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
        block.attn_q.weight[row, 0] = strength * torch.cos(angle)
        block.attn_q.weight[row + 1, 0] = -strength * torch.sin(angle)
    block.attn_v.weight[rows] = read[rows]
    block.attn_output.weight[:, rows] = 1.5 * config.scale * written[:, rows]


def _orthogonal(width: int) -> Tensor:
    return torch.linalg.qr(torch.randn(width, width))[0]
