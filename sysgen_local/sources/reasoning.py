"""Thoughts apart from answers: in keys of their own, in parts of a content, or before an answer."""

from __future__ import annotations

import re
from collections.abc import Mapping

KEYS = ("reasoning_content", "reasoning", "thinking", "thought", "thoughts", "complex_cot")
"""Keys that hold the thought before an answer."""

PARTS = {"thinking": "thinking", "reasoning": "reasoning", "redacted_thinking": "data"}
"""Type of a content part -> the key of its text."""

_BLANK = " \t\r\n"

_TAGS = "think|thinking|thought|reasoning|seed:think"
_LED = re.compile(
    rf"\s*(?:<({_TAGS})>(?P<tag>.*?)</\1>"
    r"|\[THINK\](?P<mistral>.*?)\[/THINK\]"
    r"|<\|begin_of_thought\|>(?P<open>.*?)<\|end_of_thought\|>)\s*",
    re.DOTALL,
)
_OPENED = re.compile(r"\s*(?:<think>|\[THINK\]|<\|begin_of_thought\|>)(?! ?[a-z])")
"""Not where a text speaks of the mark: `<think> is a tag`."""
_CLOSED = re.compile(
    r"(?P<open>(?:(?!<think>).)*?\n[ \t]*|\s*)</think>\s*"
    r"|(?P<end>(?:(?!<think>).)*?)</think>[ \t]*\n\s*",
    re.DOTALL,
)
"""A mark that stands at the beginning or the end of a line: others are spoken of."""
_SOLUTION = re.compile(r"<\|begin_of_solution\|>\s*(.*?)\s*<\|end_of_solution\|>\s*\Z", re.DOTALL)


def split(text: str) -> tuple[str, str]:
    """(thought, answer) of what an assistant wrote. A thought that never ends is all there is, and
    one whose opening stands in a template (`... </think> answer`) is one too."""
    if text.find("<") < 0 and text.find("[THINK]") < 0:
        return "", text
    if found := _LED.match(text):
        thought = next(filter(None, found.group("tag", "mistral", "open")), "").strip(_BLANK)
        answer = text[found.end() :]
        if answer.startswith("<|begin_of_solution|>") and (whole := _SOLUTION.match(answer)):
            answer = whole[1]
        return thought, answer
    if _OPENED.match(text):
        return text.strip(_BLANK), ""
    if "</think>" in text and (found := _CLOSED.match(text)):
        thought = found["end"] if found["open"] is None else found["open"]
        return thought.strip(_BLANK), text[found.end() :]
    return "", text


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
