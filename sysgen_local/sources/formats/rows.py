"""Tests whether a value looks like a row, with the help of `shapes`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sysgen_local.core.records import Conversation, Reject
from sysgen_local.sources.shapes import shape

_UNLIKE = ("unknown_shape", "not_an_object")
_PAIRS = ({"input", "output"}, {"human", "assistant"}, {"user", "assistant"})

Keys = Mapping[str, str] | None
"""The mapping of --map; None where there is none."""


def shaped(row: object, line: int, mapping: Keys) -> Conversation | Reject:
    """The row as a conversation or a reject. A row from the hub's dataset viewer is unwrapped."""
    if isinstance(row, dict) and "row_idx" in row and isinstance(row.get("row"), dict):
        if cut := row.get("truncated_cells"):
            return Reject(line, "cut_short", f"the viewer has cut {', '.join(map(str, cut))}")
        row = row["row"]
    return shape(row, line, mapping)


def likeness(row: object, mapping: Keys) -> int:
    """2 for a usable row, 1 for a row of a known shape that cannot be used, else 0. A list of plain
    texts is 0, because many lists that are no rows have two texts."""
    if isinstance(row, list) and row and not isinstance(row[0], Mapping):
        return 0
    made = shaped(row, 1, mapping)
    return 2 if isinstance(made, Conversation) else int(made.reason not in _UNLIKE)


def alike(rows: Sequence[object], mapping: Keys, least: int = 2) -> bool:
    """Whether most of the first 20 look like rows, and the likeness of one is at least `least`."""
    found = [likeness(row, mapping) for row in rows[:20]]
    return max(found, default=0) >= least and sum(map(bool, found)) * 2 > len(found)


def is_turn(value: object) -> bool:
    """Whether the value is one turn of a conversation, and so no row."""
    if not isinstance(value, dict) or not value.keys() & {"role", "from"}:
        return False
    return bool(value.keys() & {"content", "value", "text", "tool_calls", "function_call"})


def is_pair(value: object) -> bool:
    """Whether the value is a question with its answer, which may be a row or a part of one."""
    return isinstance(value, dict) and value.keys() in _PAIRS


def rows_in(value: object) -> list[Any]:
    """The rows in a list, also in nested lists. Empty where the list is a row itself, such as the
    turns of a conversation."""
    if not isinstance(value, list) or not value:
        return []
    if isinstance(value[0], list):
        inner = [rows_in(of) for of in value]
        return [row for rows in inner for row in rows] if all(inner) else []
    is_row = isinstance(value[0], dict) and not (is_turn(value[0]) or is_pair(value[0]))
    return value if is_row else []
