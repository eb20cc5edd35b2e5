"""A file of labels, CSV or JSONL: what `sysgen review --export-labels` writes and `--import-labels`
reads.

docs/evaluate.md describes the members. A file may also be written by hand or by another program: it
needs `said`, `reviewer`, the row (`conversation`, or `source` and `line`), and the thing (`tag` and
`text`, or `shown`).
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, cast

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)

from sysgen_local.core import files
from sysgen_local.core.counted import counted
from sysgen_local.core.errors import UsageError
from sysgen_local.core.records import Tag
from sysgen_local.store import Added, Kind, Label, PlacedLabel, Said, Store
from sysgen_local.store.labels import ANSWERS

COLUMNS = (
    "kind", "source", "line", "conversation", "tag", "text", "shown", "said", "reviewer", "random",
    "at",
)  # fmt: skip
_HINT = "nothing was imported; `sysgen review --export-labels` writes such a file"
_NAMED = 5
"""Bad lines that are named."""

_Digest = Annotated[str, Field(pattern="^[0-9a-f]{32}$")]


class _Line(BaseModel):
    model_config = ConfigDict(extra="forbid")

    kind: Kind = "phrase"
    source: str | None = None
    line: int | None = None
    conversation: _Digest | None = None
    tag: Tag | None = None
    text: str | None = None
    shown: _Digest | None = None
    said: str | None = None
    reviewer: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
    random: bool = True
    at: datetime | None = None

    @model_validator(mode="after")
    def _whole(self) -> _Line:
        if self.conversation is None and (self.source is None or self.line is None):
            raise ValueError("no row is named: give conversation, or source and line")
        if self.kind == "phrase" and (self.tag is None or self.text is None):
            raise ValueError("a phrase needs tag and text")
        if self.kind == "pair" and self.shown is None:
            raise ValueError("a pair needs shown")
        if self.said is not None and self.said not in ANSWERS[self.kind]:
            raise ValueError(
                f"said of a {self.kind} is one of {', '.join(ANSWERS[self.kind])}, "
                f"and not {self.said}"
            )
        return self


def export(store: Store, path: Path) -> int:
    """Writes the latest label of every reviewer about every thing. Returns how many. Raises
    UsageError where there is none, and where another file is there, SysgenError where it cannot be
    written."""
    _refuse_other_file(path)
    placed = store.placed_labels()
    if not placed:
        raise UsageError(
            f"{store.path} has no label",
            hint=f"`sysgen review --blind --db {store.path}` makes some",
        )
    members = [_encoded(of) for of in placed]
    if path.suffix.lower() == ".csv":
        out = io.StringIO()
        # With \r\n between records, as RFC 4180 has it. None is an empty field.
        writer = csv.DictWriter(out, COLUMNS)
        writer.writeheader()
        writer.writerows({**of, "random": str(of["random"]).lower()} for of in members)
        text = out.getvalue()
    else:
        text = "".join(f"{json.dumps(of, ensure_ascii=False)}\n" for of in members)
    files.write(path, text)
    return len(members)


def _refuse_other_file(path: Path) -> None:
    """Raises UsageError where a file is there that holds no labels: it would be replaced."""
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            first = file.readline()
    except OSError:  # it is missing, or the error is that of writing it
        return
    if first.strip() and not ("said" in first and "reviewer" in first):
        raise UsageError(f"{path} is there, and is no file of labels", hint="name another file")


def load(store: Store, path: Path) -> Added:
    """Adds the labels of the file to the store: see `Store.merge_labels`.

    Raises UsageError where lines are no labels, or are about no row of this store: it names them.
    Then nothing is imported.
    """
    found = read(path)
    rows = store.find_labelled([of for _, of in found])
    lost = [
        (number, f"no row of {store.path} has this conversation, or several have it")
        for (number, _), row in zip(found, rows, strict=True)
        if row is None
    ]
    if lost:
        raise _refused(path, lost, f"{len(found) - len(lost):,} of {len(found):,} labels fit")
    return store.merge_labels([
        replace(of.label, row=row)
        for (_, of), row in zip(found, rows, strict=True)
        if row is not None
    ])  # fmt: skip


def read(path: Path) -> list[tuple[int, PlacedLabel]]:
    """(number of the line, label) of the file. Raises UsageError that names the bad lines."""
    try:
        text = path.read_bytes().decode("utf-8-sig")  # line ends in texts stay
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}", hint=_HINT) from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is no file of labels: no UTF-8", hint=_HINT) from error
    found: list[tuple[int, PlacedLabel]] = []
    bad: list[tuple[int, str]] = []
    for number, given in _csv(path, text) if path.suffix.lower() == ".csv" else _jsonl(text):
        try:
            line = (
                _Line.model_validate(given)
                if isinstance(given, dict)
                else _Line.model_validate_json(given)
            )
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"]))
            what = first["msg"].removeprefix("Value error, ")
            bad.append((number, f"{where}: {what}" if where else what))
        else:
            found.append((number, _decoded(line)))
    if bad:
        raise _refused(path, bad, f"{len(found):,} of {len(found) + len(bad):,} lines are labels")
    if not found:
        raise UsageError(f"{path} has no label", hint=_HINT)
    return found


def _refused(path: Path, bad: Sequence[tuple[int, str]], said: str) -> UsageError:
    named = "; ".join(f"line {number}: {why}" for number, why in bad[:_NAMED])
    more = f"; and {counted(len(bad) - _NAMED, 'more line')}" if len(bad) > _NAMED else ""
    return UsageError(f"{path}: {said}; {named}{more}", hint=_HINT)


def _jsonl(text: str) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            yield number, line


def _csv(path: Path, text: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """(line where the record ends, its fields): an empty field is missing."""
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    while True:
        try:
            record = next(reader, None)
        except csv.Error as error:
            raise _refused(path, [(reader.line_num, str(error))], "no CSV") from error
        if record is None:
            return
        # More fields than the header has are under None, fewer give None.
        extra = {"fields beyond the header": record[None]} if None in record else {}
        given: Mapping[str | Any, Any] = record
        fields = {name: value for name, value in given.items() if name is not None and value}
        if fields or extra:
            yield reader.line_num, {**fields, **extra}


def _encoded(of: PlacedLabel) -> dict[str, Any]:
    label = of.label
    assert label.at is not None
    return {
        "kind": label.kind, "source": of.source, "line": of.line, "conversation": of.conversation,
        "tag": label.tag, "text": label.text, "shown": label.shown, "said": label.said,
        "reviewer": label.reviewer, "random": label.random,
        "at": label.at.replace(tzinfo=UTC).isoformat(),
    }  # fmt: skip


def _decoded(of: _Line) -> PlacedLabel:
    at = of.at.astimezone(UTC).replace(tzinfo=None) if of.at and of.at.tzinfo else of.at
    said = cast("Said | None", of.said)  # the model checks it
    label = Label(0, of.kind, said, of.reviewer, of.tag, of.text, of.shown, of.random, at)
    return PlacedLabel(of.source, of.line, of.conversation, label)
