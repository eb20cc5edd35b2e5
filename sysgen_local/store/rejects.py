"""Input records that could not be used: which ones, why, and their text."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from sysgen_local.core.records import Reject
from sysgen_local.store.database import Database
from sysgen_local.store.output import write_json, write_parquet
from sysgen_local.store.rows import query_where

_COLUMNS = {
    "file": "source", "line": "line", "reason": "reason", "detail": "detail", "raw": "raw"
}  # fmt: skip
"""Column of a file of rejects -> column of the view `rejected`."""

_ORDER = "place, line, reject"
_SLICE = 10_000


def find(
    db: Database, where: str | None = None, limit: int | None = None, seed: int | None = None
) -> list[tuple[str, Reject]]:
    """See `Store.rejects`."""
    picked = _ORDER if seed is None else f"hash(reject, {int(seed)}), reject"
    some = f"SELECT * FROM rejected WHERE {_condition(where)} ORDER BY {picked} LIMIT $1"
    columns = "source, line, reason, detail, coalesce(raw, '')"
    sql = f"SELECT {columns} FROM ({some}) ORDER BY {_ORDER}"
    found = query_where(db, sql, where, limit, view="rejected")
    return [(path, Reject(*values)) for path, *values in found]


def count(db: Database, where: str | None = None) -> int:
    """How many records meet the condition."""
    sql = f"SELECT count(*) FROM rejected WHERE {_condition(where)}"
    [(rows,)] = query_where(db, sql, where, view="rejected")
    return int(rows)


def copy(db: Database, path: Path, where: str | None, *, parquet: bool) -> int:
    """See `Store.copy_rejects`."""
    rows = count(db, where)
    (write_parquet if parquet else write_json)(db, path, _COLUMNS, _sources(rows, where))
    return rows


def _sources(rows: int, where: str | None) -> Iterator[str]:
    """Subqueries of `_SLICE` records each, with a column `row` that numbers the records in
    order."""
    numbered = (
        f'SELECT reject, row_number() OVER (ORDER BY {_ORDER}) AS "row" '
        f"FROM rejected WHERE {_condition(where)}"
    )
    for low in range(1, max(rows, 1) + 1, _SLICE):
        yield (
            f"(SELECT * FROM ({numbered}) JOIN rejected USING (reject) "
            f'WHERE "row" BETWEEN {low} AND {low + _SLICE - 1})'
        )


def _condition(where: str | None) -> str:
    return "true" if where is None else f"(\n{where}\n)"
