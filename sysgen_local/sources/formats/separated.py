"""CSV and TSV: a header, and then a row a record.

CSV: a cell in quotation marks may go over several lines. A mark that is never closed takes no line
with it: the line is named, and the next is read on its own. The same holds for one that was not
meant to open, and that a mark some lines below seems to close (`_Table._melts` says how that is
told). TSV has no quoting, unless its header is quoted or a cell can only be read so: there a mark
is text like any other.
"""

from __future__ import annotations

import csv
import io
import re
import sys
from collections import deque
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple, cast

from sysgen_local.core.records import Reject
from sysgen_local.sources.formats.record import (
    UNREAD,
    UTF16,
    Record,
    bad_encoding,
    looks_like_utf16,
    text_of,
)

Found = Iterator[Record | Reject]

_SEPARATORS = ",;\t|"
_MOST_LINES = 10_000
"""Lines that a cell may go over."""
_LIKE_ROWS = 3
"""So many lines within one cell, each of which could be a row: its mark was not meant to open."""
_INSIDE = re.compile(r'[^"]*+(?:""[^"]*+)*+')
_LOOSE = re.compile(r'"(.*?)"$', re.DOTALL)
_ENDS = re.compile(r"""\w[.?!…。？！]["')\]]?$""")
"""The end of a sentence, right before a separator."""
_SAYS = re.compile(r"\w\W+\w")
"""Two words."""
_BRACKETS = (("(", ")"), ("[", "]"), ("{", "}"))
_DIRECTIVE = re.compile(r"sep=(.)[\r\n]*$")


def rows(stream: BinaryIO, separator: str) -> Found:
    """The rows under the header as dicts of text. `separator` is what the file's name says; the
    header is believed over it."""
    csv.field_size_limit(sys.maxsize)
    start = cast(io.BufferedReader, stream).peek(4096)[:4096]
    if looks_like_utf16(start):
        yield Reject(1, "bad_encoding", f"{UTF16}; {UNREAD}", text_of(start))
        return
    # What is not UTF-8 comes through as surrogates, so that one bad row does not end the file.
    with io.TextIOWrapper(stream, "utf-8-sig", errors="surrogateescape", newline="") as text:
        yield from _Table(text, separator).rows()


class _Line(NamedTuple):
    number: int
    text: str
    doubtful: bool = False  # it may belong to a cell that was opened before it


