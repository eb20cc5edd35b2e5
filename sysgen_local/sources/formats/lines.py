"""JSON Lines: a row a line. Every line that is none is named, and reading goes on behind it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, BinaryIO

from sysgen_local.records import Reject
from sysgen_local.sources.formats.record import (
    ANOTHER_ENCODING,
    UTF16,
    Record,
    looks_like_utf16,
    text_of,
)
from sysgen_local.sources.formats.rows import is_pair, is_turn
from sysgen_local.sources.formats.scanner import decode, without_comma

Found = Iterator[Record | Reject]


def lines(stream: BinaryIO) -> Found:
    """The rows of a stream of UTF-8 bytes."""
    for number, line in enumerate(stream, 1):
        if number == 1:
            line = line.removeprefix(b"\xef\xbb\xbf")
        if not line.strip():
            continue
        try:
            row = json.loads(line.decode("utf-8").strip())
        except (RecursionError, ValueError) as error:
            yield from _odd(number, line, error)
            continue
        if type(row) is list and _are_rows(row):
            for one in row:
                yield Record(number, one)
        else:
            yield Record(number, row, line)


def _are_rows(values: list[Any]) -> bool:
    """Whether a list in a line is several rows, and not the turns of one."""
    return (
        bool(values)
        and isinstance(values[0], dict)
        and not (is_turn(values[0]) or is_pair(values[0]))
    )


def _odd(number: int, line: bytes, error: Exception) -> Found:
    """What stands in a line that is no JSON value: several, or one with a comma too many, or
    nothing."""
    try:
        text = line.decode("utf-8").strip().rstrip(",")
        values = values_in(text)
    except (RecursionError, ValueError):
        yield Reject(number, *wrong(line, error), text_of(line))
        return
    for value in values:
        yield Record(number, value, line if len(values) == 1 else None)


def values_in(text: str) -> list[Any]:
    """The objects and lists that the text consists of. Raises as `decode`."""
    values = []
    at = 0
    while at < len(text):
        try:
            value, at = decode(text, at)
        except json.JSONDecodeError as error:
            mended = without_comma(text, error)
            if mended is None:
                raise
            text = mended
            continue
        if not isinstance(value, dict | list):
            raise ValueError("no row")
        values.append(value)
        at += len(text[at:]) - len(text[at:].lstrip(", \t"))
    return values


def wrong(line: bytes, error: Exception) -> tuple[str, str]:
    """Reason and detail of a line that is no JSON."""
    if looks_like_utf16(line):
        return "bad_encoding", UTF16
    if isinstance(error, UnicodeDecodeError):
        byte = line[error.start]
        return "bad_encoding", f"the byte 0x{byte:02X} in it is not UTF-8; {ANOTHER_ENCODING}"
    if isinstance(error, json.JSONDecodeError):
        return "bad_json", f"{error.msg.removesuffix(' at')} at character {error.pos + 1}"
    return "bad_json", "it is nested too deeply"
