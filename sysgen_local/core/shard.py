"""A shard: a part of the rows of the inputs, for a run on several machines."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Self

from sysgen_local.core.counted import counted
from sysgen_local.core.errors import UsageError


@dataclass(frozen=True, slots=True)
class Shard:
    """Those of `of` equal parts that have these numbers, from 1 to `of`, in ascending order. A
    store of `--shard` has one number. A merge of some of the shards has several."""

    numbers: tuple[int, ...]
    of: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """The shard I/N. Raises UsageError unless I and N are numbers, and 1 <= I <= N."""
        found = re.fullmatch(r"([0-9]{1,9})/([0-9]{1,9})", text.strip())
        number, of = (int(found[1]), int(found[2])) if found else (0, 0)
        if found is None or not of:
            raise UsageError(f"{text!r} is no shard", hint="a shard is I/N, for example 2/8")
        if not 1 <= number <= of:
            raise UsageError(
                f"there is no shard {number} of {of}", hint=f"its shards are 1/{of} to {of}/{of}"
            )
        return cls((number,), of)

    @classmethod
    def union(cls, shards: Iterable[Shard]) -> Self:
        """All these shards, which must be of the same number."""
        every = list(shards)
        return cls(tuple(sorted({number for one in every for number in one.numbers})), every[0].of)

    @property
    def missing(self) -> tuple[int, ...]:
        """The numbers of the other shards."""
        return tuple(number for number in range(1, self.of + 1) if number not in self.numbers)

    def holds(self, digest: int) -> bool:
        """Whether what has this digest belongs to the shard."""
        return digest % self.of + 1 in self.numbers

    def __str__(self) -> str:
        return f"{listed(self.numbers)} of {self.of}"


def described(facts: Mapping[str, Any]) -> str:
    """A line about a shard: `facts` are its `numbers`, `of`, and the rows of all inputs, `input`
    (see `store.shards.facts`)."""
    shard = Shard(tuple(facts["numbers"]), facts["of"])
    return f"{shard}; all inputs have {counted(facts['input'], 'row')}"


def listed(numbers: Iterable[int]) -> str:
    """The numbers of shards in words: "shard 2", "shards 1, 3 and 4"."""
    *others, last = map(str, numbers)
    return f"shards {', '.join(others)} and {last}" if others else f"shard {last}"
