"""A decoded row of a file, before its shape is known."""

from __future__ import annotations

import json
import re
from typing import NamedTuple

from sysgen_local.core.records import Reject

ESCAPED = re.compile("[\udc80-\udcff]")
"""A byte that is not UTF-8, as the error handler `surrogateescape` decodes it."""

ANOTHER_ENCODING = "if the whole file is in Windows-1252, --encoding cp1252 reads it"
UTF16 = "it looks like UTF-16, not UTF-8: --encoding utf-16 reads it"
UNREAD = "nothing behind it could be read"
RAW = 4000
"""The most characters that are kept of a row that cannot be decoded: it may go on to the end of the
file."""


class Record(NamedTuple):
    """A decoded row with its line number, or its number in a list, from 1. `raw` is its text in the
    file; None where it has none."""

    line: int
    row: object
    raw: str | bytes | None = None


def text_of(raw: object) -> str:
    """The text of a raw row: bytes that are not UTF-8 as `\\xff`, a value that is no text as
    JSON."""
    if raw is None:
        return ""
    if isinstance(raw, str):
        raw = raw.encode("utf-8", "surrogateescape") if _is_escaped(raw) else raw
    if isinstance(raw, bytes):
        raw = raw.decode("utf-8", "backslashreplace")
    if isinstance(raw, str):
        return raw.rstrip("\r\n")
    try:
        return json.dumps(raw, ensure_ascii=False, default=str)
    except (TypeError, ValueError, RecursionError):
        return repr(raw)


def bad_encoding(line: int, raw: str) -> Reject | None:
    """The reject for a text with bytes that are not UTF-8; None where all are UTF-8."""
    if not _is_escaped(raw):
        return None
    found = ESCAPED.search(raw)
    byte = ord(found.group()) - 0xDC00 if found else 0
    detail = f"the byte 0x{byte:02X} in it is not UTF-8; {ANOTHER_ENCODING}"
    return Reject(line, "bad_encoding", detail, text_of(raw))


def looks_like_utf16(data: bytes) -> bool:
    """Whether more than a third of the bytes are zeros: in UTF-16, every other byte of ASCII is."""
    return data.count(0) * 3 > len(data)


def _is_escaped(text: str) -> bool:
    return not text.isascii() and ESCAPED.search(text) is not None
