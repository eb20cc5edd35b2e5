"""The keys of a row or a turn: which of them have a value, and their normalized names.

A key with an empty value (null, NaN, blank text, a list or object of empty values) counts as
absent: Arrow and pandas give every row every key, and fill it with such values.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from decimal import Decimal
from functools import lru_cache
from typing import Any

Row = Mapping[str, Any]


def absent(value: object) -> bool:
    """Whether the value is empty: null, NaN, blank text, or a list or object of empty values."""
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
    """The keys that have a value, with normalized names: in lower case, without blanks around them.
    Keys that would get the same name keep theirs."""
    there = {key: value for key, value in row.items() if not absent(value)}
    names = _names(tuple(there))
    return there if names is None else {names[key]: value for key, value in there.items()}


@lru_cache(maxsize=1024)
def _names(keys: tuple[Any, ...]) -> dict[Any, str] | None:
    """Key -> normalized name; None where no name changes. It is cached, because the rows of a file
    usually have the same keys."""
    names = {key: str(key).strip().lower() for key in keys}
    if all(key == name for key, name in names.items()):
        return None
    normalized = list(names.values())
    taken = set(keys)
    return {
        key: name
        if key == name or (normalized.count(name) == 1 and name not in taken)
        else str(key)
        for key, name in names.items()
    }


def first(row: Container[str], keys: Iterable[str]) -> str | None:
    """The first of these keys that is in the row; None where there is none."""
    return next((key for key in keys if key in row), None)


def listed(row: Row) -> str:
    """The keys of an input row for a message; keys with an empty value are marked."""
    names = [f"{str(key)[:40]!r}" if str(key) != str(key).strip() else str(key)[:40] for key in row]
    marked = [
        f"{name} (empty)" if absent(value) else name
        for name, value in zip(names[:12], row.values(), strict=False)
    ]
    return ", ".join(marked) + (", ..." if len(names) > 12 else "") if names else "none"


def kind(value: object) -> str:
    """The type of a value for a message."""
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float | Decimal):
        return "number"
    if isinstance(value, bytes | bytearray | memoryview):
        return "run of bytes"
    names: dict[type, str] = {type(None): "null", str: "string", list: "list", tuple: "list"}
    return names.get(type(value), "nested object" if isinstance(value, Mapping) else "value")
