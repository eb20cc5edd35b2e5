"""Chooses the tokens of a slot from the lengths of the rows.

What: a run may have a few rows much longer than the rest. They are left to a later pass with fewer
and larger slots where that takes hardly longer.
Why: the memory is then what the other rows need, and where it is short they have more slots.
"""

from __future__ import annotations

from collections.abc import Sequence

from sysgen_local.engine.options import Lengths
from sysgen_local.engine.request import Costs

WRITTEN = 500
"""Tokens that a row writes, as an estimate: phrases and an answer."""

RELOAD_STEPS = 1000
"""What another pass costs, in steps: the weights are loaded, and prefixes are decoded again. Ten
seconds to a minute on two cores, five on a large GPU."""

TOLERANCE = 1.1
"""Up to so many times as long a run may take, for less memory."""

FEW = 0.05
"""Share of the rows that may come later for less memory."""

CELL_PADDING = 256
"""llama.cpp rounds the cells of a stream, and those that a call attends to, up to a multiple of
this."""

LEAST = 1024
"""Tokens of a slot at least, as far as the model allows."""


def round_up_to_cells(tokens: int) -> int:
    """The tokens rounded up to a multiple of CELL_PADDING, as llama.cpp does."""
    return -(-tokens // CELL_PADDING) * CELL_PADDING


def slot_tokens(lengths: Lengths, *, trained: int, cells: int, slots: int, costs: Costs) -> int:
    """Tokens of a slot, a multiple of 256, for rows of these lengths (one at least) in a KV cache
    of `cells`. `trained`: context length of the model; `slots`: wanted; `costs`: of a step.

    Of the sizes that FEW rows exceed and that take at most TOLERANCE times as long as the fastest
    of all, it is the smallest one; where there is none, the fastest.
    """
    longest = round_up_to_cells(min(trained, max(LEAST, lengths[-1][0])))
    sizes = sorted({round_up_to_cells(min(trained, max(LEAST, tokens))) for tokens, _ in lengths})
    times = {}
    for size in sizes:
        early = [of for of in lengths if min(of[0], trained) <= size]
        late = lengths[len(early) :]
        times[size] = _time(early, _slots(early, size, cells, slots), costs)
        if late:
            times[size] += _time(late, _slots(late, longest, cells, slots), costs)
            times[size] += RELOAD_STEPS * costs.fixed
    fastest = min(times, key=times.__getitem__)
    few = FEW * late_rows(lengths, 0)
    for size in sizes:
        if times[size] <= TOLERANCE * times[fastest] and late_rows(lengths, size) <= few:
            return size
    return fastest


def late_rows(lengths: Lengths, size: int) -> int:
    """How many rows are longer than a slot of this size."""
    return sum(rows for tokens, rows in lengths if tokens > size)


def _slots(lengths: Sequence[tuple[int, int]], size: int, cells: int, slots: int) -> int:
    """How many slots these rows have: no more than rows, and as many as there is memory for."""
    return max(1, min(slots, cells // size, sum(rows for _, rows in lengths)))


def _time(lengths: Sequence[tuple[int, int]], slots: int, costs: Costs) -> float:
    """The time of these rows in so many slots: each of their tokens is read, and a step is shared
    by all rows that write."""
    written = WRITTEN * (costs.written + costs.fixed / slots)
    return sum(rows * (costs.read * tokens + written) for tokens, rows in lengths)
