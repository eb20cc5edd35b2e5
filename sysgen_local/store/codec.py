"""Converts records to table columns and back. It defines the order and the types of the columns.

A tuple of records (turns, phrases, ...) is a STRUCT[] column. It is inserted as one list for each
field, because DuckDB converts these two to three times as fast as dicts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, get_type_hints

from sysgen_local.core.records import (
    Attempt,
    Check,
    Checked,
    Conversation,
    Cost,
    Filtered,
    Generated,
    Phase,
    Phrase,
    Removed,
    Repair,
    Responded,
    Result,
    Turn,
    Verdict,
    Verified,
)

Values = tuple[Any, ...]
Columns = Mapping[str, str | type]
"""Column -> its SQL type, or the record type of a STRUCT[] column."""

COST: Columns = {
    "tokens_in": "BIGINT", "tokens_out": "BIGINT", "seconds": "DOUBLE", "tokens_decoded": "BIGINT"
}  # fmt: skip
"""The columns of a `Cost`, in the order of its fields and of `spent`."""

DECODED = "CASE WHEN count(tokens_decoded) = count(*) THEN sum(tokens_decoded)::BIGINT END"
"""The SQL sum of the decoded tokens: NULL unless all of them are known."""

CONVERSATION: Columns = {
    "turns": Turn, "line": "BIGINT", "system": "VARCHAR", "tools": "VARCHAR",
    "result": "VARCHAR", "repairs": Repair,
}  # fmt: skip
REJECT: Columns = {"line": "BIGINT", "reason": "VARCHAR", "detail": "VARCHAR", "raw": "VARCHAR"}
RESULT: dict[Phase, Columns] = {
    "generate": {"phrases": Phrase, "dropped": "VARCHAR", "raw": "VARCHAR", **COST},
    "filter": {"phrases": Phrase, "removed": Removed, "dropped": "VARCHAR"},
    "verify": {"verdicts": Verdict, "system": "VARCHAR", "dropped": "VARCHAR", **COST},
    "respond": {"turns": Turn, "dropped": "VARCHAR", **COST},
    "check": {
        "turns": Turn, "checks": Check, "attempts": Attempt, "agrees": "BOOLEAN",
        "obeys": "DOUBLE", "tries": "INTEGER", "dropped": "VARCHAR", **COST,
    },
}  # fmt: skip
"""The columns of each phase's table between `row` and `at`, in the order of `encode` and
`decode`."""


_LISTS: dict[Any, str] = {
    int: "BIGINT[]", float: "DOUBLE[]", float | None: "DOUBLE[]", bool: "BOOLEAN[]"
}  # fmt: skip


def buffer(columns: Columns) -> dict[str, str]:
    """The columns as they are inserted: name -> SQL type. A STRUCT[] column is one list a field."""
    inserted: dict[str, str] = {}
    for name, of in columns.items():
        if isinstance(of, str):
            inserted[name] = of
        else:
            for field, kind in get_type_hints(of).items():
                inserted[f"{name}_{field}"] = _LISTS.get(kind, "VARCHAR[]")
    return inserted


def expressions(columns: Columns) -> list[str]:
    """For each column, the SQL expression that builds it from the columns of `buffer`."""
    return [
        f'"{name}"' if isinstance(of, str) else _zipped(name, of) for name, of in columns.items()
    ]


def _zipped(name: str, of: type[Any]) -> str:
    names = list(get_type_hints(of))
    first = f"{name}_{names[0]}"
    later = [field in of._field_defaults for field in names]
    lists = ", ".join(
        f"coalesce({name}_{field}, [])" if may else f"{name}_{field}"
        for field, may in zip(names, later, strict=True)
    )
    members = ", ".join(
        f"'{field}': coalesce(z[{i}], '')" if may else f"'{field}': z[{i}]"
        for i, (field, may) in enumerate(zip(names, later, strict=True), 1)
    )
    return f"CASE WHEN {first} IS NULL THEN [] ELSE [{{{members}}} FOR z IN list_zip({lists})] END"


def encode(phase: Phase, result: Result) -> Values:
    """The values for `buffer(RESULT[phase])`. Raises TypeError for a result of another phase."""
    match phase, result:
        case "generate", Generated(phrases, dropped, raw, cost):
            return *_lists(Phrase, phrases), dropped, raw, *spent(cost)
        case "filter", Filtered(phrases, removed, dropped):
            return *_lists(Phrase, phrases), *_lists(Removed, removed), dropped
        case "verify", Verified(verdicts, system, dropped, cost):
            return *_lists(Verdict, verdicts), system, dropped, *spent(cost)
        case "respond", Responded(turns, dropped, cost):
            return *_lists(Turn, turns), dropped, *spent(cost)
        case "check", Checked(turns, checks, attempts, agrees, obeys, tries, dropped, cost):
            lists = (*_lists(Turn, turns), *_lists(Check, checks), *_lists(Attempt, attempts))
            return *lists, agrees, obeys, tries, dropped, *spent(cost)
    raise TypeError(f"{type(result).__name__} is no result of {phase}")


def encode_conversation(of: Conversation) -> Values:
    """The values for `buffer(CONVERSATION)`."""
    plain = (of.line, of.system, of.tools, of.result)
    return *_lists(Turn, of.turns), *plain, *_lists(Repair, of.repairs)


def decode(phase: Phase, values: Sequence[Any]) -> Result:
    """The record of these values, which are ordered as `RESULT[phase]`."""
    return _DECODE[phase](*values)


def decode_conversation(
    turns: list[Any],
    line: int,
    system: str | None,
    tools: str | None,
    result: str | None,
    repairs: list[Any],
) -> Conversation:
    """The record of these values, which are ordered as `CONVERSATION`."""
    repaired = _records(Repair, repairs)
    return Conversation(_records(Turn, turns), line, system, tools, result, repaired)


def clean(value: Any) -> Any:
    """The value with valid Unicode in all its texts: lone surrogates become U+FFFD.

    JSON may escape half of a surrogate pair. Python keeps it, but UTF-8 cannot hold it.
    """
    match value:
        case str():
            return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        case dict():
            return {clean(key): clean(item) for key, item in value.items()}
        case list() | tuple():
            return [clean(item) for item in value]
    return value


def _lists(kind: type[Any], items: Sequence[Any]) -> list[list[object] | None]:
    """One list for each field of these named tuples. None where there are no items, or where all
    have the field's default (""): None takes next to no time to insert."""
    if not items:
        return [None] * len(kind._fields)
    most = len(kind._fields) - len(kind._field_defaults)
    lists = zip(*items, strict=True)
    return [list(of) if i < most or any(of) else None for i, of in enumerate(lists)]


def spent(cost: Cost) -> Values:
    """The values for `COST`."""
    return cost.tokens_in, cost.tokens_out, cost.seconds, cost.tokens_decoded


def _records(kind: type[Any], items: Iterable[dict[str, Any]]) -> tuple[Any, ...]:
    return tuple(kind(**item) for item in items)


_DECODE: dict[Phase, Callable[..., Result]] = {
    "generate": lambda phrases, dropped, raw, *cost: Generated(
        _records(Phrase, phrases), dropped, raw, Cost(*cost)
    ),
    "filter": lambda phrases, removed, dropped: Filtered(
        _records(Phrase, phrases), _records(Removed, removed), dropped
    ),
    "verify": lambda verdicts, system, dropped, *cost: Verified(
        _records(Verdict, verdicts), system, dropped, Cost(*cost)
    ),
    "respond": lambda turns, dropped, *cost: Responded(_records(Turn, turns), dropped, Cost(*cost)),
    "check": lambda turns, checks, attempts, agrees, obeys, tries, dropped, *cost: Checked(
        _records(Turn, turns), _records(Check, checks), _records(Attempt, attempts),
        agrees, obeys, tries, dropped, Cost(*cost),
    ),
}  # fmt: skip
