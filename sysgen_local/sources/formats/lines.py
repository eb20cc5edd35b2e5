"""JSON Lines: one row a line. A broken line becomes a reject, and reading continues after it.

An object over several lines is one row too: it may be indented, or a string in it may have line
ends that are not escaped as \\n.
"""

from __future__ import annotations

import io
import json
from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, BinaryIO, NamedTuple

from sysgen_local.core.records import Reject
from sysgen_local.sources.formats import document
from sysgen_local.sources.formats.record import (
    ANOTHER_ENCODING,
    UNREAD,
    UTF16,
    Record,
    bad_encoding,
    looks_like_utf16,
    text_of,
)
from sysgen_local.sources.formats.rows import rows_in
from sysgen_local.sources.formats.scanner import Scanner, decode, decode_lenient, is_cut

Found = Iterator[Record | Reject]
_MOST_LINES = 10_000
"""The most lines of one row."""


class _Line(NamedTuple):
    number: int
    data: bytes


def lines(stream: BinaryIO) -> Found:
    """The rows of a stream of UTF-8 bytes."""
    source = _Lines(stream)
    while (line := source.next()) is not None:
        if not line.data.strip():
            continue
        try:
            row = _whole(line.data.decode("utf-8").strip())
        except (RecursionError, ValueError) as error:
            yield from _over_lines(source, line) or _several_or_reject(
                line.number, line.data, error
            )
        else:
            yield from _rows(line.number, row, line.data)


class _Lines:
    """The lines of a stream. Lines can be put back."""

    def __init__(self, stream: BinaryIO) -> None:
        self._lines = enumerate(stream, 1)
        self._again: deque[_Line] = deque()

    def next(self) -> _Line | None:
        if self._again:
            return self._again.popleft()
        number, data = next(self._lines, (0, b""))
        if not number:
            return None
        return _Line(number, data.removeprefix(b"\xef\xbb\xbf") if number == 1 else data)

    def more(self, taken: list[_Line], count: int) -> bool:
        """Adds at most `count` more lines to `taken`. Returns whether there were any."""
        before = len(taken)
        while len(taken) < before + count and (line := self.next()) is not None:
            taken.append(line)
        return len(taken) > before

    def put_back(self, taken: list[_Line]) -> None:
        self._again.extendleft(reversed(taken))


def _whole(text: str) -> Any:
    row, end = decode(text)
    if end < len(text):
        raise json.JSONDecodeError("Extra data", text, end)
    return row


def _rows(number: int, row: object, raw: str | bytes) -> Found:
    if type(row) is list and (several := rows_in(row)):
        for one in several:
            yield Record(number, one)
    else:
        yield Record(number, row, raw)


def _over_lines(source: _Lines, first: _Line) -> list[Record | Reject]:
    """The record of a value that begins in this line and ends in a later one, or the reject of a
    broken, indented value. Empty where there is no such value; then all lines after the first are
    put back."""
    taken, text = [first], _text(first)
    if text.lstrip()[:1] not in ("{", "["):
        return []
    while len(taken) <= _MOST_LINES:
        try:
            value, end = decode_lenient(text, len(text) - len(text.lstrip()))
        except json.JSONDecodeError as error:
            size = len(taken)
            if is_cut(text, error) and source.more(taken, size):
                text += "".join(map(_text, taken[size:]))
                continue
        except RecursionError:
            pass
        else:
            return [] if len(taken) == 1 else _taken(source, taken, value, end)
        break
    block = _indented(source, taken)
    source.put_back(taken[max(block, 1) :])
    return [_bad_block(taken[:block])] if block else []


def _text(line: _Line) -> str:
    return line.data.decode("utf-8", "surrogateescape")


def _taken(source: _Lines, taken: list[_Line], value: object, end: int) -> list[Record | Reject]:
    """The records of a value that ends `end` characters after the start of these lines. The text
    after it is put back."""
    number = taken[0].number
    texts = [_text(line) for line in taken]
    last, passed = 0, len(texts[0])
    while passed < end:
        last += 1
        passed += len(texts[last])
    source.put_back(taken[last + 1 :])
    text = "".join(texts[: last + 1])
    rest = text[end:].lstrip(", \t\r\n")
    if rest:
        source.put_back([_Line(taken[last].number, rest.encode("utf-8", "surrogateescape"))])
    raw = text[:end]
    bad = bad_encoding(number, raw)
    return [bad] if bad else list(_rows(number, value, raw))


