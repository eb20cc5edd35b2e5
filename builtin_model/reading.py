"""What can be told from a text by its form: the format of an answer, the words of a topic."""

from __future__ import annotations

import json
import re

from builtin_model.words import WORDS

_OPENINGS = tuple(opening for style in WORDS.styles for opening in style.openings)


def topic_words(topic: str) -> list[str]:
    """The telling words of a topic, in lower case."""
    words = re.findall(r"\w+", topic.lower())
    return [word for word in words if len(word) > 2 and word not in ("the", "and")]


def shows_topic(text: str, words: list[str]) -> bool:
    return any(word in text.lower() for word in words)


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
