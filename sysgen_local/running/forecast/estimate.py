"""What rows of a size will take in each phase, before any has been seen there."""

from __future__ import annotations

from typing import NamedTuple

from sysgen_local.core.sizes import Size
from sysgen_local.running.forecast.lengths import spread

BYTES_PER_TOKEN = 4.3
"""Of English; of other scripts in UTF-8 hardly less."""

NEW_ANSWER = (120.0, 0.75)
"""Tokens of a new answer: so many, and this share of the old one's. Models write answers that
differ less in length than those people wrote."""

AGAIN = 0.45
"""Answers that are written again by the checks, for each one that is checked."""

STEPS_OF_A_REQUEST = 2.0
"""Steps that a request takes beside those that write: its prompt gets into the batch in one or
more."""

READ = 0.3
"""How much work a token is that is read, beside one that is written, where rows are compared."""


class Tokens(NamedTuple):
    """What rows take in a phase."""

    read: float = 0.0
    written: float = 0.0
    requests: float = 0.0

    @property
    def work(self) -> float:
        """As so many written tokens."""
        return self.written + READ * self.read

    @property
    def steps(self) -> float:
        """Steps that take a slot for it."""
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
    """Each try is looked at in two prompts, with question and answers and with question and new
    answer; some of the answers are written again."""
    new = _new_answers(size)
    read = 150 * size.answers + (2 * size.asked + size.answered) / BYTES_PER_TOKEN + 2 * new
    tries = 1 + AGAIN
    return Tokens(tries * read, AGAIN * new, tries * 4 * size.answers)


def _new_answers(size: Size) -> float:
    base, share = NEW_ANSWER
    return base * size.answers + share * size.usable / BYTES_PER_TOKEN


def unknown(size: Size) -> Tokens:
    """A phase nobody knows anything of: what is seen are tokens a row then."""
    return Tokens(size.rows, size.rows, size.rows)


GUESSES = {
    "generate": (_generate, spread(0.2, 4)),
    "filter": (_filter, ()),
    "verify": (_verify, spread(0.2, 3)),
    "respond": (_respond, spread(0.7, 5)),
    "check": (_check, (0.5, 0.5, 0.5, 1.5, 2.0)),
}
"""Phase -> what rows of a size will take, and by what multiples they differ from that."""

USUAL = Size(1.0, 500.0, 700.0, 1.0, 700.0)
"""A row by whose like guesses are kept until others are seen."""
