"""Finds the turns that a phrase is about, by the content words that they have in common.

A system message stands before all turns. A phrase about a later turn only would spoil the earlier
answers. For example, the first turn asks for a script, the second is about machine learning: with
"You are a machine learning expert" a model explains machine learning in place of the script.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from sysgen_local.core.records import Turn
from sysgen_local.phases.words import is_content, normalized

_BEGINNING = 5
"""Number of first letters that are compared, so that forms of a word are equal."""
_SHORT = 3
"""Words of this length or shorter are ignored, unless they are in capitals."""
_NAME = re.compile(r"(?<=[a-z,] )[A-Z][a-z]{3,}")
_CAPITALS = re.compile(r"\b[A-Z][A-Z0-9]+\b")


def words_of(text: str) -> frozenset[str]:
    """The first letters of each content word of a text."""
    capitals = {word.lower() for word in _CAPITALS.findall(text)}
    return frozenset(
        word[:_BEGINNING]
        for word in normalized(text).split()
        if (len(word) > _SHORT and is_content(word)) or word in capitals
    )


def exchanges(turns: Sequence[Turn]) -> list[frozenset[str]]:
    """The words of each user turn together with its answer (see `words_of`)."""
    texts: list[list[str]] = []
    for turn in turns:
        if turn.role == "user" or not texts:
            texts.append([])
        texts[-1].append(turn.text)
    return [words_of("\n".join(parts)) for parts in texts]


def is_of_later_turns(text: str, exchanges: Sequence[frozenset[str]]) -> bool:
    """Whether the subject of the text comes only after the first turn, and in at most half of all
    turns. `exchanges` is the result of the function of that name.

    False if the text has no name and shares less than a third of its words with the conversation:
    a few shared words can be chance.
    """
    if len(exchanges) < 2:
        return False
    words = words_of(text)
    names = frozenset(name.lower()[:_BEGINNING] for name in _NAME.findall(text))
    if _is_behind(names, exchanges):
        return True
    common = words.intersection(frozenset().union(*exchanges))
    if not common or len(common) * 3 < len(words):
        return False
    return _is_behind(common, exchanges)


def _is_behind(words: frozenset[str], exchanges: Sequence[frozenset[str]]) -> bool:
    about = [i for i, there in enumerate(exchanges) if words & there]
    return bool(about) and about[0] > 0 and len(about) * 2 <= len(exchanges)
