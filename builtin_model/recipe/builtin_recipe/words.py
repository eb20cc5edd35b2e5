"""The word lists of `words.toml` in typed form. All of it is written by hand; no outside text."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

HELD_OUT = 5
"""Topics at the end of each domain's list that training never takes as a topic."""

HELD_OUT_PATTERNS = 2
"""Patterns at the end of each domain's list that training never shows."""

_SMALL = frozenset("the and for from with off about down that which".split())


@dataclass(frozen=True, slots=True)
class Point:
    """A piece of advice: a short title, and the sentence that explains it."""

    title: str
    sentence: str


@dataclass(frozen=True)
class Domain:
    """A field of knowledge: who helps, with what, asked how, and what is said.

    `things`, `doings` and `known` (people, places, works) are the words that tell it from others;
    `said` are everyday words of those who ask.
    """

    name: str
    roles: tuple[str, ...]
    tools: tuple[str, ...]
    topics: tuple[str, ...]
    things: tuple[str, ...]
    doings: tuple[str, ...]
    known: tuple[str, ...]
    said: tuple[str, ...]
    patterns: tuple[str, ...]
    points: tuple[Point, ...]

    @property
    def train_topics(self) -> tuple[str, ...]:
        return self.topics[:-HELD_OUT]

    @property
    def held_out_topics(self) -> tuple[str, ...]:
        return self.topics[-HELD_OUT:]

    @cached_property
    def telling(self) -> frozenset[str]:
        """The words, in lower case, by which an instruction can be seen to be of this domain."""
        phrases = (*self.train_topics, *self.things, *self.doings, *self.known)
        words = {word for phrase in phrases for word in re.findall(r"\w+", phrase.lower())}
        return frozenset(word for word in words if len(word) > 2) - _SMALL

    @property
    def train_patterns(self) -> tuple[str, ...]:
        return self.patterns[:-HELD_OUT_PATTERNS]

    @property
    def held_out_patterns(self) -> tuple[str, ...]:
        return self.patterns[-HELD_OUT_PATTERNS:]


@dataclass(frozen=True, slots=True)
class Format:
    """The form of an answer: phrases that demand it, and how a user asks for it."""

    name: str
    phrases: tuple[str, ...]
    requests: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Style:
    """A tone: phrases that demand it, the words an answer then opens with, a user's request."""

    name: str
    phrases: tuple[str, ...]
    openings: tuple[str, ...]
    request: str


@dataclass(frozen=True, slots=True)
class Action:
    """Something an answer must do, and the sentence that does it."""

    phrase: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Background:
    """What users say of themselves, the phrase for it, and an answer's nod to it."""

    said: str
    phrase: str
    sentence: str


@dataclass(frozen=True, slots=True)
class General:
    """Instruction patterns that fit any domain; training never shows those of `held_out`."""

    kind: str
    patterns: tuple[str, ...]
    held_out: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Words:
    """All lists; sequences keep the order of the file, so that a seed gives the same text."""

    nouns: tuple[str, ...]
    adjectives: tuple[str, ...]
    verbs: tuple[str, ...]
    commands: tuple[str, ...]
    names: tuple[str, ...]
    languages: tuple[str, ...]
    leads: tuple[str, ...]
    middles: tuple[str, ...]
    tails: tuple[str, ...]
    context: tuple[str, ...]
    filler: tuple[str, ...]
    small: tuple[str, ...]
    facts: tuple[str, ...]
    statements: tuple[str, ...]
    follow_ups: tuple[str, ...]
    story: tuple[tuple[str, ...], ...]
    poem: tuple[tuple[str, ...], ...]
    formats: dict[str, Format]
    styles: tuple[Style, ...]
    actions: tuple[Action, ...]
    backgrounds: tuple[Background, ...]
    general: tuple[General, ...]
    domains: dict[str, Domain]


def _frozen(value: Any) -> Any:
    """Lists as tuples, however deep."""
    return tuple(_frozen(item) for item in value) if isinstance(value, list) else value


def _domain(name: str, table: dict[str, Any]) -> Domain:
    points = tuple(Point(*text.split(": ")) for text in table.pop("points"))
    return Domain(name, points=points, **{key: _frozen(value) for key, value in table.items()})


def load(path: Path) -> Words:
    """The lists of one file. KeyError or TypeError where a list is missing or unknown."""
    raw = tomllib.loads(path.read_text(encoding="utf-8"))
    formats = {name: Format(name, **_tuples(table)) for name, table in raw.pop("formats").items()}
    styles = tuple(Style(name, **_tuples(table)) for name, table in raw.pop("styles").items())
    actions = tuple(Action(**table) for table in raw.pop("actions"))
    backgrounds = tuple(Background(**table) for table in raw.pop("backgrounds"))
    general = tuple(General(**_tuples(table)) for table in raw.pop("general"))
    domains = {name: _domain(name, table) for name, table in raw.pop("domains").items()}
    return Words(
        formats=formats,
        styles=styles,
        actions=actions,
        backgrounds=backgrounds,
        general=general,
        domains=domains,
        **_tuples(raw),
    )


def _tuples(table: dict[str, Any]) -> dict[str, Any]:
    return {key: _frozen(value) for key, value in table.items()}


WORDS = load(Path(__file__).with_name("words.toml"))
