"""Thoughts apart from answers: in keys of their own, in parts of a content, or before an answer."""

from __future__ import annotations

import re
from collections.abc import Mapping

from sysgen_local.core.thoughts import spoken

KEYS = ("reasoning_content", "reasoning", "thinking", "thought", "thoughts", "complex_cot")
"""Keys that hold the thought before an answer."""

PARTS = {"thinking": "thinking", "reasoning": "reasoning", "redacted_thinking": "data"}
"""Type of a content part -> the key of its text."""

_BLANK = " \t\r\n"

_HINT = re.compile(
    r"<|\[/?[A-Z_]*THINK|\A\s*(?:(?i:analysis|commentary)|assistant to=|to=self|Here )"
)
"""What no marked thought is without: most answers are seen to have none at once."""

_TALK = re.compile(r"\s*(?:<[\w:.-]+>|\[[A-Z_]+\]) [a-z]")
"""A text that speaks of a mark: `<think> is a tag`."""


def split(text: str) -> tuple[str, str]:
    """(thought, answer) of what an assistant wrote. A thought that never ends is all there is, and
    one whose opening stands in a template (`... </think> answer`) is one too."""
    if not _HINT.search(text):
        return "", text
    found = spoken(text)
    if found.answer == text or (found.open and _TALK.match(text)):
        return "", text
    if found.open:
        return text.strip(_BLANK), ""
    whole = text.rstrip()
    after = text[len(whole) :] if whole.endswith(found.answer) else ""
    return found.thought, found.answer + after


def of(value: object) -> str:
    """The thought that a key holds: a text, a list of its steps, or an object around it."""
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping):
        return next((of(value[key]) for key in ("text", "content", *KEYS) if key in value), "")
    if isinstance(value, list | tuple):
        return "\n".join(filter(None, map(of, value)))
    return ""


def joined(*thoughts: str) -> str:
    """Several thoughts before one answer, as one."""
    return "\n\n".join(filter(None, thoughts))
