"""The keys of a row or a turn: which are there, and by what names they are known.

A key whose value is nothing (null, NaN, no text, a list or object of nothing) is not there: Arrow
and pandas give every row every key and fill up with these.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from decimal import Decimal
from functools import lru_cache
from typing import Any

Row = Mapping[str, Any]


def absent(value: object) -> bool:
    """Whether this is nothing: null, NaN, blank text, or a list or object of nothing."""
    if value is None:
        return True
    kind = type(value)
    if kind is str:
        return not value or value.isspace()  # type: ignore[attr-defined]
    if kind is float:
        return value != value
    if kind is dict:
        return all(map(absent, value.values()))  # type: ignore[attr-defined]
    if kind is list or kind is tuple:
        return all(map(absent, value))  # type: ignore[call-overload]
    if isinstance(value, Decimal):
        return value.is_nan()
    if isinstance(value, bytes | bytearray | memoryview):
        return len(value) == 0
    return False


def named(row: Row) -> dict[str, Any]:
    """The keys that are there, in small letters and without blanks around them. Keys that only
    differ in these stay as they are, but for one that is written so."""
    there = {key: value for key, value in row.items() if not absent(value)}
    names = _names(tuple(there))
    return there if names is None else {names[key]: value for key, value in there.items()}


@lru_cache(maxsize=1024)
def _names(keys: tuple[Any, ...]) -> dict[Any, str] | None:
    """Key -> the name it is known by; None where all are as they are written. Rows of a file have
    the same keys nearly always, so this is worked out once."""
    names = {key: str(key).strip().lower() for key in keys}
    if all(key == name for key, name in names.items()):
        return None
    said = list(names.values())
    taken = set(keys)
    return {
        key: name if key == name or (said.count(name) == 1 and name not in taken) else str(key)
        for key, name in names.items()
    }


def first(row: Container[str], keys: Iterable[str]) -> str | None:
    """The first of these keys that the row has."""
    return next((key for key in keys if key in row), None)


def listed(row: Row) -> str:
    """The keys of a row as it came, for a reader; those with nothing in them are marked."""
    names = [f"{str(key)[:40]!r}" if str(key) != str(key).strip() else str(key)[:40] for key in row]
    marked = [
        f"{name} (empty)" if absent(value) else name
        for name, value in zip(names[:12], row.values(), strict=False)
    ]
    return ", ".join(marked) + (", ..." if len(names) > 12 else "") if names else "none"


def kind(value: object) -> str:
    """What a value is, for a reader."""
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float | Decimal):
        return "number"
    if isinstance(value, bytes | bytearray | memoryview):
        return "run of bytes"
    names: dict[type, str] = {type(None): "null", str: "string", list: "list", tuple: "list"}
    return names.get(type(value), "nested object" if isinstance(value, Mapping) else "value")
