"""Finds the value after a broken JSON value, by the brackets.

Brackets outside of strings are counted to find the end of the broken value. One quotation mark too
many swaps the strings and the text between them. This is detected where a value that begins like
the broken one seems to be within a string: in a string, its quotation marks would have a \\ before
them.
"""

from __future__ import annotations

import re

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*+("?)|[{}\[\],]', re.DOTALL)
_KEY = re.compile(r'\{\s*("(?:[^"\\]|\\.)*+")\s*:', re.DOTALL)
_BLANK = re.compile(r"[ \t\r\n]*")
_CLOSES = {"}": "{", "]": "["}
_STRAY = re.compile(r"\s*\}\s*[,\]]")


def next_value(text: str, at: int, *, listed: bool) -> int | None:
    """The position of the value after the broken one at `at`, or of the end of their list. None
    where it cannot be found in this text. `listed`: the values are in a list."""
    scan = _BracketScan(text, at, listed)
    for token in _TOKEN.finditer(text, at):
        found = scan.step(token)
        if found is not None:
            return found if found < len(text) else None
        if token[1] == "" and token[0][0] == '"':
            return None  # a string that does not end
    return None


class _BracketScan:
    def __init__(self, text: str, at: int, listed: bool) -> None:
        self._text = text
        self._begin = at
        self._listed = listed
        self._open: list[str] = []
        self._comma = -1  # where a value would begin after the last comma
        self._alike: re.Pattern[str] | None = None
        if key := _KEY.match(text, at):
            self._alike = re.compile(rf"(?<=[,}}\]])\s*(?=\{{\s*{re.escape(key[1])}\s*:)")
        self._next = self._find(at)

    def _find(self, at: int) -> int:
        """The next position of a value that begins like the broken one."""
        found = self._alike.search(self._text, at + 1) if self._alike else None
        return found.end() if found else len(self._text)

    def step(self, token: re.Match[str]) -> int | None:
        """Processes a bracket, a comma or a string. Returns the position of the next value once it
        is known, else None."""
        while self._next < token.start():
            self._next = self._find(self._next)
        char = token[0][0]
        if char == '"':
            return self._next if token.start() < self._next < token.end() else None
        if char == ",":
            return self._on_comma(token.end())
        if char in "{[":
            return self._on_open(char, token.start())
        return self._on_close(char, token.start())

    def _on_comma(self, end: int) -> int | None:
        self._comma = _BLANK.match(self._text, end).end()  # type: ignore[union-attr]
        if self._open:
            return None
        return None if self._text[self._comma : self._comma + 1] == '"' else self._comma

    def _on_open(self, char: str, at: int) -> int | None:
        if at > self._begin:
            if not self._open:
                return at
            if self._listed and char == "{" == self._open[-1] and self._comma == at:
                return at  # a closing bracket is missing: a member without a key is not possible
        self._open.append(char)
        return None

    def _on_close(self, char: str, at: int) -> int | None:
        if _CLOSES[char] in self._open:
            while self._open.pop() != _CLOSES[char]:
                pass
        elif char == "]" and self._listed and not _STRAY.match(self._text, at + 1):
            return at
        return None
