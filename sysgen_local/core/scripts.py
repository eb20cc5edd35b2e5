"""Finds the scripts of a text.

The name of a script is the first word of its letters' Unicode names: LATIN, CYRILLIC, ARABIC, ...
Han characters and kana are counted together as CJK.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from functools import lru_cache

UNSPACED = frozenset({"CJK", "THAI", "LAO", "KHMER", "MYANMAR"})
"""Scripts without spaces between words."""


LETTERS = {
    "CJK": r"\u3041-\u30ff\u3400-\u9fff", "HANGUL": r"\uac00-\ud7a3",
    "CYRILLIC": r"\u0400-\u04ff", "ARABIC": r"\u0620-\u06d3", "DEVANAGARI": r"\u0904-\u0939",
    "GREEK": r"\u0370-\u03ff", "HEBREW": r"\u05d0-\u05ea", "THAI": r"\u0e01-\u0e46",
    "BENGALI": r"\u0985-\u09b9", "TAMIL": r"\u0b85-\u0bb9", "TELUGU": r"\u0c05-\u0c39",
    "KANNADA": r"\u0c85-\u0cb9", "MALAYALAM": r"\u0d05-\u0d39", "GUJARATI": r"\u0a85-\u0ab9",
    "GURMUKHI": r"\u0a05-\u0a39", "SINHALA": r"\u0d85-\u0dc6", "KHMER": r"\u1780-\u17b3",
    "LAO": r"\u0e81-\u0ec6", "MYANMAR": r"\u1000-\u102a", "GEORGIAN": r"\u10d0-\u10fa",
    "ARMENIAN": r"\u0531-\u0587", "ETHIOPIC": r"\u1200-\u135a",
}  # fmt: skip
"""Script -> the letters that words in it begin with, as ranges for a regular expression."""


def script_counts(text: str) -> Counter[str]:
    """Script -> number of letters in the text."""
    if text.isascii():
        letters = len(text.translate(_NO_LETTERS))
        return Counter({"LATIN": letters} if letters else {})
    counts: Counter[str] = Counter()
    for letter, times in Counter(text).items():
        if letter.isalpha():
            counts[script_of(letter)] += times
    return counts


def script_shares(text: str) -> frozenset[str]:
    """Scripts with at least a tenth of the letters in the first 4,000 characters."""
    if text.isascii():
        return _LATIN if _LETTER.search(text) else frozenset()
    counts = script_counts(text[:4000])
    return frozenset(s for s, n in counts.items() if n * 10 >= counts.total())


@lru_cache(maxsize=65536)
def script_of(letter: str) -> str:
    """The script of a letter. Japanese and Chinese are both CJK. That is enough to tell either from
    Latin, which is what it is used for."""
    name = unicodedata.name(letter, "UNKNOWN").split(" ")[0]
    return _SAME.get(name, name)


def weighed(counts: Counter[str]) -> Counter[str]:
    """Script -> number of letters that an alphabet would need for the same text."""
    return Counter({script: n * _WEIGHTS.get(script, 1) for script, n in counts.items()})


_LATIN = frozenset({"LATIN"})
_LETTER = re.compile(r"[A-Za-z]")
# Most texts are ASCII, and for these a translation table is much faster.
_NO_LETTERS = {i: None for i in range(128) if not chr(i).isalpha()}
_SAME = {
    "HIRAGANA": "CJK", "KATAKANA": "CJK", "KATAKANA-HIRAGANA": "CJK", "IDEOGRAPHIC": "CJK",
    "HALFWIDTH": "CJK", "FULLWIDTH": "LATIN",
}  # fmt: skip
_WEIGHTS = {"CJK": 3, "HANGUL": 2}
"""The number of alphabet letters that one letter counts for, where it is a syllable or a word."""
