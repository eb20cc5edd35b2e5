"""Slots are as large as the rows of a run need, and a few longer rows come later."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sysgen_local.engine.llama.plan import KEPT_TOKENS, PREFIX_SLOTS, fit_layout
from sysgen_local.engine.llama.slot_sizes import late_rows, slot_tokens
from sysgen_local.engine.llama.step_costs import CPU_COSTS, GPU_COSTS
from sysgen_local.engine.options import Options

MANY = 10**9


@pytest.mark.parametrize(
    ("lengths", "cells", "size"),
    [
        (((300, 5),), MANY, 1024),
        (((2600, 50),), MANY, 2816),
        (((60_000, 50),), MANY, 32768),  # as much as the model can take
        (((2600, 4000), (32_000, 1)), MANY, 2816),
        (((2600, 100), (32_000, 1)), MANY, 2816),
        (((2600, 1000), (2900, 500), (5000, 30), (32_000, 1)), MANY, 3072),
        (((2600, 4), (32_000, 1)), MANY, 32_000),  # so few rows are not worth loading twice
        (((2600, 100), (5000, 100)), MANY, 5120),  # half of the rows are not few
        (((2600, 1000), (10_000, 100)), 10_240, 2816),  # but one slot for all takes longer
    ],
)
def test_the_size_follows_from_the_rows(lengths, cells, size):
    found = slot_tokens(lengths, trained=32768, cells=cells, slots=16, costs=CPU_COSTS)
    assert found == size


LENGTHS = st.dictionaries(st.integers(1, 60_000), st.integers(1, 10_000), min_size=1, max_size=20)


@given(LENGTHS, st.integers(1, 10**7), st.sampled_from([CPU_COSTS, GPU_COSTS]))
def test_a_size_is_one_that_rows_have(lengths, cells, costs):
    ordered = tuple(sorted(lengths.items()))
    found = slot_tokens(ordered, trained=32768, cells=cells, slots=16, costs=costs)
    assert found % 256 == 0
    assert found <= 32768
    assert found == 1024 or any(found - 256 < min(of, 32768) <= found for of in lengths)
    assert late_rows(ordered, found) < sum(lengths.values()) or found == 32768


def test_few_rows_get_no_more_slots_than_they_are():
    rows = Options(lengths=((2600, 4000), (32_000, 2)))
    layout = {"trained": 32768, "cells": MANY, "slots": 16}
    assert fit_layout(rows, **layout) == (16, 2816, 0, KEPT_TOKENS)
    late = Options(lengths=((32_000, 2),), least=2 * 2816, late_rows=2)
    assert fit_layout(late, **layout) == (2, 32_000, 0, KEPT_TOKENS)
    few = Options(lengths=((2600, 3), (9000, 2)))
    assert fit_layout(few, **layout) == (5, 9216, 0, KEPT_TOKENS)
    assert fit_layout(Options(lengths=few.lengths, slots=8), **layout)[:2] == (8, 9216)
    # Their prompts have as many prefixes as those of many rows.
    assert fit_layout(few, **layout, in_slots=True) == (5, 9216, PREFIX_SLOTS, 0)
    # More than was estimated, and longer.
    assert fit_layout(Options(least=5632, late_rows=40), **layout) == (16, 5632, 0, KEPT_TOKENS)
    # What a user sets stays.
    by_hand = Options(lengths=rows.lengths, context=8000, slots=3)
    assert fit_layout(by_hand, **layout)[:2] == (3, 8192)
