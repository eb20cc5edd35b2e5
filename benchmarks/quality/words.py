"""Compares texts word by word: copies of demonstrations, near-duplicates, repeated phrases."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from sysgen_local.core.resources import resource
from sysgen_local.phases.words import normalized
from sysgen_local.prompts import PromptSet

Grams = frozenset[str]

WORDS = 4
"""Length of a word n-gram that counts as copied."""

CHARACTERS = 8
"""Length of a character n-gram in scripts without spaces, whose words have about two characters."""

NEAR = 0.6
"""Minimum Jaccard similarity of the content words of near-duplicates."""

_UNSPACED = re.compile(r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff]+")
_HEADING = re.compile(r"^# (system|user|assistant)[ \t]*$", re.MULTILINE)

_FUNCTION_WORDS = frozenset(
    "a about after all also am an and any are as at be been before being both but by can could did "
    "do does doing done each either etc every for from had has have having he her his how i if in "
    "into is it its itself may me might must my no nor not of off on once only or other our out "
    "over own per shall she should so some such than that the their them then there these they "
    "this those through to too under until up upon us very was we were what when where which while "
    "who whom whose will with within without would yet you your yourself".split()
)


@dataclass(frozen=True, slots=True)
class Demonstrations:
    """The n-grams of a prompt set's demonstrations: of the phrases, and of the conversations that
    they were written for."""

    phrases: Grams
    conversations: Grams


def demonstrations(prompts: PromptSet) -> Demonstrations:
    """The demonstrations for phase 1. The conversations are the user messages without a variable in
    every file of the set whose name, or whose folder's name, begins with `generate`."""
    folder = Path(prompts.name)
    folder = folder if folder.is_dir() else resource("prompts") / prompts.name
    conversations: list[str] = []
    for path in sorted(folder.rglob("*.md")):
        if any(part.startswith("generate") for part in path.relative_to(folder).parts):
            _, *parts = _HEADING.split(path.read_text(encoding="utf-8"))
            for role, text in zip(parts[::2], parts[1::2], strict=True):
                if role == "user" and "{{" not in text and "{%" not in text:
                    conversations += text.splitlines()
    return Demonstrations(_all(prompts.demonstrations("generate")), _all(conversations))


@lru_cache(maxsize=1024)
def grams(text: str) -> Grams:
    """All n-grams of four words, and of eight characters in scripts without spaces."""
    plain = normalized(text)
    words = _UNSPACED.sub(" ", plain).split()
    found = {" ".join(words[i : i + WORDS]) for i in range(len(words) - WORDS + 1)}
    for run in _UNSPACED.findall(plain):
        found.update(run[i : i + CHARACTERS] for i in range(len(run) - CHARACTERS + 1))
    return frozenset(found)


def _all(texts: Iterable[str]) -> Grams:
    return frozenset().union(*map(grams, texts))


def lifted(phrase: str, demonstrated: Grams, own: Iterable[str]) -> Grams:
    """The n-grams that the phrase shares with a demonstration and not with the row's own texts."""
    shared = grams(phrase) & demonstrated
    return shared - _all(own) if shared else shared


def says_something(gram: str) -> bool:
    """Whether it has at least two content words. "you may use a" and "as to a child" are in phrases
    of all kinds. Always True for a script without spaces."""
    return sum(word not in _FUNCTION_WORDS for word in gram.split()) > 1 or " " not in gram


@lru_cache(maxsize=4096)
def content_words(text: str) -> frozenset[str]:
    """The stems of all content words; in scripts without spaces, pairs of characters."""
    plain = normalized(text)
    words = [w for w in _UNSPACED.sub(" ", plain).split() if w not in _FUNCTION_WORDS]
    pairs = (run[i : i + 2] for run in _UNSPACED.findall(plain) for i in range(len(run) - 1))
    return frozenset({_stem(word) for word in words} | set(pairs))


@cache
def _stem(word: str) -> str:
    return str(_stemmer().stem(word))


@cache
def _stemmer() -> Any:
    from nltk.stem.porter import PorterStemmer

    return PorterStemmer()


def near(one: str, other: str) -> bool:
    """Whether two phrases are near-duplicates by their content words."""
    first, second = content_words(one), content_words(other)
    return bool(first | second) and len(first & second) >= NEAR * len(first | second)


def near_duplicates(phrases: Sequence[str]) -> int:
    """How many of a row's phrases are near-duplicates of an earlier one."""
    return sum(
        any(near(phrase, before) for before in phrases[:i]) for i, phrase in enumerate(phrases)
    )


def repeated(rows: Iterable[Iterable[str]]) -> Counter[str]:
    """Phrase -> number of rows, for phrases in several rows. Case and punctuation are ignored; the
    spelling is that of the first one."""
    spelled: dict[str, str] = {}
    found: Counter[str] = Counter()
    for row in rows:
        found.update(
            dict.fromkeys(spelled.setdefault(normalized(text), text) for text in row).keys()
        )
    return Counter({text: n for text, n in found.items() if n > 1})
