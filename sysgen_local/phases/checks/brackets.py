"""Checks the brackets of C-like languages outside strings and comments."""

from __future__ import annotations

import re
from collections.abc import Iterator

C_LIKE = frozenset(
    "c cpp csharp java javascript typescript go rust kotlin swift scala dart objectivec".split()
)
_SCRIPTS = frozenset({"javascript", "typescript"})
_PAIRS = {")": "(", "]": "[", "}": "{"}
_TOKEN = re.compile(
    r"""//[^\n]*|/\*.*?(?:\*/|\Z)
    |\"{3}.*?(?:\"{3}|\Z)|@"(?:[^"]|"")*"|\bR"\(.*?(?:\)"|\Z)|"(?:[^"\\\n]|\\.)*"?
    |'(?:[^'\\\n]|\\.)*'
    |`(?:[^`\\]|\\.)*`?
    |(?P<slash>/)|(?P<bracket>[()\[\]{}])""",
    re.DOTALL | re.VERBOSE,
)
"""Comments and strings (which may contain brackets), and brackets. A single ' is an apostrophe."""
_REGEX = re.compile(r"/(?![/*\s])(?:[^/\\\n\[]|\\.|\[(?:[^\]\\\n]|\\.){0,200}\])+/[a-z]*")
_BEFORE_REGEX = re.compile(r"(?:[=(,:!&|?{};\[]|\breturn|^)\s*$")


def bracket_fault(code: str, language: str) -> str | None:
    """The bracket that is not closed or that closes nothing, as a sentence. None if all match or if
    the code cannot be checked."""
    if re.search(r"^[ \t]*#[ \t]*(?:if|else|elif|define)", code, re.MULTILINE):
        return None  # each branch of a preprocessor may open the same bracket
    if language in _SCRIPTS and re.search(r"</\w|/>", code):
        return None  # text between JSX tags is not a string
    if language == "rust":
        code = re.sub(r"'(?=\w+\b(?!'))", " ", code)  # lifetimes
    stack: list[tuple[str, int]] = []
    for bracket, position in _brackets(code, language):
        if bracket in "([{":
            stack.append((bracket, position))
        elif not stack or stack[-1][0] != _PAIRS[bracket]:
            return f'"{bracket}" in line {_line(code, position)} closes nothing'
        else:
            stack.pop()
    if stack:
        bracket, position = stack[-1]
        return f'"{bracket}" in line {_line(code, position)} is not closed'
    return None


def _line(code: str, position: int) -> int:
    return code.count("\n", 0, position) + 1


def _brackets(code: str, language: str) -> Iterator[tuple[str, int]]:
    position = 0
    while match := _TOKEN.search(code, position):
        start, position = match.span()
        if match["bracket"]:
            yield match["bracket"], start
        elif (
            match["slash"]
            and language in _SCRIPTS
            and _BEFORE_REGEX.search(code[max(0, start - 20) : start])
        ):
            regex = _REGEX.match(code, start)
            position = regex.end() if regex else position
