"""Which turns of a conversation a phrase is about, by the content words that both have.

A system message stands before all turns. What a later turn alone is about would lead the answers
before it astray: asked for a script first and about machine learning then, a model that reads "You
are a machine learning expert" explains that in place of the script.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from sysgen_local.core.records import Turn
from sysgen_local.phases.words import is_content, normalized

_BEGINNING = 5
"""Letters by which forms of a word are taken for one."""
_SHORT = 3
"""Words as short as this say little, unless they are written in capitals."""
_NAME = re.compile(r"(?<=[a-z,] )[A-Z][a-z]{3,}")
_CAPITALS = re.compile(r"\b[A-Z][A-Z0-9]+\b")


def words_of(text: str) -> frozenset[str]:
    """The beginnings of a text's content words."""
    capitals = {word.lower() for word in _CAPITALS.findall(text)}
    return frozenset(
        word[:_BEGINNING]
        for word in normalized(text).split()
        if (len(word) > _SHORT and is_content(word)) or word in capitals
    )


def exchanges(turns: Sequence[Turn]) -> list[frozenset[str]]:
    """The words of each user turn with what was answered to it."""
    texts: list[list[str]] = []
    for turn in turns:
        if turn.role == "user" or not texts:
            texts.append([])
        texts[-1].append(turn.text)
    return [words_of("\n".join(said)) for said in texts]


def is_of_later_turns(text: str, said: Sequence[frozenset[str]]) -> bool:
    """Whether what the text is about comes up behind the first turn only, and in half of all turns
    at most. False where it has no name in it, and less than a third of its words are the
    conversation's: one that comes up by chance tells nothing."""
    if len(said) < 2:
        return False
    words = words_of(text)
    names = frozenset(name.lower()[:_BEGINNING] for name in _NAME.findall(text))
    if _is_behind(names, said):
        return True
    common = words.intersection(frozenset().union(*said))
    if not common or len(common) * 3 < len(words):
        return False
    return _is_behind(common, said)


def _is_behind(words: frozenset[str], said: Sequence[frozenset[str]]) -> bool:
    about = [i for i, there in enumerate(said) if words & there]
    return bool(about) and about[0] > 0 and len(about) * 2 <= len(said)
