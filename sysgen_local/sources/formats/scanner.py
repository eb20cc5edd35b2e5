r"""Reads JSON values from a stream one after the other. Only the current value is in memory.

It accepts what Python's `json` accepts, also NaN, Infinity and integers of any length. It also
accepts a comma before a closing bracket, and a tab or a line end in a string that is not escaped as
\t or \n.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator
from typing import Any, BinaryIO

from sysgen_local.sources.formats.record import ESCAPED, RAW, bad_encoding
from sysgen_local.sources.formats.resync import next_value

CHUNK = 1 << 16
_FAR = 1 << 24
"""The most characters after the beginning of a broken value in which its brackets are counted."""
_BLANK = re.compile(r"[ \t\r\n]*")
_NEAR_END = 12
"""An error within this distance of the end of the text read so far may be caused by that end. The
longest token that can be cut is a pair of `\\uXXXX`."""


class BrokenJsonError(Exception):
    """The text is not valid JSON. `passed`: the cursor is after the broken value nevertheless."""

    def __init__(self, reason: str, detail: str, *, passed: bool = False) -> None:
        super().__init__(reason, detail)
        self.reason = reason
        self.detail = detail
        self.passed = passed


def _long(digits: str) -> int | float:
    """The number as an integer, or as a float beyond 4,300 digits, the limit of Python's `int`."""
    try:
        return int(digits)
    except ValueError:
        return float(digits)


_PLAIN = json.JSONDecoder(strict=False)
_LONG_INTEGERS = json.JSONDecoder(parse_int=_long, strict=False)


def decode(text: str, at: int = 0) -> tuple[Any, int]:
    """(value at `at`, position of its end). Raises JSONDecodeError or RecursionError."""
    try:
        return _PLAIN.raw_decode(text, at)
    except json.JSONDecodeError:
        raise
    except ValueError:  # an integer with more than 4,300 digits
        return _LONG_INTEGERS.raw_decode(text, at)


def without_comma(text: str, error: json.JSONDecodeError) -> str | None:
    """The text with a blank for the comma before a closing bracket, where that caused the error;
    else None.

    Depending on Python's version, the position of the error is the comma or the bracket.
    """
    at = error.pos
    comma = at if text[at : at + 1] == "," else len(text[:at].rstrip(" \t\r\n")) - 1
    close = _BLANK.match(text, max(at, comma + 1)).end()  # type: ignore[union-attr]
    if comma >= 0 and text[comma] == "," and text[close : close + 1] in ("}", "]"):
        return f"{text[:comma]} {text[comma + 1 :]}"
    return None


def decode_lenient(text: str, at: int = 0) -> tuple[Any, int]:
    """As `decode`, but it accepts commas before closing brackets."""
    while True:
        try:
            return decode(text, at)
        except json.JSONDecodeError as error:
            without = without_comma(text, error)
            if without is None:
                raise
            text = without


def is_cut(text: str, error: json.JSONDecodeError) -> bool:
    """Whether the error is that the text ends: the value may continue after it."""
    return error.msg.startswith("Unterminated string") or error.pos >= len(text.rstrip()) - 1


