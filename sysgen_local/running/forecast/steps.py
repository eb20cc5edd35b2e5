"""Estimates how many steps an engine takes for the rows in its slots and in a queue."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from itertools import chain, cycle

from sysgen_local.running.forecast.lengths import spread

SIMULATED = 300
"""Number of rows at the end of the queue that are simulated one by one."""

_EVEN = spread(0.5, 16)
MULTIPLES = tuple(_EVEN[i * 7 % len(_EVEN)] for i in range(len(_EVEN)))
"""Multiples of the mean for the rows of a queue, large and small ones alternating."""


def steps(chains: Sequence[float], queue: Sequence[tuple[float, float]], slots: int) -> float:
    """The steps until all rows are finished. `chains` are the steps of rows in work, `queue` is
    (number of rows, mean steps of each).

    Each step advances every row in a slot by one. A free slot takes the next row: first rows in
    work, then rows of the queue, whose lengths vary around the mean.
    """
    slots = max(slots, 1)
    waiting = sum(rows for rows, _ in queue)
    bulk = max(0.0, waiting - SIMULATED)
    share = bulk / waiting if waiting else 0.0
    mean = sum(rows * each for rows, each in queue) / waiting if waiting else 0.0
    multiples = cycle(MULTIPLES)
    rows = chain.from_iterable(
        (each for _ in range(round(number * (1 - share)))) for number, each in queue
    )
    ends, ready = list(chains[:slots]), chains[slots:]
    free = [0.0] * (slots - len(ends)) + ends
    heapq.heapify(free)
    for each in chain(ready, (each * next(multiples) for each in rows)):
        heapq.heapreplace(free, free[0] + each)
    return max(free) + bulk * mean / slots
