"""A few rows drawn by chance over whole datasets, which get evenly many.

Every file is read once, to its end, and only rows that may still be taken are held: memory does
not grow with the number of rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from random import Random
from typing import Generic, NamedTuple, TypeVar

from sysgen_local.core.records import Conversation, Reject, Source

T = TypeVar("T")


class Drawn(NamedTuple):
    """The rows drawn from one source, in its order."""

    source: Source
    rows: tuple[Conversation, ...]


class Reservoir(Generic[T]):
    """`size` of the items that are offered, each as likely as any other (algorithm R)."""

    def __init__(self, size: int, random: Random) -> None:
        self._size = size
        self._random = random
        self._held: list[tuple[int, T]] = []
        self._offered = 0

    def offer(self, item: T) -> None:
        """Takes the item in or lets it go; every item held has the same chance to make room."""
        if len(self._held) < self._size:
            self._held.append((self._offered, item))
        elif (place := self._random.randrange(self._offered + 1)) < self._size:
            self._held[place] = (self._offered, item)
        self._offered += 1

    def __len__(self) -> int:
        return len(self._held)

    def take(self, count: int) -> list[T]:
        """So many of those that are held, by chance, in the order in which they were offered."""
        chosen = self._random.sample(self._held, count)
        return [item for _, item in sorted(chosen, key=lambda pair: pair[0])]


def draw(
    groups: Sequence[Sequence[Source]],
    rows: int,
    seed: int,
    records: Callable[[Source], Iterable[Conversation | Reject]],
) -> list[Drawn]:
    """`rows` usable rows in the order of the input, or all where there are fewer.

    Each group gets as many as any other, as far as it has them. Within a group, which may be one
    dataset in several files, each row is as likely as any other. The same seed draws the same
    rows. `records` reads a source.
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
        Drawn(source, tuple(drawn[source.path]))
        for group in groups
        for source in group
        if source.path in drawn
    ]


def shares(sizes: Sequence[int], count: int, random: Random) -> list[int]:
    """How many to take from each of so many: evenly, none more than it has. Chance decides who
    gets one more where it does not come out even."""
    order = list(range(len(sizes)))
    random.shuffle(order)
    taken = [0] * len(sizes)
    while count and (left := [i for i in order if taken[i] < sizes[i]]):
        for i in left[:count]:
            taken[i] += 1
        count -= len(left[:count])
    return taken
