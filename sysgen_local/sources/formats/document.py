"""A JSON document: a list of rows, an object with rows somewhere in it, or one row.

An object is read twice: first to find which of its parts are the rows, then to read these.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import Any, BinaryIO

from sysgen_local.core.errors import UsageError
from sysgen_local.core.records import Reject
from sysgen_local.sources.formats.record import UNREAD, Record, text_of
from sysgen_local.sources.formats.rows import Keys, alike, is_turn, likeness, rows_in
from sysgen_local.sources.formats.scanner import BrokenJsonError, Scanner
from sysgen_local.sources.splits import asked_for, is_train, named

Opener = Callable[[], BinaryIO]
Found = Iterator[Record | Reject]

_SAMPLE = 1000
"""The most elements of a list, or members of an object, that the outline has."""
_DEEPEST = 4
_USUAL = ("data", "rows", "examples", "records", "items", "samples", "instances", "dataset")
"""Keys that hold rows even where none of these has a known shape."""


@dataclass
class Outline:
    """The outline of a value: its beginning, and its number of elements or members."""

    kind: str  # list, object or value
    sample: Any = None  # a list's first elements, an object's members as outlines, or the value
    count: int = 0
    parts: dict[str, Outline] = field(default_factory=dict)

    def value(self) -> Any:
        """The value as far as the outline has it."""
        if self.kind == "object":
            return {key: part.value() for key, part in self.parts.items()}
        return self.sample


@dataclass(frozen=True)
class Part:
    """A part of a document that holds rows: its path, and the form of the rows in it."""

    path: tuple[str, ...]
    how: str  # row, list, values, columns, table
    keys: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return ".".join(self.path)


def survey(scanner: Scanner) -> tuple[Outline, BrokenJsonError | None]:
    """(outline of the object at the cursor, the error that ended it early or None)."""
    outline = Outline("object")
    try:
        _survey(scanner, outline, 0)
    except BrokenJsonError as error:
        return outline, error
    return outline, None


def _survey(scanner: Scanner, outline: Outline, depth: int) -> None:
    char = scanner.peek()
    if char == "[":
        outline.kind, outline.sample = "list", []
        for _ in scanner.items():
            value = _tolerant(scanner, listed=True)
            outline.count += 1
            if outline.count <= _SAMPLE:
                outline.sample.append(value)
    elif char == "{" and depth < _DEEPEST:
        outline.kind = "object"
        for key in scanner.members():
            outline.count += 1
            if outline.count > _SAMPLE:
                scanner.skip()
                continue
            outline.parts[key] = part = Outline("value")
            _survey(scanner, part, depth + 1)
    else:
        outline.sample = _tolerant(scanner)


def _tolerant(scanner: Scanner, *, listed: bool = False) -> Any:
    try:
        return scanner.value()
    except BrokenJsonError as error:
        if error.passed or (listed and scanner.resume()):
            return None
        raise


def parts(
    outline: Outline, mapping: Keys, path: tuple[str, ...] = (), least: int = 2
) -> list[Part]:
    """The parts of the object that hold rows. `least`: 2 where each part must have a usable row, 1
    where it must have a row of a known shape, 0 where the name of the part is enough."""
    if outline.kind == "list":
        if least:
            inner = [row for of in outline.sample for row in rows_in(of) or [of]]
            rows = alike(inner, mapping, least)
        else:
            by_name = path[-1].lower() in _USUAL or named(path[-1]) is not None
            rows = by_name and any(isinstance(row, dict) for row in outline.sample)
        return [Part(path, "list")] if rows else []
    if outline.kind != "object":
        return []
    if keys := _columns(outline, mapping):
        return [Part(path, "columns", keys)]
    if keys := _table(outline):
        return [Part(path, "table", keys)]
    children = list(outline.parts.values())
    if children and all(child.kind == "object" for child in children):
        usual = [child for child in children[:20] if not _columns(child, mapping)]
        if usual and (len(children) > 1 or path) and alike([c.value() for c in usual], mapping):
            return [Part(path, "values")]
    if path and likeness(outline.value(), mapping) == 2:
        return [Part(path, "row")]
    inner = [parts(child, mapping, (*path, key), least) for key, child in outline.parts.items()]
    return [part for found in inner for part in found]


def _columns(outline: Outline, mapping: Keys) -> tuple[str, ...]:
    """The keys of an object that is a table by columns; () for any other object. A column is a
    list, or an object whose keys are row numbers."""
    for kind in ("list", "object"):
        columns = {key: part for key, part in outline.parts.items() if part.kind == kind}
        if len(columns) < 2 or len({part.count for part in columns.values()}) != 1:
            continue
        others = {key: part for key, part in outline.parts.items() if key not in columns}
        if any(part.kind != "value" for part in others.values()):
            continue
        if likeness({key: part.sample for key, part in others.items()}, mapping):
            continue  # the lists belong to one row
        begun = [
            part.sample if kind == "list" else list(part.value().values())
            for part in columns.values()
        ]
        rows = [dict(zip(columns, row, strict=True)) for row in zip(*begun, strict=True)]
        if not rows or not alike(rows, mapping):
            continue
        texts = all(isinstance(cell, str | int | float | None) for row in rows[:20]
                    for cell in row.values())  # fmt: skip
        if texts or likeness(outline.value(), mapping) < 2:
            return tuple(columns)
    return ()


def _table(outline: Outline) -> tuple[str, ...]:
    """The names of the columns, where the object has `columns` and `data` (pandas' orient="split");
    () for any other object."""
    names, data = outline.parts.get("columns"), outline.parts.get("data")
    if names is None or data is None or (names.kind, data.kind) != ("list", "list"):
        return ()
    cells = data.sample[0] if data.sample else None
    if isinstance(cells, list) and len(cells) == names.count == len(names.sample):
        return tuple(str(name) for name in names.sample)
    return ()


def choose(
    outline: Outline, mapping: Keys, split: str | None, path: str, say: Callable[[str], None]
) -> Part | None:
    """The part to read; None where the object itself is the only row, or there is no part.

    Raises UsageError where it is not clear which of several parts is meant.
    """
    found = parts(outline, mapping)
    whole = likeness(outline.value(), mapping)
    if not found and not whole:  # rows that cannot be used become rejects one by one
        found = parts(outline, mapping, least=1) or parts(outline, mapping, least=0)
    if whole == 2 and not (found and found[0].how == "columns" and not found[0].path):
        return None
    names = ", ".join(part.name for part in found)
    if split and (len(found) > 1 or any(named(part.name) for part in found)):
        wanted = [part for part in found if asked_for(part.name, split)]
        if len(wanted) == 1:
            return wanted[0]
        raise UsageError(
            f"{path} holds no rows of one split {split}", hint=f"it holds rows under {names}"
        )
    if len(found) < 2:
        if found and named(found[0].name) and not is_train(found[0].name):
            say(f"{path}: it holds no other rows than those of the split {found[0].name}")
        return found[0] if found else None
    train = [part for part in found if is_train(part.name)]
    if len(train) == 1:
        say(f"{path}: of {names}, the rows of {train[0].name} are read (--split NAME for others)")
        return train[0]
    raise UsageError(f"{path} holds rows under {names}", hint="--split NAME says which are meant")


def rows_of(open_: Opener, part: Part) -> Found:
    """The rows of a part of the document."""
    if part.how == "columns":
        yield from _transposed(open_, part)
        return
    with open_() as stream:
        if part.how == "table":
            scanner = _at(stream, (*part.path, "data"))
            for record in elements(scanner):
                yield _with_names(record, part.keys)
            return
        scanner = _at(stream, part.path)
        if part.how == "row":
            value = scanner.value()
            yield Record(1, value, scanner.raw)
        else:
            yield from flat(elements(scanner)) if part.how == "list" else values(scanner)


def headed(records: Found, mapping: Keys) -> Found:
    """The records. Where the first one is a header, a list with the names of a question and an
    answer, the lists after it are rows of a table and get these names."""
    first = next(records, None)
    if first is None:
        return
    names = first.row if isinstance(first, Record) else None
    if not isinstance(names, list) or not all(isinstance(of, str) for of in names):
        names = []
    if likeness(dict(zip(names, names, strict=True)), mapping) < 2:
        yield first
        yield from records
        return
    for record in records:
        bare = isinstance(record, Record) and isinstance(record.row, list)
        yield _with_names(record, names) if bare else record


def flat(records: Found, number: int = 0) -> Found:
    """The records, renumbered from `number` + 1. A list of rows is replaced by its rows."""
    for record in records:
        inner = rows_in(record.row) if isinstance(record, Record) else []
        for row in inner:
            number += 1
            yield Record(number, row)
        if not inner:
            number += 1
            yield _numbered(record, number)


def _numbered(record: Record | Reject, number: int) -> Record | Reject:
    if isinstance(record, Record):
        return record._replace(line=number)
    return replace(record, line=number)


def _with_names(record: Record | Reject, names: Sequence[str]) -> Record | Reject:
    if isinstance(record, Reject):
        return record
    cells = record.row
    if not isinstance(cells, list) or len(cells) != len(names):
        size = len(cells) if isinstance(cells, list) else 1
        detail = f"{size} columns under a header of {len(names)}"
        return Reject(record.line, "bad_row", detail, text_of(record.raw))
    return Record(record.line, dict(zip(names, cells, strict=True)), record.raw)


def _transposed(open_: Opener, part: Part) -> Found:
    """The rows of a table by columns. Each column is read with a cursor of its own."""
    with ExitStack() as stack:
        columns = []
        for key in part.keys:
            scanner = _at(stack.enter_context(open_()), (*part.path, key))
            columns.append(elements(scanner) if scanner.peek() == "[" else values(scanner))
        for number, cells in enumerate(zip(*columns, strict=False), 1):
            bad = next((cell for cell in cells if isinstance(cell, Reject)), None)
            if bad is not None:
                yield bad
                continue
            row = {key: cell.row for key, cell in zip(part.keys, cells, strict=True)
                   if isinstance(cell, Record)}  # fmt: skip
            yield Record(number, row)


def _at(stream: BinaryIO, path: Sequence[str]) -> Scanner:
    """A cursor before the value at this path, which must exist."""
    scanner = Scanner(stream)
    scanner.peek()
    for wanted in path:
        for key in scanner.members():
            if key == wanted:
                break
            scanner.skip()
    scanner.peek()
    return scanner


def elements(scanner: Scanner) -> Found:
    """The elements of the list at the cursor. A broken one becomes a reject, and reading continues
    after it where the next one can be found."""
    scanner.peek()
    number = 0
    places = scanner.items()
    try:
        for _ in places:
            number += 1
            try:
                value = scanner.value()
            except BrokenJsonError as error:
                more = error.passed or scanner.resume()
                detail = error.detail if more else f"{error.detail}; {UNREAD}"
                yield Reject(number, error.reason, detail, text_of(scanner.raw))
                if not more:
                    return
            else:
                yield Record(number, value, scanner.raw)
    except BrokenJsonError as error:
        yield Reject(number + 1, error.reason, error.detail)


def values(scanner: Scanner) -> Found:
    """The values of the object at the cursor."""
    scanner.peek()
    number = 0
    try:
        for _ in scanner.members():
            number += 1
            try:
                value = scanner.value()
            except BrokenJsonError as error:
                if not error.passed:
                    raise
                yield Reject(number, error.reason, error.detail, text_of(scanner.raw))
            else:
                yield Record(number, value, scanner.raw)
    except BrokenJsonError as error:
        detail = f"{error.detail}; {UNREAD}"
        yield Reject(max(number, 1), error.reason, detail, text_of(scanner.ahead))


def lists(scanner: Scanner) -> Found:
    """The elements of one or several successive lists."""
    number = 0
    while scanner.peek() == "[":
        for record in flat(elements(scanner), number):
            number = record.line
            yield record
            if isinstance(record, Reject) and record.detail.endswith(UNREAD):
                return
    if scanner.peek():
        detail = f"what follows the list in line {scanner.line} is no list"
        yield Reject(number + 1, "bad_json", detail, text_of(scanner.ahead))


def sequence(scanner: Scanner) -> Found:
    """Successive values, each over any number of lines, with commas between them or without. A
    broken one becomes a reject, and reading continues at the next."""
    while char := scanner.peek():
        if char in ",}]":
            scanner.take()
            continue
        line = scanner.line
        try:
            value = scanner.value()
        except BrokenJsonError as error:
            more = error.passed or scanner.resume(listed=False)
            over = more and not error.passed and scanner.last > line
            where = f"lines {line} to {scanner.last}: " if over else ""
            detail = f"{where}{error.detail}" if more else f"{error.detail}; {UNREAD}"
            yield Reject(line, error.reason, detail, text_of(scanner.raw))
            if not more:
                return
        else:
            yield Record(line, value, scanner.raw)


def holds_turns(stream: BinaryIO) -> bool | None:
    """Whether the list at the start of the text is one conversation, a list of turns. None where
    its first element is broken."""
    scanner = Scanner(stream)
    scanner.peek()
    try:
        for _ in scanner.items():
            return is_turn(scanner.value())
    except BrokenJsonError:
        return None
    return False
