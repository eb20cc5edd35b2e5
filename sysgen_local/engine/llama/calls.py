"""Which sequences are decoded in one call, where some are much longer than the rest.

What: llama.cpp computes attention for all sequences of a call over the cells of the longest. So a
few long ones are decoded in a call of their own where that costs less.
Why: otherwise one row of 8,000 tokens makes a step of fifteen rows of 300 tokens several times as
dear.
All costs are in cells: a cell is the attention of one token to one other token, in all layers.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import inf
from typing import Any, NamedTuple

import llama_cpp

from sysgen_local.engine.llama.plan import head_sizes
from sysgen_local.engine.llama.slot_sizes import round_up_to_cells

PASS_TOKENS = 4
"""Tokens whose computation costs as much as a call more, that is a pass over the weights. On two
cores it was one to two with Qwen2.5-Coder-0.5B in Q4_K_M, where computing is the bound, and eight
in the profile in benchmarks/README.md."""

CELL_FACTOR = 6.0
"""How much longer an operation of attention takes than one with the weights: 5.6 on two cores with
Qwen2.5-Coder-0.5B in Q4_K_M, where a cell took 4.4 us and a token 11.5 ms (docs/engine.md)."""


class AttentionCosts(NamedTuple):
    """How many cells cost as much as a token's pass through the weights, and as a call more.
    Infinite where long sequences are not decoded apart."""

    token_cells: float = inf
    call_cells: float = inf


def attention_costs(model: Any) -> AttentionCosts:
    """The costs of a model on a CPU.

    A token takes 2 operations for each parameter, a cell 2 for each number of a key and of a value
    in all heads of queries. Models without attention have no long sequences.
    """
    if llama_cpp.llama_model_is_recurrent(model):
        return AttentionCosts()
    heads = int(llama_cpp.llama_model_n_head(model)) * int(llama_cpp.llama_model_n_layer(model))
    cell = 2 * max(1, heads * sum(head_sizes(model))) * CELL_FACTOR
    token = 2 * int(llama_cpp.llama_model_n_params(model)) / cell
    return AttentionCosts(token, PASS_TOKENS * token)


def first_long(cells: Sequence[int], call_cells: float) -> int:
    """Where to cut sequences with so many cells, in ascending order, so that those from this index
    on are decoded apart; their number where one call is cheapest. `call_cells`: what a call more
    costs."""
    count = len(cells)
    if not count:
        return 0
    most = round_up_to_cells(cells[-1])
    saved, cut = max(
        ((most - round_up_to_cells(cells[i - 1])) * i, i) for i in range(1, count + 1)
    )  # a cut at the end saves nothing
    return cut if saved > call_cells else count


def calls(slots: Sequence[int], cells: Sequence[int], call_cells: float) -> list[list[int]]:
    """The indices of the sequences of each call, each in ascending order of their slots. `slots`
    are in ascending order; `cells` are those of each.

    llama.cpp makes several calls of one whose slots are no neighbours. Where that takes away what
    calls of their own save, all are in one.
    """
    whole = list(range(len(slots)))
    groups = _groups(sorted(whole, key=cells.__getitem__), cells, call_cells)
    if len(groups) == 1:
        return [whole]

    def cost(group: list[int]) -> float:
        parts = 1 + sum(slots[i] + 1 != slots[j] for i, j in pairwise(group))
        return parts * call_cells + len(group) * round_up_to_cells(max(cells[i] for i in group))

    return groups if sum(map(cost, groups)) < cost(whole) else [whole]


def _groups(order: list[int], cells: Sequence[int], call_cells: float) -> list[list[int]]:
    """The indices `order`, in ascending order of their cells, cut as often as it pays."""
    cut = first_long([cells[i] for i in order], call_cells)
    if cut == len(order):
        return [sorted(order)]
    return _groups(order[:cut], cells, call_cells) + _groups(order[cut:], cells, call_cells)
