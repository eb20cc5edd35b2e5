"""Thoughts apart from answers: in keys of their own, in parts of a content, or before an answer."""

from __future__ import annotations

import re

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
_OPENED = re.compile(r"\s*(?:<think>|\[THINK\]|<\|begin_of_thought\|>)")
_CLOSED = re.compile(r"(?P<open>(?:(?!<think>).)*?)</think>\s*", re.DOTALL)
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
        return found["open"].strip(_BLANK), text[found.end() :]
    return "", text


def joined(*thoughts: str) -> str:
    """Several thoughts before one answer, as one."""
    return "\n\n".join(filter(None, thoughts))
