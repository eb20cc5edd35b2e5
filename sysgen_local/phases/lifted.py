"""Finds phrases that a model copied ("lifted") from the demonstrations in its prompt.

Small models do that when they have no phrase of their own.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from functools import lru_cache

from sysgen_local.phases.words import content_characters, is_content, normalized, singular, unspaced

WORDS = 4
"""Length of a word n-gram that counts as copied."""
CHARACTERS = 8
"""Length of a character n-gram that counts as copied, in scripts without spaces."""


def fingerprint(demonstrations: tuple[str, ...]) -> str:
    """SHA-256 of the demonstrations' texts."""
    return hashlib.sha256(json.dumps(demonstrations).encode()).hexdigest()


def is_lifted(text: str, demonstrations: tuple[str, ...], row: Iterable[str]) -> bool:
    """Whether the text shares an n-gram with a demonstration that no text of the row has.

    Only n-grams with content words count: "You are an experienced" and "You may use a" begin many
    phrases, with or without demonstrations.
    """
    demonstrated = _demonstrated(demonstrations)
    shared = [ngram for ngram in _ngrams(text) if ngram in demonstrated]
    if not shared:
        return False
    own = [_comparable(of) for of in row]
    return any(not any(ngram in of for of in own) for ngram in shared)


def _ngrams(text: str) -> list[str]:
    """All n-grams of a text that have content, in the spelling of `_comparable`."""
    if unspaced(text):
        whole = normalized(text).replace(" ", "")
        pieces = (whole[i : i + CHARACTERS] for i in range(len(whole) - CHARACTERS + 1))
        return [piece for piece in pieces if content_characters(piece) >= 3]
    words = normalized(text).split()
    return [
        f" {' '.join(map(singular, words[i : i + WORDS]))} "
        for i in range(len(words) - WORDS + 1)
        if sum(map(is_content, words[i : i + WORDS])) >= 2
    ]


@lru_cache(maxsize=8)
def _demonstrated(demonstrations: tuple[str, ...]) -> frozenset[str]:
    return frozenset(ngram for text in demonstrations for ngram in _ngrams(text))


@lru_cache(maxsize=4)
def _comparable(text: str) -> str:
    """The text in which n-grams are searched: normalised, words without plural endings."""
    whole = normalized(text)
    if unspaced(text):
        # A row may be in two scripts, so the text with spaces is needed too.
        return f" {' '.join(map(singular, whole.split()))} \n{whole.replace(' ', '')}"
    return f" {' '.join(map(singular, whole.split()))} "