class Scanner:
    """A cursor in the JSON text of a stream of UTF-8 bytes.

    `raw` is the text of the last value that was read, or the beginning of a broken one that was
    skipped. The argument `line` is the number of the stream's first line.
    """

    def __init__(self, stream: BinaryIO, line: int = 1) -> None:
        self._stream = stream
        self._decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
        self._text = ""
        self._at = 0
        self._lines = line - 1
        self._over = False
        self._dirty = False
        self._indent = ""  # of the line in which the value at the cursor begins
        self.raw = ""
        self.last = 0  # the last line that was skipped
        self._more()
        self._at = 1 if self._text[:1] == "\ufeff" else 0

    @property
    def line(self) -> int:
        """The line of the cursor, from 1."""
        return 1 + self._lines + self._text.count("\n", 0, self._at)

    @property
    def ahead(self) -> str:
        """The first characters after the cursor."""
        return self._text[self._at : self._at + RAW]

    def peek(self) -> str:
        """Moves the cursor to the next character that is not blank, and returns it; "" at the
        end."""
        blank = ""
        while True:
            start = self._at
            self._at = _BLANK.match(self._text, start).end()  # type: ignore[union-attr]
            if self._at > start:
                blank += self._text[start : self._at]
                self._indent = blank.rpartition("\n")[2] if "\n" in blank else ""
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._more():
                return ""

    def take(self) -> None:
        """Moves the cursor by one character."""
        self._at += 1

    def value(self) -> Any:
        """Reads the value at the cursor and moves the cursor after it. Raises BrokenJsonError."""
        self.peek()
        while True:
            try:
                value, end = decode(self._text, self._at)
            except json.JSONDecodeError as error:
                cut = error.msg.startswith("Unterminated string")
                if (cut or error.pos > len(self._text) - _NEAR_END) and self._more():
                    continue
                if repaired := without_comma(self._text, error):
                    self._text = repaired
                    continue
                raise self._broken(error) from error
            except RecursionError as error:
                raise BrokenJsonError("bad_json", "it is nested too deeply") from error
            if end == len(self._text) and not isinstance(value, str | list | dict) and self._more():
                continue  # the number may continue
            self.raw = self._text[self._at : end]
            line = self.line if self._dirty else 0
            self._at = end
            if self._dirty and (bad := bad_encoding(line, self.raw)):
                raise BrokenJsonError(bad.reason, bad.detail, passed=True)
            return value

    def items(self) -> Iterator[None]:
        """Yields before each element of the list at the cursor. The caller reads the element. A
        closing bracket too many after one is ignored. Raises BrokenJsonError."""
        self.take()
        while (char := self.peek()) != "]":
            if char and char in ",}":
                self.take()
            elif char:
                yield
            else:
                raise BrokenJsonError("bad_json", "the file ends within the list")
        self.take()

    def members(self) -> Iterator[str]:
        """Yields each key of the object at the cursor, with the cursor before its value. The caller
        reads the value. Raises BrokenJsonError."""
        self.take()
        while (char := self.peek()) != "}":
            if char == ",":
                self.take()
                continue
            if not char:
                raise BrokenJsonError("bad_json", "the file ends within the object")
            key = self.value()
            if not isinstance(key, str) or self.peek() != ":":
                raise BrokenJsonError("bad_json", f"no key with a value in line {self.line}")
            self.take()
            self.peek()
            yield key
        self.take()

    def skip(self) -> None:
        """Moves the cursor after the value. Raises BrokenJsonError."""
        char = self.peek()
        if char == "[":
            for _ in self.items():
                self.value()
        elif char == "{":
            for _ in self.members():
                self.skip()
        else:
            self.value()

    def resume(self, *, listed: bool = True) -> bool:
        """Moves the cursor from a broken value to the next one, or to the end of the list where
        they are `listed`. Returns False where neither can be found.

        The next value is where the brackets of the broken one are balanced, or where a line has the
        indentation of its first line, whichever comes first.
        """
        indent = self._indent
        begins = {"[": r"[{\[]", '"': r"[{\"]"}.get(self._text[self._at : self._at + 1], r"{")
        follows = re.compile(rf"\n(?:{indent}(?={begins})|([ \t]*)(?=\]))")
        self.raw = self.ahead
        first, near = self.line, True
        start = line = self._at
        while True:
            near = near and len(self._text) - start < _FAR
            places = [next_value(self._text, start, listed=listed)] if near else []
            while found := follows.search(self._text, line + 1):
                line = found.end()
                if found[1] is None or len(found[1]) <= len(indent):
                    places.append(line)
                    break  # the others end lists inside the broken value
            if there := [place for place in places if place is not None]:
                self._at = min(there)
                passed = self._text[start : self._at].rstrip(", \t\r\n")
                self.raw = passed[:RAW] if near else self.raw
                self.last = first + passed.count("\n") if near else self.line - 1
                return True
            line = max(line, len(self._text) - len(indent) - 2)
            self._at = start if near else line
            line -= self._at
            if not self._more():
                return False
            start = 0

    def _broken(self, error: json.JSONDecodeError) -> BrokenJsonError:
        if ESCAPED.match(self._text, error.pos):
            line = self.line
            bad = bad_encoding(line, self._text[error.pos])
            return BrokenJsonError("bad_encoding", bad.detail if bad else "it is not UTF-8")
        line = self._lines + 1 + self._text.count("\n", 0, error.pos)
        return BrokenJsonError("bad_json", f"{error.msg.removesuffix(' at')} in line {line}")

    def _more(self) -> bool:
        """Reads at least as many bytes as there are characters after the cursor, and drops the text
        before it. Returns False at the end of the stream."""
        if self._over:
            return False
        data = self._stream.read(max(CHUNK, len(self._text) - self._at))
        self._over = not data
        text = self._decoder.decode(data, final=self._over)
        if self._over and not text:
            return False
        if not self._dirty and not text.isascii():
            self._dirty = ESCAPED.search(text) is not None
        self._lines += self._text.count("\n", 0, self._at)
        self._text, self._at = self._text[self._at :] + text, 0
        return True
