"""Converts tool definitions and tool calls, in the forms that datasets have, to one form."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from sysgen_local.sources.keys import Row, absent
from sysgen_local.sources.texts import decoded, dumped, plain

_ARGUMENTS = ("arguments", "parameters", "args", "input")
_IDS = ("id", "call_id", "tool_call_id", "tool_use_id")
_APART = {"type", "name", "index", "function", *_IDS}
"""Keys of a call that are not arguments, for a call whose arguments are not under one key."""


def definitions(row: Row, key: str = "tools") -> str | None:
    """The row's tool definitions as JSON text. Text that is no JSON stays as it is."""
    value = row.get(key)
    if not absent(value) and value is not False:
        if isinstance(value, str):
            return _text(value)
        return dumped(_without_empty(value))
    functions = decoded(row.get("functions"))  # the older key of OpenAI's API
    if isinstance(functions, Sequence) and not isinstance(functions, str | bytes):
        there = [plain(of) for of in functions if isinstance(of, Mapping)]
        if there:
            return json.dumps(
                [{"type": "function", "function": of} for of in there if of], ensure_ascii=False
            )
    return None


def _text(value: str) -> str:
    """Definitions that are text already. They are changed only where they are a Python literal, or
    have nulls."""
    try:
        found = json.loads(value)
    except (ValueError, RecursionError):
        found = decoded(value)
        return value if isinstance(found, str) else dumped(_without_empty(found))
    has_null = "null" in value or "NaN" in value
    return dumped(_without_empty(found)) if has_null else value


def _without_empty(value: object) -> object:
    if isinstance(value, list | tuple):
        return [of for of in value if not absent(of)]
    return value


def calls(value: object) -> list[dict[str, Any]] | None:
    """The tool calls in a value, each as {"id", "name", "arguments"}, without "id" where the call
    has none. None where anything in the value is no call."""
    value = decoded(value)
    if isinstance(value, Mapping):
        value = [value]
    if not isinstance(value, Sequence) or isinstance(value, str | bytes):
        return None
    found = [_call(of) for of in map(decoded, value) if not absent(of)]
    return [of for of in found if of is not None] if found and None not in found else None


def _call(value: object) -> dict[str, Any] | None:
    if not isinstance(value, Mapping):
        return None
    whole = _not_null(value)
    inside = decoded(whole.get("function"))
    call = _not_null(inside) if isinstance(inside, Mapping) else whole
    name = call.get("name", inside)
    if not isinstance(name, str):
        return None
    key = next((key for key in _ARGUMENTS if key in call), None)
    if key is None:
        arguments: object = {k: of for k, of in call.items() if k not in _APART}
    else:
        arguments = call[key]
    # Arguments as text are JSON that a model wrote, so a null in it is intended.
    given = _read(arguments) if isinstance(arguments, str) else plain(arguments)
    number = next((whole[key] for key in _IDS if key in whole), None)
    made: dict[str, Any] = {"name": name, "arguments": {} if given is None else given}
    return made if number is None else {"id": str(number), **made}


def _not_null(call: Mapping[str, Any]) -> dict[str, Any]:
    """The members of a call that are not null. Empty texts stay: an argument may be empty."""
    return {str(key).strip().lower(): of for key, of in call.items() if of is not None}


def _read(arguments: str) -> object:
    try:
        found = json.loads(arguments, parse_constant=lambda name: None)
    except (ValueError, RecursionError):
        found = decoded(arguments)
        return arguments if isinstance(found, str) else plain(found)
    return found if isinstance(found, dict | list) else arguments


def dumped_calls(found: Sequence[Mapping[str, Any]]) -> str:
    """The content of a turn with these calls: one call as an object, several as a list."""
    return json.dumps(found[0] if len(found) == 1 else list(found), ensure_ascii=False)


def unparsed(value: object) -> str:
    """The content of a turn for a value that should hold calls but cannot be parsed: the value
    itself, as text."""
    if isinstance(value, str):
        return value
    return json.dumps(plain(value), ensure_ascii=False, separators=(",", ":"))


def ids(content: str) -> list[tuple[str, str]]:
    """(id, name) of every call in the content of a turn; the id is "" where a call has none. Empty
    where the content has no calls."""
    if content[:1] not in ("[", "{"):
        return []
    return [(str(of.get("id", "")), of["name"]) for of in calls(content) or ()]
