"""JSON files. The form is found by the content, not by the file's name.

The forms: one row a line, a list, a single row, an object with rows in it, or rows over several
lines each.
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
    """The beginning of a file: its first two lines that are not blank, as far as they were read.

    `alone`: the first line is a complete JSON value. `cut`: it is the beginning of a value that
    continues in the next line. `within`: it ends within a string, which may continue.
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
    """The rows of a file. `by_line`: the file's name says that it has one row a line, so each
    broken line is a reject. `say` is called with a sentence about which of several splits is read.

    Raises UsageError where the file has several splits and it is not clear which is meant.
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
    """Whether the file is one object, which may have several lists of rows."""
    return is_document(_head(with_line_ends(open_)), by_line)


def is_document(head: _Head, by_line: bool) -> bool:
    """Whether the file is one object. It may also be several objects over several lines each; that
    is known only at the end of the first."""
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
    """Whether the line is a list of a question and its answer, and so one row."""
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
    """Whether the object has an empty list and nothing else that could be rows. An empty list of
    turns does not count: then the object is a row without turns."""
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
    """Whether the text is one or several objects or lists, with commas between them or without."""
    try:
        return bool(values_in(text.decode("utf-8").rstrip(",")))
    except (ValueError, RecursionError):
        return False


def _is_cut(line: bytes) -> tuple[bool, bool]:
    """Whether the line is the beginning of a value that ends in another line: (it ends outside of a
    string, it ends within a string)."""
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
    """Whether the second line may continue an object of the first line, and is no row itself."""
    return second[:1] != b"{" or first[-1:] in (b"[", b":")


def _why(line: bytes) -> tuple[str, str]:
    try:
        decode(line.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        return wrong(line, error)
    return "bad_json", "it is no JSON"
