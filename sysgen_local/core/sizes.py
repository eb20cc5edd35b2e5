"""How long the texts of rows are."""

from __future__ import annotations

from operator import sub
from typing import NamedTuple

LONGEST = 5000
"""Bytes of an old answer beyond which a new one is expected to be no longer."""


class Size(NamedTuple):
    """Texts of some rows: bytes of what the user and the assistant say, and how many answers.
    `usable` are the answers again, none with more than LONGEST bytes: new ones are bounded."""

    rows: float = 0.0
    asked: float = 0.0
    answered: float = 0.0
    answers: float = 0.0
    usable: float = 0.0

    def plus(self, other: Size) -> Size:
        return Size(*(a + b for a, b in zip(self, other, strict=True)))

    def minus(self, other: Size) -> Size:
        return Size(*map(sub, self, other))

    def times(self, factor: float) -> Size:
        return Size(*(a * factor for a in self))
