"""Text lengths of rows, for the forecast of a run's time."""

from __future__ import annotations

from operator import sub
from typing import NamedTuple

BYTES_PER_TOKEN = 3
"""A low estimate: few tokenizers make more tokens of a text in any language or of code."""

LONGEST = 5000
"""A new answer is expected to be no longer than this many bytes, however long the old one is."""


class Size(NamedTuple):
    """Sums over some rows. `rows`: their number. `asked`: bytes of the user's turns and of calls
    and results. `answered`: bytes of the answers. `answers`: number of answers. `usable`: bytes of
    the answers, each counted with at most LONGEST bytes."""

    rows: float = 0.0
    asked: float = 0.0
    answered: float = 0.0
    answers: float = 0.0
    usable: float = 0.0

    def plus(self, other: Size) -> Size:
        """The sum, field by field."""
        return Size(*(a + b for a, b in zip(self, other, strict=True)))

    def minus(self, other: Size) -> Size:
        """The difference, field by field."""
        return Size(*map(sub, self, other))

    def times(self, factor: float) -> Size:
        """Each field multiplied by `factor`."""
        return Size(*(a * factor for a in self))
