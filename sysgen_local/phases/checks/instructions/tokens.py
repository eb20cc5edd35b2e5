"""Splits a text into words as the word tokenizer of NLTK 3.9 does (the rules of the Penn Treebank),
as far as it matters for words in capital letters: what is cut off from a word, and what is not.

Short forms are two words ("DON'T" is DO and N'T), hyphens and slashes do not separate words, and a
period stays with its word but at the end of a sentence.
"""

from __future__ import annotations

import re

from sysgen_local.phases.checks.instructions.sentences import split

_OPENING = re.compile("[«“‘„]|`+")
_QUOTE_BEFORE = re.compile(r"(?i)'(?!re|ve|ll|m|t|s|d|n)(?=\w\b)")
_LAST_PERIOD = re.compile(r"(?<=[^.])\.(?=[\])}>\"'’”» ]*\s*$)")
_SPLIT_OFF = re.compile("(?:[:,](?!\\d)|\\.{2,}|[;@#$%&?!*»”’\"\\[\\](){}<>]|--|'')")
_CLOSING_QUOTE = re.compile(r"(?<=[^' ])('s|'m|'d|') ", re.IGNORECASE)
_SHORT = re.compile(r"(?<=[^' ])('ll|'LL|'re|'RE|'ve|'VE|n't|N'T) ")
_JOINED = re.compile(
    r"(?i)\b(can)(not)\b|\b(d)('ye)\b|\b(gim)(me)\b|\b(gon)(na)\b|\b(got)(ta)\b|\b(lem)(me)\b"
    r"|\b(more)('n)\b|\b(wan)(na)(?=\s)"
)
_IT = re.compile(r"(?i)(?<= )('t)(is|was)\b")


def words(text: str) -> list[str]:
    """The words and signs of a text."""
    return [word for sentence in split(text) for word in _words(sentence)]


def _words(sentence: str) -> list[str]:
    text = _OPENING.sub(r" \g<0> ", sentence)
    text = _QUOTE_BEFORE.sub("' ", text)
    text = _LAST_PERIOD.sub(" . ", text)
    text = f" {_SPLIT_OFF.sub(_spaced, text)} "
    text = " ".join(["", *text.split(), ""])
    text = _CLOSING_QUOTE.sub(r" \1 ", text)
    text = _SHORT.sub(r" \1 ", text)
    text = _JOINED.sub(_parted, text)
    return _IT.sub(r" \1 \2 ", text).split()


def _spaced(found: re.Match[str]) -> str:
    return f" {found[0]} "


def _parted(found: re.Match[str]) -> str:
    return f" {' '.join(part for part in found.groups() if part)} "
