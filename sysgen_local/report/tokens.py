"""The tokens of each phase: prompts as they were read, what of them was decoded, and answers.

Decoded tokens are the prompt tokens that were not in the KV cache and had to be computed. So they
show what a shared beginning of prompts saves, which the tokens that were read do not.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sysgen_local.report.grid import Table

Stats = Mapping[str, Any]

UNKNOWN = "?"
"""The cell where the decoded tokens are not known of every row."""


def tokens_table(state: Stats, other: Stats | None = None) -> Table | None:
    """Tokens a row by phase, over all rows that the phase has done. `other` is another store, with
    its decoded tokens beside. None where no model was asked."""
    found = dict(_asked(state))
    if not found:
        return None
    columns = ["phase", "rows", "read", "decoded", "written"]
    columns += ["decoded, other"] if other else []
    theirs = dict(_asked(other)) if other else {}
    lines = []
    for phase, of in found.items():
        cells = [phase, f"{of['done']:,}", *_cells(of)]
        if other:
            cells.append(_cells(theirs[phase])[1] if phase in theirs else "")
        lines.append(tuple(cells))
    notes = ["decoded: prompt tokens that were not in the KV cache and had to be computed"]
    if any(UNKNOWN in line for line in lines):
        notes.append(f"{UNKNOWN}: not known of every row (made by an older version or a server)")
    return Table("tokens a row", tuple(columns), tuple(lines), tuple(notes))


def tokens_a_row(state: Stats) -> Iterator[str]:
    """The table in one line; none where no model was asked."""
    parts = []
    for phase, of in _asked(state):
        read, decoded, written = _cells(of)
        parts.append(f"{phase} {read} ({decoded}) + {written}")
    if parts:
        yield f"tokens a row, read (of them decoded) + written: {', '.join(parts)}"


def _asked(state: Stats) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The phases that asked a model, by name."""
    for phase, of in state["phases"].items():
        if of.get("tokens_in") or of.get("tokens_out"):
            yield phase, of


def _cells(of: Mapping[str, Any]) -> tuple[str, str, str]:
    """Tokens read, decoded and written, a row."""
    read, decoded, written = (of[f"tokens_{name}"] for name in ("in", "decoded", "out"))
    known = UNKNOWN if decoded is None else _each(decoded, of)
    return _each(read, of), known, _each(written, of)


def _each(tokens: int, of: Mapping[str, Any]) -> str:
    each = tokens / of["done"]
    return f"{each:.1f}" if each < 10 and each % 1 else f"{each:,.0f}"
