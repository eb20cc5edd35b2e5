"""How many steps an engine takes for rows in its slots and in a queue."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from itertools import chain, cycle

from sysgen_local.running.forecast.lengths import spread

SIMULATED = 300
"""Rows at the end of the queue that are followed one by one."""

_EVEN = spread(0.5, 16)
MULTIPLES = tuple(_EVEN[i * 7 % len(_EVEN)] for i in range(len(_EVEN)))
"""By what rows differ from their mean, large and small in turns."""


def steps(chains: Sequence[float], queue: Sequence[tuple[float, float]], slots: int) -> float:
    """Steps until all is done: each step takes every row in a slot one further on its chain, and
    a slot that falls free takes the next row, of those in work first. The queue's rows differ in
    length around the mean.
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