def _indented(source: _Lines, taken: list[_Line]) -> int:
    """How many of the lines are one indented block; more lines may be read. In a block, all lines
    after the first are indented deeper, up to a line with the first line's indentation and a
    closing bracket. 0 where there is no block."""
    depth = _depth(taken[0])
    size = 1
    while size < len(taken) or (size < _MOST_LINES and source.more(taken, 1)):
        text = _text(taken[size]).strip()
        size += 1
        if text and _depth(taken[size - 1]) <= depth:
            closes = size > 2 and text[0] in "}]" and _depth(taken[size - 1]) == depth
            return size if closes else 0
    return 0


def _depth(line: _Line) -> int:
    return len(line.data) - len(line.data.lstrip(b" \t"))


def _bad_block(block: list[_Line]) -> Reject:
    first, last = block[0].number, block[-1].number
    text = "".join(map(_text, block))
    if bad := bad_encoding(first, text):
        return bad
    try:
        decode_lenient(text, len(text) - len(text.lstrip()))
        what = "it is no JSON"
    except json.JSONDecodeError as error:
        line = first + text.count("\n", 0, error.pos)
        what = f"{error.msg.removesuffix(' at')} in line {line}"
    except RecursionError:
        what = "it is nested too deeply"
    return Reject(first, "bad_json", f"lines {first} to {last}: {what}", text_of(text))


def _several_or_reject(number: int, line: bytes, error: Exception) -> Found:
    """The records of a line that is not one JSON value: several values, a value with a comma too
    many, or broken values, which become rejects."""
    try:
        text = line.decode("utf-8").strip().rstrip(",")
        values = values_in(text)
    except (RecursionError, ValueError):
        others = _others(number, line)
        yield from others or [Reject(number, *wrong(line, error), text_of(line))]
        return
    for value in values:
        yield Record(number, value, line if len(values) == 1 else None)


def _others(number: int, line: bytes) -> list[Record | Reject]:
    """The rows of a line with several values, some of them broken; empty where it is one row."""
    scanner = Scanner(io.BytesIO(line), number)
    whole = document.elements(scanner) if scanner.peek() == "[" else document.sequence(scanner)
    found = [_within(of, number) for of in whole]
    rows = [of.row for of in found if isinstance(of, Record)]
    return found if rows and all(rows_in([row]) for row in rows) else []


def _within(of: Record | Reject, number: int) -> Record | Reject:
    """The same, with the line's number, and with messages about the line and not about the file."""
    if isinstance(of, Record):
        return of._replace(line=number)
    detail = of.detail.replace("the file ends", "the line ends")
    return replace(of, line=number, detail=detail.replace(UNREAD, f"{UNREAD} in its line"))


def values_in(text: str) -> list[Any]:
    """The objects and lists in the text, with commas between them or without. Raises as `decode`,
    and ValueError for any other value."""
    values = []
    at = 0
    while at < len(text):
        value, at = decode_lenient(text, at)
        if not isinstance(value, dict | list):
            raise ValueError("no row")
        values.append(value)
        at += len(text[at:]) - len(text[at:].lstrip(", \t"))
    return values


def wrong(line: bytes, error: Exception) -> tuple[str, str]:
    """(reason, detail) of the reject for a line that is no JSON."""
    if looks_like_utf16(line):
        return "bad_encoding", UTF16
    if isinstance(error, UnicodeDecodeError):
        byte = line[error.start]
        return "bad_encoding", f"the byte 0x{byte:02X} in it is not UTF-8; {ANOTHER_ENCODING}"
    if isinstance(error, json.JSONDecodeError):
        return "bad_json", f"{error.msg.removesuffix(' at')} at character {error.pos + 1}"
    return "bad_json", "it is nested too deeply"
