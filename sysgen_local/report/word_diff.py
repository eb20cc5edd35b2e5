"""Which words of two texts differ, for marks in both of them.

The matching is that of `difflib` of the standard library (Ratcliff and Obershelp, 1988).
"""

from __future__ import annotations

import re
from difflib import SequenceMatcher

LONGEST = 4000
"""Maximum number of characters of each text. Longer texts are not compared: the time grows with the
product of the lengths."""

# A word may have a sign inside, as in 3.5, don't and well-known. Scripts without spaces between
# words are compared by character.
_UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"
_SPACED = rf"[^\W{_UNSPACED}]+"
_WORD = re.compile(rf"[{_UNSPACED}]|{_SPACED}(?:['’.,-]{_SPACED})*|[^\w\s]")

Part = tuple[int, int, int, int]
"""Lengths in UTF-16 code units, as JavaScript counts: what is the same (in the old and in the new
text, which may differ in white space), what only the old text has, what only the new one has."""


def word_diff(old: str, new: str) -> list[Part] | None:
    """The parts of both texts, in order: each has equal words and then words that differ. None
    where the texts are equal, one has no word, or one is longer than LONGEST."""
    if old == new or max(len(old), len(new)) > LONGEST:
        return None
    before, after = _words(old), _words(new)
    if not before or not after:
        return None
    matcher = SequenceMatcher(None, [word for word, _ in before], [word for word, _ in after])
    places = ([0, *(end for _, end in before)], [0, *(end for _, end in after)])

    def size(which: int, low: int, high: int) -> int:
        text = (old, new)[which]
        return _units(text[places[which][low] : places[which][high]])

    parts: list[Part] = []
    same, a, b = (0, 0), 0, 0
    for i, j, length in matcher.get_matching_blocks():
        gone, come = size(0, a, i), size(1, b, j)
        if gone or come or not length:
            parts.append((*same, gone, come))
            same = (0, 0)
        a, b = i + length, j + length
        same = (same[0] + size(0, i, a), same[1] + size(1, j, b))
    return parts


def _words(text: str) -> list[tuple[str, int]]:
    """Each word, and where the next one begins."""
    found = list(_WORD.finditer(text))
    ends = [match.start() for match in found[1:]] + [len(text)]
    return [(match[0], end) for match, end in zip(found, ends, strict=False)]


def _units(text: str) -> int:
    return len(text) + sum(character > "\uffff" for character in text)
