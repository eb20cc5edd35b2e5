"""What can be told from a text by its form: the format of an answer, the words of a topic."""

from __future__ import annotations

import json
import re

from builtin_recipe.phrases import CONTENTS, ROLES, TOOLS
from builtin_recipe.topics import with_article
from builtin_recipe.words import WORDS

_OPENINGS = tuple(opening for style in WORDS.styles for opening in style.openings)

_DOMAINS_OF = {
    role: frozenset(name for name, domain in WORDS.domains.items() if role in domain.roles)
    for domain in WORDS.domains.values()
    for role in domain.roles
}


def _phrase_words() -> frozenset[str]:
    texts = [*ROLES, *CONTENTS, *TOOLS, "answer this the question and python"]
    texts += [text for form in WORDS.formats.values() for text in form.phrases]
    texts += [text for style in WORDS.styles for text in style.phrases]
    texts += [piece.phrase for piece in (*WORDS.actions, *WORDS.backgrounds)]
    for domain in WORDS.domains.values():
        texts += [with_article(text) for text in domain.roles]
        texts += domain.tools
    return frozenset(re.findall(r"[^\W\d_]+", " ".join(texts).lower()))


_PHRASE_WORDS = _phrase_words()
"""All words of phrases that no row gives."""


def topic_words(topic: str) -> list[str]:
    """The telling words of a topic, in lower case."""
    words = re.findall(r"\w+", topic.lower())
    return [word for word in words if len(word) > 2 and word not in ("the", "and")]


def shows_topic(text: str, words: list[str]) -> bool:
    return any(word in text.lower() for word in words)


def role_domains(phrase: str) -> frozenset[str]:
    """The domains that have the role which a phrase names; of several it is the longest."""
    named = [role for role in _DOMAINS_OF if re.search(rf"\b{role}\b", phrase)]
    return _DOMAINS_OF[max(named, key=len)] if named else frozenset()


def says_twice(answer: str) -> bool:
    """Whether a sentence or title of two words and more comes twice; headings do not count."""
    lines = [line for line in answer.split("\n") if not line.strip().startswith("#")]
    parts = [part for line in lines for part in re.split(r"[.!?:|]+(?=\s|$)|^- ", line)]
    told = [part.strip().lower() for part in parts if len(part.split()) > 1]
    return len(set(told)) < len(told)


def is_broken(text: str, row: str) -> bool:
    """Whether a phrase has a word that is neither the row's nor the corpus's: one that the model
    made up while copying."""
    words = set(re.findall(r"[^\W\d_]+", text.lower()))
    return not words <= _PHRASE_WORDS | set(re.findall(r"[^\W\d_]+", row.lower()))


def format_of(answer: str) -> str:
    """The name of the format an answer has; a paragraph where it is none of the others."""
    text = answer.strip()
    if _is_json(text):
        return "json"
    if re.search(r"^\|.*\|$", text, re.MULTILINE) and "---" in text:
        return "table"
    if re.search(r"^# ", text, re.MULTILINE):
        return "heading"
    if len(re.findall(r"^\d+\. ", text, re.MULTILINE)) > 1:
        return "numbered"
    if len(re.findall(r"^- ", text, re.MULTILINE)) > 1:
        return "bullet"
    for opening in _OPENINGS:
        text = text.removeprefix(opening)
    ends = re.findall(r"[.!?](?:\s|$)", text)
    return "sentence" if len(ends) < 2 and "\n" not in text else "paragraph"


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True
