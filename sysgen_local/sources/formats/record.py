"""What a file holds at one place: a decoded row, before anybody asks for its shape."""

from __future__ import annotations

import json
import re
from typing import NamedTuple

from sysgen_local.core.records import Reject

ESCAPED = re.compile("[\udc80-\udcff]")
"""A byte that is not UTF-8, as `surrogateescape` decodes it."""

ANOTHER_ENCODING = "if the whole file is in Windows-1252, --encoding cp1252 reads it"
UTF16 = "it looks like UTF-16, not UTF-8: --encoding utf-16 reads it"
UNREAD = "nothing behind it could be read"
RAW = 4000
"""Characters kept of a row that cannot be decoded; a whole file may stand behind its beginning."""


class Record(NamedTuple):
    """A decoded row with the number of its line, or of itself in a list, from 1. `raw` is its own
    text where the file has one."""

    line: int
    row: object
    raw: str | bytes | None = None


def text_of(raw: object) -> str:
    """A row's own text: bytes that are not UTF-8 as `\\xff`, what is no text as JSON."""
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
    """The reject for a text in which bytes are not UTF-8; None where all are."""
    if not _is_escaped(raw):
        return None
    found = ESCAPED.search(raw)
    byte = ord(found.group()) - 0xDC00 if found else 0
    detail = f"the byte 0x{byte:02X} in it is not UTF-8; {ANOTHER_ENCODING}"
    return Reject(line, "bad_encoding", detail, text_of(raw))


def looks_like_utf16(data: bytes) -> bool:
    """By the zeros in it: every other byte, where it is mostly ASCII."""
    return data.count(0) * 3 > len(data)


def _is_escaped(text: str) -> bool:
    return not text.isascii() and ESCAPED.search(text) is not None
