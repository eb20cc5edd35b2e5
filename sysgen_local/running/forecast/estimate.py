"""The first estimate of the work of rows in each phase, by the lengths of their texts."""

from __future__ import annotations

from typing import NamedTuple

from sysgen_local.core.sizes import Size
from sysgen_local.running.forecast.lengths import spread

BYTES_PER_TOKEN = 4.3
"""Bytes for each token of English; other scripts in UTF-8 have hardly fewer."""

NEW_ANSWER = (120.0, 0.75)
"""Tokens of a new answer: this number plus this share of the old one's. The lengths of answers by
models vary less than those of answers by people."""

AGAIN = 0.45
"""Answers that the checks write again, for each checked answer."""

STEPS_OF_A_REQUEST = 2.0
"""Steps of a request in addition to those that write: its prompt is decoded in one or more."""

READ = 0.3
"""The work of a token that is read, if one that is written is 1. For comparing rows."""


class Tokens(NamedTuple):
    """The work of rows in a phase."""

    read: float = 0.0
    written: float = 0.0
    requests: float = 0.0

    @property
    def work(self) -> float:
        """The work as a number of written tokens."""
        return self.written + READ * self.read

    @property
    def steps(self) -> float:
        """The steps in which it occupies a slot."""
        return self.written + STEPS_OF_A_REQUEST * self.requests

    def plus(self, other: Tokens) -> Tokens:
        return Tokens(*(a + b for a, b in zip(self, other, strict=True)))

    def times(self, factor: float) -> Tokens:
        return Tokens(*(a * factor for a in self))


def _generate(size: Size) -> Tokens:
    read = 40 * size.rows + (size.asked + size.answered) / BYTES_PER_TOKEN
    return Tokens(read, 110 * size.rows, size.rows)


def _filter(size: Size) -> Tokens:
    return Tokens()


def _verify(size: Size) -> Tokens:
    return Tokens(160 * size.rows + size.asked / BYTES_PER_TOKEN, 0.0, 6 * size.rows)


def _respond(size: Size) -> Tokens:
    read = 100 * size.answers + size.asked / BYTES_PER_TOKEN
    return Tokens(read, _new_answers(size), size.answers)


def _check(size: Size) -> Tokens:
    """Each answer is judged with two prompts: question with both answers, question with the new
    answer. Some answers are written again."""
    new = _new_answers(size)
    read = 150 * size.answers + (2 * size.asked + size.answered) / BYTES_PER_TOKEN + 2 * new
    tries = 1 + AGAIN
    return Tokens(tries * read, AGAIN * new, tries * 4 * size.answers)


def _new_answers(size: Size) -> float:
    base, share = NEW_ANSWER
    return base * size.answers + share * size.usable / BYTES_PER_TOKEN


def unknown(size: Size) -> Tokens:
    """For a phase without an estimate: one token for each row, so multiples are tokens per row."""
    return Tokens(size.rows, size.rows, size.rows)


GUESSES = {
    "generate": (_generate, spread(0.2, 4)),
    "filter": (_filter, ()),
    "verify": (_verify, spread(0.2, 3)),
    "respond": (_respond, spread(0.7, 5)),
    "check": (_check, (0.5, 0.5, 0.5, 1.5, 2.0)),
}
"""Phase -> (estimate for rows of a size, multiples by which rows differ from it)."""

USUAL = Size(1.0, 500.0, 700.0, 1.0, 700.0)
"""The size of a usual row. Three of them stand for the first estimate until rows are finished."""
