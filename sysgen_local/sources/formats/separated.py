"""CSV and TSV: a header, and then one row a record.

In CSV, a cell in quotation marks may go over several lines. A mark that is never closed costs only
its own line: that line becomes a reject, and the next line is read by itself. The same is done for
a mark that was not meant to open a cell, and that a mark some lines below seems to close
(`_Table._holds_rows` decides that).

TSV has no quoting: a quotation mark is text, unless the header is quoted or a cell can only be read
as a quoted one.
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
"""The most lines of one cell."""
_LIKE_ROWS = 3
"""Where one cell has this many inner lines and each could be a row, its mark was not meant to open
a cell."""
_INSIDE = re.compile(r'[^"]*+(?:""[^"]*+)*+')
_LOOSE = re.compile(r'"(.*?)"$', re.DOTALL)
_ENDS = re.compile(r"""\w[.?!…。？！]["')\]]?$""")
"""The end of a sentence, directly before a separator."""
_TWO_WORDS = re.compile(r"\w\W+\w")
"""Two words."""
_BRACKETS = (("(", ")"), ("[", "]"), ("{", "}"))
_DIRECTIVE = re.compile(r"sep=(.)[\r\n]*$")


def rows(stream: BinaryIO, separator: str) -> Found:
    """The rows below the header, as dicts of text. `separator` is the one of the file's name; the
    header decides where it has another."""
    csv.field_size_limit(sys.maxsize)
    start = cast(io.BufferedReader, stream).peek(4096)[:4096]
    if looks_like_utf16(start):
        yield Reject(1, "bad_encoding", f"{UTF16}; {UNREAD}", text_of(start))
        return
    # Bytes that are not UTF-8 become surrogates, so that one bad row does not end the file.
    with io.TextIOWrapper(stream, "utf-8-sig", errors="surrogateescape", newline="") as text:
        yield from _Table(text, separator).rows()


class _Line(NamedTuple):
    number: int
    text: str
    doubtful: bool = False  # it may belong to a cell that began before it


class _Table:
    def __init__(self, text: Iterator[str] | io.TextIOWrapper, separator: str) -> None:
        self._lines = iter(enumerate(text, 1))
        self._again: deque[_Line] = deque()
        self._separator = separator
        self._blanks = False  # blanks after a separator belong to it
        self._quoting = True
        self._careless = False  # the file's writer does not escape marks in cells
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
        """The cells of a record with valid quoting, or without quotation marks."""
        if '"' not in text:
            cells = text.rstrip("\r\n").split(self._separator)
            return [cell.lstrip(" ") for cell in cells] if self._blanks else cells
        reader = csv.reader([text], delimiter=self._separator, skipinitialspace=self._blanks)
        return next(reader, [])

    def _scan(self, text: str, *, inside: bool = False) -> str:
        """The state of the quotation marks at the end of a line: `whole`; `open` where a cell
        continues in the next line; `odd` where text follows a closing mark. `inside`: the line
        begins within a quoted cell."""
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
        """The record that begins in this line."""
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
            if not self._holds_rows(taken, cells):
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
        """The record of a line in which text follows a closing mark. Such a mark is read as text.
        Where the number of columns is wrong then, all marks are read as text."""
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

    def _holds_rows(self, lines: list[_Line], cells: list[str]) -> bool:
        """Whether these lines, which are one record by their quotation marks, are several rows: the
        mark that opens the cell over them was not meant to.

        Lines of prose or code in a cell rarely all look like rows. So the lines are several rows in
        each of these cases:
        - the lines after the first look like rows, and the record has another number of columns
          than the header;
        - the lines within the cell look like rows, and there are three or more of them. A line in
          which one quoted cell ends and another begins, as `","b`, is no row;
        - all lines look like rows, and either the file has marks that a CSV writer would escape, or
          the separators are between the end of one text and the beginning of another.

        Known errors: two lines such as `"one,two` and `three",four` are undecided and count as one
        row, as CSV defines it. A cell is split where it looks like rows by chance, such as a table
        of two columns in a cell of a file with two columns.
        """
        within, behind = lines[1:-1], lines[1:]
        if len(within) >= _LIKE_ROWS and all(
            self._is_like_row(line.text) and not self._has_loose_mark(line.text) for line in within
        ):
            return True
        if not all(self._is_like_row(line.text) for line in behind):
            return False
        if len(cells) != len(self._names):
            return True
        if not self._is_like_row(lines[0].text) or any('""' in line.text for line in lines):
            return False
        return self._careless or self._separates_texts(lines)

    def _is_like_row(self, text: str) -> bool:
        """Whether a line could be a row: it has as many columns as the header, the first and the
        last are not empty, and none begins with a blank, as text after a comma in prose does."""
        cells = self._split(text)
        return (
            len(cells) == len(self._names) > 1
            and bool(cells[0] and cells[-1])
            and (self._blanks or not any(cell.startswith(" ") for cell in cells))
        )

    def _has_loose_mark(self, text: str) -> bool:
        """Whether a cell has a quotation mark and is no whole quoted cell."""
        return any(
            '"' in cell
            and not (cell.startswith('"') and _INSIDE.match(cell, 1).end() + 1 == len(cell))  # type: ignore[union-attr]
            for cell in self._split(text)
        )

    def _separates_texts(self, lines: list[_Line]) -> bool:
        """Whether the separators within the cell over these lines are between texts: at least one
        in each line follows the end of a sentence, or is between words and a capital letter, and
        none is within brackets, as in code."""
        first, last = lines[0].text, lines[-1].text
        opened = len(self._split(first)) - first.rpartition('"')[2].count(self._separator) - 1
        for line in lines:
            cells = self._split(line.text)
            if any(cell.count(a) != cell.count(b) for cell in cells for a, b in _BRACKETS):
                return False
            at = opened if line.text is first else 0
            end = opened if line.text is last else len(cells) - 1
            pairs = list(zip(cells[at:end], cells[at + 1 : end + 1], strict=True))
            if pairs and not any(self._parts_texts(before, after) for before, after in pairs):
                return False
        return True

    def _parts_texts(self, before: str, after: str) -> bool:
        if not _TWO_WORDS.search(before):
            return False
        return bool(_ENDS.search(before)) or (not self._blanks and after[:1].isupper())

    def _split(self, text: str) -> list[str]:
        """The cells of a line by itself. A mark that is not closed is text."""
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
        """The row of a line. Marks are text, unless a cell can only be read as a quoted one."""
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
        """(lines, closed): this line and the next ones, up to one that closes its mark or cannot be
        in a cell. Lines that are rows by themselves are never within a cell."""
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
    """The cell without the quotation marks around it, where the marks within it are doubled."""
    if len(cell) > 1 and cell[0] == cell[-1] == '"' and '""' in (inner := cell[1:-1]):
        match = _INSIDE.fullmatch(inner)
        return inner.replace('""', '"') if match else cell
    return cell


def _separator(header: str, expected: str) -> str:
    """The most frequent separator in the header; with equal counts the expected one."""
    outside = re.sub(r'"[^"]*"', "", header)
    found = {char: outside.count(char) for char in _SEPARATORS}
    best = max(found, key=lambda char: (found[char], char == expected))
    return best if found[best] else expected


def _distinct(names: list[str]) -> list[str]:
    """The names, with a number where one is repeated: question, answer, answer.1"""
    seen: dict[str, int] = {}
    distinct = []
    for name in names:
        again = seen.get(name, 0)
        seen[name] = again + 1
        distinct.append(f"{name}.{again}" if again else name)
    return distinct
