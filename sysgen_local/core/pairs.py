"""Preference pairs whose two answers rules choose."""

from __future__ import annotations

from typing import Literal, NamedTuple, get_args

PairRule = Literal["best-worst", "obey-violate", "conflict"]
PAIR_RULES: tuple[PairRule, ...] = get_args(PairRule)
"""How the two answers are chosen. best-worst: the answer that stays, over the worst one of the same
turn. obey-violate: the answer that stays, over one that breaks a phrase or the result. conflict:
the same under a user who asks for the opposite of a phrase, over an answer that does it."""


class RulePair(NamedTuple):
    """A pair of answers to one prompt. `at` is the place of the answer among the turns, from 1.
    `asks` is added to the user's turn before it, "" for nothing. `broken`: what the rejected answer
    does not do, as "sentences: exactly 1 sentence"."""

    at: int
    chosen: str
    rejected: str
    asks: str
    broken: tuple[str, ...]
