"""A random sample of rows with about the same number from each dataset.

Every file is read once, to its end. Only the rows of the samples are kept, so memory does not grow
with the number of rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from random import Random
from typing import Generic, NamedTuple, TypeVar

from sysgen_local.core.records import Conversation, Reject, Source

T = TypeVar("T")


class SampledRows(NamedTuple):
    """The rows drawn from one source, in the order of the source."""

    source: Source
    rows: tuple[Conversation, ...]


class Reservoir(Generic[T]):
    """A uniform random sample of `size` of the offered items (reservoir sampling, algorithm R:
    Vitter 1985)."""

    def __init__(self, size: int, random: Random) -> None:
        self._size = size
        self._random = random
        self._held: list[tuple[int, T]] = []
        self._offered = 0

    def offer(self, item: T) -> None:
        """Keeps the item or drops it. A kept item replaces a random one."""
        if len(self._held) < self._size:
            self._held.append((self._offered, item))
        elif (place := self._random.randrange(self._offered + 1)) < self._size:
            self._held[place] = (self._offered, item)
        self._offered += 1

    def __len__(self) -> int:
        return len(self._held)

    def take(self, count: int) -> list[T]:
        """A random choice of `count` kept items, in the order in which they were offered."""
        chosen = self._random.sample(self._held, count)
        return [item for _, item in sorted(chosen, key=lambda pair: pair[0])]


def draw(
    groups: Sequence[Sequence[Source]],
    rows: int,
    seed: int,
    records: Callable[[Source], Iterable[Conversation | Reject]],
) -> list[SampledRows]:
    """Draws `rows` usable rows, or all where there are fewer, in the order of the input.

    A group is one dataset, perhaps in several files. All groups get the same number of rows, as far
    as they have them. Within a group, each row has the same probability. The same seed draws the
    same rows. `records` reads a source.
    """
    reservoirs = []
    for number, group in enumerate(groups):
        reservoir: Reservoir[tuple[Source, Conversation]] = Reservoir(
            rows, Random(f"{seed}:{number}")
        )
        for source in group:
            for record in records(source):
                if isinstance(record, Conversation):
                    reservoir.offer((source, record))
        reservoirs.append(reservoir)
    drawn: dict[str, list[Conversation]] = {}
    counts = shares([len(reservoir) for reservoir in reservoirs], rows, Random(seed))
    for reservoir, count in zip(reservoirs, counts, strict=True):
        for source, conversation in reservoir.take(count):
            drawn.setdefault(source.path, []).append(conversation)
    return [
        SampledRows(source, tuple(drawn[source.path]))
        for group in groups
        for source in group
        if source.path in drawn
    ]


def shares(sizes: Sequence[int], count: int, random: Random) -> list[int]:
    """How many items to take from each group: `count` in total, evenly, and from no group more than
    its size. Where `count` cannot be divided evenly, the groups that get one more are random."""
    order = list(range(len(sizes)))
    random.shuffle(order)
    taken = [0] * len(sizes)
    while count and (left := [i for i in order if taken[i] < sizes[i]]):
        for i in left[:count]:
            taken[i] += 1
        count -= len(left[:count])
    return taken
