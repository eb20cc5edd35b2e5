"""Reads benchmark files: JSON or JSONL, plain or gzipped. Each value keeps its place in the
file."""

from __future__ import annotations

import gzip
import hashlib
import json
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from sysgen_local.core.errors import UsageError

M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class LocatedValue:
    """One value of a file. `where` names the file and the line, or the place in the array."""

    value: Any
    where: str


def load(path: Path) -> Any:
    """The file as JSON: an object or array, or the list of the values of a JSONL file.

    Raises UsageError if it cannot be read or is neither.
    """
    text = text_of(path)
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return [entry.value for entry in _lines(path, text)]


def entries(path: Path) -> list[LocatedValue]:
    """All values of a JSONL file or a JSON array. A file with one JSON object has one value."""
    text = text_of(path)
    try:
        whole = json.loads(text)
    except (ValueError, RecursionError):
        return list(_lines(path, text))
    if isinstance(whole, list):
        return [LocatedValue(value, f"{path}, entry {i}") for i, value in enumerate(whole, 1)]
    return [LocatedValue(whole, str(path))]


def fingerprint(path: Path) -> str:
    """SHA-256 of the text of the file, after unpacking."""
    return hashlib.sha256(text_of(path).encode("utf-8", "surrogatepass")).hexdigest()


def checked(kind: type[M], entry: LocatedValue, *, hint: str) -> M:
    """The value as a pydantic model. Raises UsageError with file, line and field."""
    try:
        return kind.model_validate(entry.value)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"]))
        raise UsageError(
            f"{entry.where}: {field + ': ' if field else ''}{first['msg']}", hint=hint
        ) from error


def unique(keys: Sequence[tuple[object, str]], what: str) -> None:
    """Raises UsageError if a key of the (key, where) comes twice."""
    places: dict[object, str] = {}
    for key, where in keys:
        if key in places:
            raise UsageError(f"{where}: {what} {key} is there already ({places[key]})")
        places[key] = where


def text_of(path: Path) -> str:
    """The unpacked text of the file. Raises UsageError if it cannot be read."""
    try:
        data = path.read_bytes()
        if data[:2] == b"\x1f\x8b":
            data = gzip.decompress(data)
        return data.decode("utf-8-sig")
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror or error}") from error
    except (EOFError, zlib.error) as error:
        raise UsageError(f"{path} is a broken gzip file: {error}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is no text in UTF-8 (byte {error.start})") from error


def _lines(path: Path, text: str) -> Iterator[LocatedValue]:
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            try:
                yield LocatedValue(json.loads(line), f"{path}, line {number}")
            except (ValueError, RecursionError) as error:
                raise UsageError(
                    f"{path}, line {number}: neither JSON nor a line of JSONL: {error}"
                ) from error
