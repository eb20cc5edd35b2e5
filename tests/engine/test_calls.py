"""Much longer sequences are decoded in calls of their own, where that is cheaper."""

from itertools import pairwise
from math import inf

import llama_cpp
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny import HEAD, HEADS, LAYERS, make

from sysgen_local.engine.llama import weights
from sysgen_local.engine.llama.calls import (
    CELL_FACTOR,
    PASS_TOKENS,
    attention_costs,
    calls,
    first_long,
)


def cost(slots: list[int], cells: list[int], groups: list[list[int]], call_cells: float) -> float:
    """As llama.cpp computes: neighbours together, over the longest of them, rounded up."""
    total = 0.0
    for group in groups:
        parts = 1 + sum(slots[a] + 1 != slots[b] for a, b in pairwise(group))
        most = max(cells[i] for i in group)
        total += parts * call_cells + len(group) * (-(-most // 256) * 256)
    return total


@pytest.mark.parametrize(
    ("cells", "cut"),
    [
        ([], 0),
        ([8000], 1),
        ([300] * 16, 16),
        ([300] * 15 + [8000], 15),
        ([300] * 15 + [1200], 16),  # 15 * 1024 - 15 * 256 cells are less than a call
        ([300] * 15 + [1600], 15),
        ([300, 8000], 2),  # one that writes beside one: a call is dearer
        ([300] * 12 + [6000] * 4, 12),
    ],
)
def test_long_ones_are_those_that_cost_the_others_more_than_a_call(cells, cut):
    assert first_long(cells, 15_000) == cut


@pytest.mark.parametrize(
    ("slots", "cells", "groups"),
    [
        (range(4), [300] * 4, [[0, 1, 2, 3]]),
        (range(4), [300, 300, 300, 9000], [[0, 1, 2], [3]]),
        (range(4), [9000, 300, 300, 300], [[1, 2, 3], [0]]),
        # In the middle a long one takes two calls more; that must pay as well.
        (range(4), [300, 9000, 300, 300], [[0, 2, 3], [1]]),
        (range(4), [300, 6000, 300, 300], [[0, 1, 2, 3]]),
        # Where there is a gap already, it costs none.
        ([0, 1, 2, 9], [300, 300, 300, 6000], [[0, 1, 2], [3]]),
        (range(6), [300, 300, 300, 9000, 30000, 30000], [[0, 1, 2], [3], [4, 5]]),
    ],
)
def test_sequences_are_cut_into_calls(slots, cells, groups):
    assert calls(list(slots), cells, 10_000) == groups


@given(
    st.dictionaries(st.integers(0, 40), st.integers(1, 40_000), min_size=1, max_size=16),
    st.sampled_from([1.0, 1e3, 1.5e4, 1e6, inf]),
)
def test_each_sequence_is_in_one_call_and_calls_never_cost_more_than_one(lengths, call_cells):
    slots = sorted(lengths)
    cells = [lengths[slot] for slot in slots]
    groups = calls(slots, cells, call_cells)
    assert sorted(i for group in groups for i in group) == list(range(len(slots)))
    assert all(group == sorted(group) for group in groups)
    whole = [list(range(len(slots)))]
    assert cost(slots, cells, groups, call_cells) <= cost(slots, cells, whole, call_cells)
    if call_cells == inf:
        assert groups == whole


def test_costs_follow_from_the_models_shape(tmp_path):
    model = weights.load(make(tmp_path / "tiny.gguf", "llama"), 0)
    costs = attention_costs(model)
    parameters = llama_cpp.llama_model_n_params(model)
    cell = 4 * HEADS * HEAD * LAYERS * CELL_FACTOR
    assert costs.token_cells == pytest.approx(2 * parameters / cell)
    assert costs.call_cells == pytest.approx(PASS_TOKENS * costs.token_cells)
    recurrent = weights.load(make(tmp_path / "mamba.gguf", "mamba"), 0)
    assert attention_costs(recurrent) == (inf, inf)
