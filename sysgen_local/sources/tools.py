"""Tool definitions and calls of tools, in the forms that data sets have them, to one form."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from sysgen_local.sources.keys import Row, absent
from sysgen_local.sources.texts import decoded, dumped, plain

_ARGUMENTS = ("arguments", "parameters", "args", "input")
_IDS = ("id", "call_id", "tool_call_id", "tool_use_id")
_APART = {"type", "name", "index", "function", *_IDS}
"""Keys of a call that are no arguments, where a call has none by name."""


def definitions(row: Row, key: str = "tools") -> str | None:
    """The row's tool definitions as JSON text; text that is no JSON stays as it came."""
    value = row.get(key)
    if not absent(value) and value is not False:
        if isinstance(value, str):
            return _text(value)
        return dumped(_without_nothing(value))
    functions = decoded(row.get("functions"))  # before there were tools
    if isinstance(functions, Sequence) and not isinstance(functions, str | bytes):
        there = [plain(of) for of in functions if isinstance(of, Mapping)]
        if there:
            return json.dumps(
                [{"type": "function", "function": of} for of in there if of], ensure_ascii=False
            )
    return None


def _text(value: str) -> str:
    """Definitions that are text already: changed only where they hold nulls, or are Python's."""
    try:
        found = json.loads(value)
    except (ValueError, RecursionError):
        found = decoded(value)
        return value if isinstance(found, str) else dumped(_without_nothing(found))
    holds_nothing = "null" in value or "NaN" in value
    return dumped(_without_nothing(found)) if holds_nothing else value


def _without_nothing(value: object) -> object:
    if isinstance(value, list | tuple):
        return [of for of in value if not absent(of)]
    return value


def calls(value: object) -> list[dict[str, Any]] | None:
    """The calls that a value holds, each as {"id", "name", "arguments"} (no "id" where there is
    none). None where it holds anything that is no call."""
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
    whole = _there(value)
    inside = decoded(whole.get("function"))
    call = _there(inside) if isinstance(inside, Mapping) else whole
    name = call.get("name", inside)
    if not isinstance(name, str):
        return None
    key = next((key for key in _ARGUMENTS if key in call), None)
    if key is None:
        arguments: object = {k: of for k, of in call.items() if k not in _APART}
    else:
        arguments = call[key]
    # Arguments that are text are JSON as a model wrote it: a null there is one that was meant.
    given = _read(arguments) if isinstance(arguments, str) else plain(arguments)
    number = next((whole[key] for key in _IDS if key in whole), None)
    made: dict[str, Any] = {"name": name, "arguments": {} if given is None else given}
    return made if number is None else {"id": str(number), **made}


def _there(call: Mapping[str, Any]) -> dict[str, Any]:
    """The members of a call that are not null. An argument may well be an empty text."""
    return {str(key).strip().lower(): of for key, of in call.items() if of is not None}


def _read(arguments: str) -> object:
    try:
        found = json.loads(arguments, parse_constant=lambda name: None)
    except (ValueError, RecursionError):
        found = decoded(arguments)
        return arguments if isinstance(found, str) else plain(found)
    return found if isinstance(found, dict | list) else arguments


def written(found: Sequence[Mapping[str, Any]]) -> str:
    """Calls as the content of a turn: one as an object, several as a list."""
    return json.dumps(found[0] if len(found) == 1 else list(found), ensure_ascii=False)


def unread(value: object) -> str:
    """What was meant as calls and is none, as the content of a turn: as it came."""
    if isinstance(value, str):
        return value
    return json.dumps(plain(value), ensure_ascii=False, separators=(",", ":"))


def ids(content: str) -> list[tuple[str, str]]:
    """(id, name) of every call in the content of a turn; "" where a call has no id. Nothing where
    it holds no calls."""
    if content[:1] not in ("[", "{"):
        return []
    return [(str(of.get("id", "")), of["name"]) for of in calls(content) or ()]
