"""Separates thoughts from answers: in their own keys, in content parts, or before an answer."""

from __future__ import annotations

import re
from collections.abc import Mapping

from sysgen_local.core.thoughts import parse_reply

KEYS = ("reasoning_content", "reasoning", "thinking", "thought", "thoughts", "complex_cot")
"""Keys with the thought before an answer."""

PARTS = {"thinking": "thinking", "reasoning": "reasoning", "redacted_thinking": "data"}
"""Type of a content part with a thought -> the key of its text."""

_BLANK = " \t\r\n"

_HINT = re.compile(
    r"<|\[/?[A-Z_]*THINK|\A\s*(?:(?i:analysis|commentary)|assistant to=|to=self|Here )"
)
"""Every marked thought matches it. It is a quick test, because most answers have no thought."""

_TALK = re.compile(r"\s*(?:<[\w:.-]+>|\[[A-Z_]+\]) [a-z]")
"""A text about a tag, and no thought: `<think> is a tag`."""


def split(text: str) -> tuple[str, str]:
    """(thought, answer) of an assistant's text. Where a thought does not end, the answer is empty.
    A thought may lack its opening tag, if that was in the chat template (`... </think> answer`)."""
    if not _HINT.search(text):
        return "", text
    found = parse_reply(text)
    if found.answer == text or (found.open and _TALK.match(text)):
        return "", text
    if found.open:
        return text.strip(_BLANK), ""
    whole = text.rstrip()
    after = text[len(whole) :] if whole.endswith(found.answer) else ""
    return found.thought, found.answer + after


def of(value: object) -> str:
    """The thought in a value: a text, a list of steps, or an object around it."""
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping):
        return next((of(value[key]) for key in ("text", "content", *KEYS) if key in value), "")
    if isinstance(value, list | tuple):
        return "\n".join(filter(None, map(of, value)))
    return ""


def joined(*thoughts: str) -> str:
    """Several thoughts as one text."""
    return "\n\n".join(filter(None, thoughts))
