"""Deletes the results that a `--redo` replaces, or that a declined preview made.

Reviews are never deleted here: each belongs to a version of its row, and stays in the store.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sysgen_local.core.records import TABLES, Phase, phases_from
from sysgen_local.store.database import Database

_CHOSEN = 'SELECT "row" FROM checked WHERE len(turns) > 0'
"""Rows whose answers were chosen by the checks. Without the checks they have phase 4's again."""


@dataclass(frozen=True, slots=True)
class Losses:
    """What a redo deletes. `results`: phase -> rows with a result. `judged`, `measured`: rows with
    verdicts of a judge, and with measures. `reviews`: decisions and edits that are valid now and
    will not be; they stay in the store."""

    results: Mapping[Phase, int]
    judged: int
    measured: int
    reviews: int

    def __bool__(self) -> bool:
        """Whether anything would be deleted."""
        return any(self.results.values()) or bool(self.judged or self.measured)


def losses(db: Database, phase: Phase) -> Losses:
    """See `Store.losses`."""
    results = {}
    for later in phases_from(phase):
        [(results[later],)] = db.all(f"SELECT count(*) FROM {TABLES[later]}")
    judged, measured = (
        db.all(f'SELECT count(DISTINCT "row") FROM {table} WHERE {_deleted(phase)}')[0][0]
        for table in ("judged", "measures")
    )
    edits = " OR system IS NOT NULL" if phase in ("generate", "filter", "verify") else ""
    [(reviews,)] = db.all(
        f"SELECT count(*) FROM opinions WHERE (decision IS NOT NULL{edits}) AND {_deleted(phase)}"
    )
    return Losses(results, judged, measured, reviews)


def forget(db: Database, phase: Phase) -> None:
    """Deletes the results of this phase and all later ones, within a transaction."""
    for table in ("judged", "measures"):
        db.do(f"DELETE FROM {table} WHERE {_deleted(phase)}")
    for later in phases_from(phase):
        db.do(f"DELETE FROM {TABLES[later]}")
        db.do("DELETE FROM recipes WHERE phase = $1", later)


def take_back(db: Database, results: Iterable[tuple[int, Phase]]) -> None:
    """See `Store.take_back`."""
    of: dict[Phase, list[int]] = {}
    for row, phase in results:
        of.setdefault(phase, []).append(row)
    with db.transaction():
        for phase, rows in of.items():
            mine = 'WHERE "row" IN (SELECT unnest($1::BIGINT[]))'
            db.do(f"DELETE FROM {TABLES[phase]} {mine}", rows)
            db.do(f"DELETE FROM failures {mine} AND phase = $2", rows, phase)


def _deleted(phase: Phase) -> str:
    """The SQL condition for rows whose answers are deleted."""
    return f'"row" IN ({_CHOSEN})' if phase == "check" else "true"
