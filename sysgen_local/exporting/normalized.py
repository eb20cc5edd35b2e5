"""Normalises a text for comparing: words in lower case, numbers and operators unchanged.

Case, spaces and punctuation are ignored, but the signs of a formula are not: `x^2-4` and `x^2+4`
are two problems. A sign that may be either counts as part of a formula: it is better to keep a
duplicate than to remove a row that is none.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import NamedTuple

Token = re.Match[str]

_TOKEN = re.compile(
    r"(?P<number>\d+(?:[.,:]\d+)*)|(?P<word>[^\W\d_]+)|(?P<command>\\[a-z]+)|(?P<mark>\S)"
)
_MINUS = str.maketrans(dict.fromkeys("\u2010\u2011\u2012\u2013\u2212", "-"))
_ALWAYS = frozenset("+^=<>%$€£°&|~@\\")
_BETWEEN = frozenset("-*/_")
_BRACKETS = frozenset("()[]{}")


class NormalizedText(NamedTuple):
    """`plain`: words, numbers and operators, separated by single spaces. `exact`: only the numbers
    and operators."""

    plain: str
    exact: tuple[str, ...]

    @property
    def ngrams(self) -> set[str]:
        """All character 5-grams of `plain`."""
        return {self.plain[i : i + 5] for i in range(max(1, len(self.plain) - 4))}

    def word_ngrams(self, words: int) -> Iterator[str]:
        """All n-grams of this many words or numbers, with the operators between them."""
        tokens = self.plain.split()
        places = [i for i, token in enumerate(tokens) if token[0].isalnum()]
        for first, last in zip(places, places[words - 1 :], strict=False):
            yield " ".join(tokens[first : last + 1])


def normalized(text: str) -> NormalizedText:
    """The text in normalised form."""
    text = unicodedata.normalize("NFC", text).lower().translate(_MINUS)
    tokens: list[Token | None] = [None, *_TOKEN.finditer(text), None]
    plain, exact = [], []
    for before, token, after in zip(tokens, tokens[1:], tokens[2:], strict=False):
        assert token is not None
        what = token[0]
        if token["word"] and not any(_is_figure(letter) for letter in what):
            plain.append(what)
        elif token["mark"] and unicodedata.category(what)[0] == "M":
            plain.append(what)  # part of a letter
        elif not token["mark"] or _counts(token, before, after):
            plain.append(what)
            exact.append(what)
    return NormalizedText(" ".join(plain), tuple(exact))


def _counts(mark: Token, before: Token | None, after: Token | None) -> bool:
    """Whether a sign is part of a formula or of code, not punctuation."""
    what = mark[0]
    touches_before = before is not None and before.end() == mark.start()
    touches_after = after is not None and after.start() == mark.end()
    if _is_operator(what) or _is_figure(what):
        return True
    if what in _BRACKETS:  # (2+3)*4, but not: an example (see below)
        return any(of is not None and _is_formula(of) for of in (before, after))
    if what in _BETWEEN:
        if not _is_operand(after):
            return False
        if not _is_operand(before):
            return what == "-" and touches_after  # a negative number
        if before is not None and after is not None and before["word"] and after["word"]:
            # x-y and price * rate, but not: well-known, and/or
            short = min(len(before[0]), len(after[0])) == 1
            return short or not (touches_before or touches_after)
        return True
    if what == "!":  # 5! and n! and !=
        return (touches_before and before is not None and _is_formula(before)) or (
            touches_after and after is not None and after[0] == "="
        )
    return what == "#" and touches_before and _is_operand(before)  # C# is not C


def _is_operator(mark: str) -> bool:
    return mark in _ALWAYS or unicodedata.category(mark) == "Sm"


def _is_figure(letter: str) -> bool:
    """Whether it is a sign such as \u00b2, which Python counts as a letter."""
    return unicodedata.category(letter) in ("No", "Nl")


def _is_operand(token: Token | None) -> bool:
    return token is not None and (not token["mark"] or token[0] in _BRACKETS)


def _is_formula(token: Token) -> bool:
    """Whether it is a number, an operator, or a single letter."""
    if token["word"]:
        return len(token[0]) == 1
    if token["mark"]:
        return _is_operator(token[0]) or token[0] in "*/-" or token[0] in _BRACKETS
    return True
