"""JSON in any of its forms, told by what stands in the file and not by its name.

Rows a line, a list, one row, an object that holds rows, or rows over several lines each.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from typing import NamedTuple

from sysgen_local.core.records import Reject
from sysgen_local.sources.formats import document
from sysgen_local.sources.formats.document import Opener
from sysgen_local.sources.formats.lines import lines, values_in, wrong
from sysgen_local.sources.formats.record import (
    RAW,
    UNREAD,
    UTF16,
    Record,
    looks_like_utf16,
    text_of,
)
from sysgen_local.sources.formats.rows import Keys, likeness
from sysgen_local.sources.formats.scanner import Scanner, decode, is_cut
from sysgen_local.sources.opening import with_line_ends

Found = Iterator[Record | Reject]
_HEAD = 1 << 20
TURNS = frozenset(("messages", "conversations", "conversation"))


class _Head(NamedTuple):
    """The beginning of a file: its first two lines that hold anything, as far as they were read.

    `alone`: the first one is a JSON value. `cut`: it is one that goes on behind it. `within`: it
    ends within a text, which may go on behind it.
    """

    start: bytes
    first: bytes
    second: bytes
    alone: bool
    cut: bool
    within: bool


def rows(
    open_: Opener,
    *,
    by_line: bool,
    mapping: Keys,
    split: str | None,
    path: str,
    say: Callable[[str], None],
) -> Found:
    """The rows of a file. `by_line`: what is broken is counted line by line, since its name says
    that it holds one row a line.

    Raises UsageError where it holds several splits and it cannot be told which is meant.
    """
    found = _rows(with_line_ends(open_), by_line, mapping, split, path, say)
    yield from document.headed(found, mapping)


def _rows(
    open_: Opener,
    by_line: bool,
    mapping: Keys,
    split: str | None,
    path: str,
    say: Callable[[str], None],
) -> Found:
    head = _head(open_)
    if not head.start:
        return
    if looks_like_utf16(head.first) and not by_line:
        yield Reject(1, "bad_encoding", f"{UTF16}; {UNREAD}", text_of(head.first[:RAW]))
    elif head.start == b"[":
        yield from _list(open_, head, by_line)
    elif is_document(head, by_line):
        yield from _object(open_, by_line, mapping, split, path, say)
    elif head.alone or by_line or _is_json(head.second):
        with open_() as stream:
            yield from lines(stream)
    elif head.start == b"{":
        with open_() as stream:
            yield from document.sequence(Scanner(stream))
    else:
        reason, detail = _why(head.first)
        yield Reject(1, reason, f"{detail}; {UNREAD}", text_of(head.first[:RAW]))


def holds_document(open_: Opener, by_line: bool) -> bool:
    """Whether the file is one object, and so may hold several lists of rows."""
    return is_document(_head(with_line_ends(open_)), by_line)


def is_document(head: _Head, by_line: bool) -> bool:
    """One object; or several over some lines each, of which only the end of the first tells."""
    if head.start != b"{":
        return False
    return not head.second or (not head.alone and (head.cut or (head.within and not by_line)))


def _list(open_: Opener, head: _Head, by_line: bool) -> Found:
    if head.alone and (head.second or _is_pair(head.first)):
        with open_() as stream:
            yield from lines(stream)
        return
    with open_() as stream:
        turns = document.holds_turns(stream)
    with open_() as stream:
        if turns is None and by_line and head.second[:1] == b"[":
            yield from lines(stream)
        elif turns:
            yield from document.sequence(Scanner(stream))
        else:
            yield from document.lists(Scanner(stream))


def _is_pair(line: bytes) -> bool:
    """Whether it is a question and its answer, and so one row."""
    values = values_in(line.decode("utf-8").rstrip(","))
    return len(values) == 1 and len(values[0]) == 2 and all(isinstance(of, str) for of in values[0])


def _object(
    open_: Opener,
    by_line: bool,
    mapping: Keys,
    split: str | None,
    path: str,
    say: Callable[[str], None],
) -> Found:
    with open_() as stream:
        scanner = Scanner(stream)
        scanner.peek()
        first = scanner.line
        outline, broken = document.survey(scanner)
        over_lines = scanner.line > first
        more = broken is None and scanner.peek() != ""
    if not over_lines and (more or (broken and by_line)):
        with open_() as stream:
            yield from lines(stream)
        return
    part = None if more else document.choose(outline, mapping, split, path, say)
    if part is not None:
        yield from document.rows_of(open_, part)
    elif not more and not broken and _is_empty(outline, mapping):
        return
    else:
        with open_() as stream:
            yield from document.sequence(Scanner(stream))


def _is_empty(outline: document.Outline, mapping: Keys) -> bool:
    """An object with an empty list in it and nothing else that could be rows. One without turns is
    a row, of which something is missing."""
    parts = outline.parts.values()
    if not TURNS.isdisjoint(outline.parts):
        return False
    empty = any(part.kind == "list" and not part.count for part in parts)
    return (
        empty and not any(part.count for part in parts) and not likeness(outline.value(), mapping)
    )


def _head(open_: Opener) -> _Head:
    with open_() as stream:
        buffered = io.BytesIO(stream.read(_HEAD))
        ended = not stream.read(1)
    found = []
    whole = True
    for line in buffered:
        if line.strip(b"\xef\xbb\xbf \t\r\n"):
            found.append(line.removeprefix(b"\xef\xbb\xbf").strip(b" \t\r\n"))
            whole = ended or line.endswith(b"\n")
        if len(found) == 2:
            break
    first, second = [*found, b"", b""][:2]
    alone, cut, within = False, not whole and not second, False
    if not cut:
        alone = _is_json(first)
        if not alone and _goes_on(first, second):
            cut, within = _is_cut(first)
    return _Head(first[:1], first, second or (b"" if ended else b"?"), alone, cut, within)


def _is_json(text: bytes) -> bool:
    """Whether it is an object or a list, or several, with commas between or not."""
    try:
        return bool(values_in(text.decode("utf-8").rstrip(",")))
    except (ValueError, RecursionError):
        return False


def _is_cut(line: bytes) -> tuple[bool, bool]:
    """Whether it is the beginning of a value that ends in another line: where it ends between two
    texts or numbers, and where it ends within a text."""
    text = line.decode("utf-8", "replace")
    try:
        decode(text)
    except json.JSONDecodeError as error:
        within = error.msg.startswith("Unterminated string")
        return is_cut(text, error) and not within, within
    except (ValueError, RecursionError):
        return False, False
    return False, False


def _goes_on(first: bytes, second: bytes) -> bool:
    """Whether the second line may belong to an object that begins in the first, and is no row."""
    return second[:1] != b"{" or first[-1:] in (b"[", b":")


def _why(line: bytes) -> tuple[str, str]:
    try:
        decode(line.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        return wrong(line, error)
    return "bad_json", "it is no JSON"