class _Table:
    def __init__(self, text: Iterator[str] | io.TextIOWrapper, separator: str) -> None:
        self._lines = iter(enumerate(text, 1))
        self._again: deque[_Line] = deque()
        self._separator = separator
        self._blanks = False  # those behind a separator belong to it
        self._quoting = True
        self._careless = False  # whoever wrote it leaves marks within cells as they are
        self._names: list[str] = []

    def rows(self) -> Found:
        if not self._header():
            return
        take = self._quoted if self._quoting else self._plain
        while (line := self._next()) is not None:
            if line.text.strip("\r\n"):
                yield take(line)

    def _header(self) -> bool:
        line = self._next()
        while line is not None and not line.text.strip():
            line = self._next()
        if line is None:
            return False
        if told := _DIRECTIVE.match(line.text):
            self._separator = told[1]
            line = self._next()
            if line is None:
                return False
        else:
            self._separator = _separator(line.text, self._separator)
        self._quoting = self._separator != "\t" or line.text.startswith('"')
        rest = line.text.split(self._separator)[1:]
        self._blanks = bool(rest) and all(cell.startswith(" ") for cell in rest)
        text = line.text
        while self._quoting and self._scan(text) == "open" and (more := self._next()) is not None:
            text += more.text
        self._names = _distinct([cell.strip() for cell in self._cells(text)])
        return True

    def _next(self) -> _Line | None:
        if self._again:
            return self._again.popleft()
        found = next(self._lines, None)
        return None if found is None else _Line(*found)

    def _record(self, line: _Line, cells: list[str], text: str) -> Record | Reject:
        if bad := bad_encoding(line.number, text):
            return bad
        while len(cells) > len(self._names) and not cells[-1].strip():
            cells.pop()
        if len(cells) != len(self._names):
            detail = f"{len(cells)} columns under a header of {len(self._names)}"
            return Reject(line.number, "bad_row", detail, text_of(text))
        return Record(line.number, dict(zip(self._names, cells, strict=True)), text)

    def _cells(self, text: str) -> list[str]:
        """Of a record whose marks are in order, or that has none."""
        if '"' not in text:
            cells = text.rstrip("\r\n").split(self._separator)
            return [cell.lstrip(" ") for cell in cells] if self._blanks else cells
        reader = csv.reader([text], delimiter=self._separator, skipinitialspace=self._blanks)
        return next(reader, [])

    def _scan(self, text: str, *, inside: bool = False) -> str:
        """How the marks of a line stand, which begins inside of a quoted cell or not: `whole`;
        `open` where a cell goes on in the next line; `odd` where text follows a closing mark."""
        at = 0
        while True:
            if inside:
                at = _INSIDE.match(text, at).end()  # type: ignore[union-attr]
                if at == len(text):
                    return "open"
                at += 1
                if not text.startswith(self._separator, at):
                    return "odd" if text[at:].strip("\r\n") else "whole"
                at += 1
                inside = False
            else:
                while self._blanks and text.startswith(" ", at):
                    at += 1
                if text.startswith('"', at):
                    at += 1
                    inside = True
                    continue
                end = text.find(self._separator, at)
                if '"' in text[at : end if end >= 0 else len(text)]:
                    self._careless = True
                if end < 0:
                    return "whole"
                at = end + 1

    # CSV

    def _quoted(self, line: _Line) -> Record | Reject:
        """The record that begins in the line."""
        if '"' not in line.text:
            return self._record(line, self._cells(line.text), line.text)
        state = self._scan(line.text)
        if state == "whole":
            cells = self._cells(line.text)
            if line.doubtful and any(cell.endswith('"') and cell.count('"') % 2 for cell in cells):
                return Reject(line.number, "bad_row", "a quotation mark in it closes nothing",
                              text_of(line.text))  # fmt: skip
            return self._record(line, cells, line.text)
        if state == "odd":
            return self._loose(line)
        taken = [line]
        while state == "open" and len(taken) < _MOST_LINES:
            more = self._next()
            if more is None:
                break
            taken.append(more)
            if '"' in more.text:
                state = self._scan(more.text, inside=True)
        if state == "whole":
            text = "".join(one.text for one in taken)
            cells = self._cells(text)
            if not self._melts(taken, cells):
                return self._record(line, cells, text)
        self._careless = True
        self._again.extendleft(one._replace(doubtful=True) for one in reversed(taken[1:]))
        if state == "open" and len(taken) == 1:
            detail = "a quotation mark in it is never closed"
        else:
            what = "opens a cell that was not meant" if state == "whole" else "is never closed"
            detail = (
                f"a quotation mark in line {line.number} {what}: lines {line.number} to "
                f"{taken[-1].number} would be one row; those behind it are read on their own"
            )
        return Reject(line.number, "bad_row", detail, text_of(line.text))

    def _loose(self, line: _Line) -> Record | Reject:
        """A line in which text follows a mark that should close: such a mark is taken for text,
        and so are all where that does not come out even."""
        self._careless = True
        parts = line.text.rstrip("\r\n").split(self._separator)
        cells: list[str] = []
        held: list[str] = []
        for part in parts:
            held.append(part.lstrip(" ") if self._blanks and not held else part)
            cell = self._separator.join(held)
            if not cell.startswith('"') or (len(cell) > 1 and _LOOSE.match(cell)):
                marked = _LOOSE.match(cell)
                cells.append(marked[1].replace('""', '"') if marked else cell)
                held = []
        if held or len(cells) != len(self._names):
            cells = parts
        if len(cells) != len(self._names):
            return Reject(line.number, "bad_row", "a quotation mark within quotation marks is not "
                          "doubled", text_of(line.text))  # fmt: skip
        return self._record(line, cells, line.text)

    def _melts(self, lines: list[_Line], cells: list[str]) -> bool:
        """Whether the lines, which their marks make one record of these cells, are rows of their
        own: the mark that opens the cell over them was not meant to.

        It is told by these, as every line of prose or code in a cell hardly is like a row:
        - the lines behind the first are like rows, and together they come to another number of
          columns than the header has;
        - the lines within the cell are like rows, and there are three or more;
        - all lines are like rows, and either the file has marks that no writer of CSV leaves as
          they are, or the separators in them stand where a text ends and another one begins.

        What remains undecided counts as one row, as CSV has it: two lines without such marks,
        as `"one,two` and `three",four`. And a cell is taken apart where it has the likeness by
        chance: a table of two columns in a cell of a file that has two.
        """
        within, behind = lines[1:-1], lines[1:]
        if len(within) >= _LIKE_ROWS and all(self._is_like_row(line.text) for line in within):
            return True
        if not all(self._is_like_row(line.text) for line in behind):
            return False
        if len(cells) != len(self._names):
            return True
        if not self._is_like_row(lines[0].text) or any('""' in line.text for line in lines):
            return False
        return self._careless or self._says_rows(lines)

    def _is_like_row(self, text: str) -> bool:
        """Whether a line could be a row: as many columns as the header, none of which begins with
        a blank, as what follows a comma in prose does; nor is the first or the last one empty."""
        cells = self._parted(text)
        return (
            len(cells) == len(self._names) > 1
            and bool(cells[0] and cells[-1])
            and (self._blanks or not any(cell.startswith(" ") for cell in cells))
        )

    def _says_rows(self, lines: list[_Line]) -> bool:
        """Whether the separators within the cell that goes over the lines part texts: some of each
        line stand behind the end of a sentence, or between words and a capital letter; and none
        stands within brackets, as in code."""
        first, last = lines[0].text, lines[-1].text
        opened = len(self._parted(first)) - first.rpartition('"')[2].count(self._separator) - 1
        for line in lines:
            cells = self._parted(line.text)
            if any(cell.count(a) != cell.count(b) for cell in cells for a, b in _BRACKETS):
                return False
            at = opened if line.text is first else 0
            end = opened if line.text is last else len(cells) - 1
            pairs = list(zip(cells[at:end], cells[at + 1 : end + 1], strict=True))
            if pairs and not any(self._parts_texts(before, after) for before, after in pairs):
                return False
        return True

    def _parts_texts(self, before: str, after: str) -> bool:
        if not _SAYS.search(before):
            return False
        return bool(_ENDS.search(before)) or (not self._blanks and after[:1].isupper())

    def _parted(self, text: str) -> list[str]:
        """The cells of a line read on its own; a mark that nothing closes is text."""
        text = text.rstrip("\r\n")
        cells: list[str] = []
        at = 0
        while at <= len(text):
            end = -1
            if text.startswith('"', at):
                close = _INSIDE.match(text, at + 1).end()  # type: ignore[union-attr]
                if close + 1 == len(text) or text.startswith(self._separator, close + 1):
                    end = close + 1
            if end < 0:
                end = text.find(self._separator, at)
                end = len(text) if end < 0 else end
            cells.append(text[at:end])
            at = end + 1
        return cells

    # TSV

    def _plain(self, line: _Line) -> Record | Reject:
        """The row in the line; marks are text, unless a cell can only be read as a quoted one."""
        parts = line.text.rstrip("\r\n").split("\t")
        if '"' in line.text and self._scan(line.text) == "open":
            taken, closed = self._lookahead(line)
            if closed:
                text = "".join(one.text for one in taken)
                return self._record(line, self._cells(text), text)
            self._again.extendleft(reversed(taken[1:]))
            after = taken[1] if len(taken) > 1 else None
            if len(parts) == len(self._names) and after and not self._like_row(after):
                detail = "a quotation mark in it is not closed as it should be in the lines behind"
                return Reject(line.number, "bad_row", detail, text_of(line.text))
        return self._record(line, [_unquoted(part) for part in parts], line.text)

    def _lookahead(self, line: _Line) -> tuple[list[_Line], bool]:
        """The line with those behind it up to one that closes its mark or cannot be in a cell, and
        whether it closes. Lines that are rows on their own are never within a cell."""
        taken = [line]
        state = "open"
        full = line.text.count("\t") + 1 >= len(self._names)
        while state == "open" and len(taken) < _MOST_LINES:
            more = self._next()
            if more is None:
                break
            taken.append(more)
            state = self._scan(more.text, inside=True)
            if self._like_row(more) and (full or state == "open"):
                return taken, False
        text = "".join(one.text for one in taken)
        return taken, state == "whole" and len(self._cells(text)) == len(self._names)

    def _like_row(self, line: _Line) -> bool:
        parts = line.text.rstrip("\r\n").split("\t")
        return len(parts) == len(self._names) and bool(parts[0].strip())


def _unquoted(cell: str) -> str:
    """Without the marks around it where it was written by somebody who quotes: those within are
    doubled."""
    if len(cell) > 1 and cell[0] == cell[-1] == '"' and '""' in (inner := cell[1:-1]):
        match = _INSIDE.fullmatch(inner)
        return inner.replace('""', '"') if match else cell
    return cell


def _separator(header: str, expected: str) -> str:
    """What stands most often in the header; what is expected, where it stands there too."""
    outside = re.sub(r'"[^"]*"', "", header)
    found = {char: outside.count(char) for char in _SEPARATORS}
    best = max(found, key=lambda char: (found[char], char == expected))
    return best if found[best] else expected


def _distinct(names: list[str]) -> list[str]:
    """The names, numbered where one comes again: question, answer, answer.1"""
    seen: dict[str, int] = {}
    distinct = []
    for name in names:
        again = seen.get(name, 0)
        seen[name] = again + 1
        distinct.append(f"{name}.{again}" if again else name)
    return distinct
