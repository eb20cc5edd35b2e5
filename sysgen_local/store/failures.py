"""Errors of rows that were dropped without an answer, and the retry of these rows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sysgen_local.core.records import FAILURES, TABLES, Phase, Result
from sysgen_local.store.codec import Columns
from sysgen_local.store.database import Database
from sysgen_local.store.schema import now

_COLUMNS: Columns = {
    "row": "BIGINT", "phase": "VARCHAR", "reason": "VARCHAR", "why": "VARCHAR", "at": "TIMESTAMP",
}  # fmt: skip


def record(db: Database, results: Iterable[tuple[int, Phase, Result]]) -> None:
    """Writes the errors of these results, within a transaction, in place of earlier ones."""
    at = now()
    rows = [
        (row, phase, result.dropped, result.why, at)
        for row, phase, result in results
        if result.dropped and result.why
    ]
    for phase in {phase for _, phase, *_ in rows}:
        db.do(
            'DELETE FROM failures WHERE phase = $1 AND "row" IN (SELECT unnest($2::BIGINT[]))',
            phase,
            [row for row, of, *_ in rows if of == phase],
        )
    db.append("failures", _COLUMNS, rows)


def why(db: Database, numbers: Sequence[int]) -> dict[tuple[int, Phase], tuple[str, str]]:
    """(Row, phase) -> (the reason why the row was dropped, what went wrong)."""
    found = db.all(
        'SELECT "row", phase, reason, why FROM failures '
        'WHERE "row" IN (SELECT unnest($1::BIGINT[]))',
        list(numbers),
    )
    return {(row, phase): (reason, text) for row, phase, reason, text in found}


def forget(db: Database, phases: Sequence[Phase]) -> int:
    """Deletes the failed results of these phases. Returns how many rows are due again."""
    deleted = 0
    with db.transaction():
        for phase in phases:
            where = "WHERE dropped IN (SELECT unnest($1::VARCHAR[]))"
            table = TABLES[phase]
            [(rows,)] = db.all(f"SELECT count(*) FROM {table} {where}", list(FAILURES))
            if rows:
                db.do(f"DELETE FROM {table} {where}", list(FAILURES))
                db.do("DELETE FROM failures WHERE phase = $1", phase)
            deleted += rows
    return deleted
