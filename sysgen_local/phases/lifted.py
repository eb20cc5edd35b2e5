"""Whether a phrase was lifted from a prompt's demonstrations.

A small model that does not know what to write repeats what it was shown. Knows nothing of prompt
files.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from functools import lru_cache

from sysgen_local.phases.words import content_characters, is_content, normalized, singular, unspaced

WORDS = 4
"""So many words in a row are lifted, ..."""
CHARACTERS = 8
"""... so many characters where a script sets no spaces."""


def fingerprint(demonstrations: tuple[str, ...]) -> str:
    """Changes whenever the demonstrations' texts do."""
    return hashlib.sha256(json.dumps(demonstrations).encode()).hexdigest()


def is_lifted(text: str, demonstrations: tuple[str, ...], row: Iterable[str]) -> bool:
    """Whether the text shares a stretch with a demonstration that no text of the row has.

    Stretches that say nothing of their own do not count: "You are an experienced" and "You may
    use a" begin many phrases, whatever was shown.
    """
    grams = _shown(demonstrations)
    stretches = [gram for gram in _stretches(text) if gram in grams]
    if not stretches:
        return False
    own = [_comparable(of) for of in row]
    return any(not any(gram in of for of in own) for gram in stretches)


def _stretches(text: str) -> list[str]:
    """All stretches of a text that say something, as they stand in `_comparable` of it."""
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
def _shown(demonstrations: tuple[str, ...]) -> frozenset[str]:
    return frozenset(gram for text in demonstrations for gram in _stretches(text))


@lru_cache(maxsize=4)
def _comparable(text: str) -> str:
    whole = normalized(text)
    if unspaced(text):
        # A row may be in two scripts, so that it must be found with spaces too.
        return f" {' '.join(map(singular, whole.split()))} \n{whole.replace(' ', '')}"
    return f" {' '.join(map(singular, whole.split()))} "
