"""What is done again: the results that go, and what goes with them.

Nothing that a person decided is among it: reviews are of a version of their row and stay.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sysgen_local.core.records import PHASES, TABLES, Phase
from sysgen_local.store.database import Database

_CHOSEN = 'SELECT "row" FROM checked WHERE len(turns) > 0'
"""Rows whose answers the checks chose: without them phase 4's are the answers again."""


@dataclass(frozen=True, slots=True)
class Losses:
    """`results`: phase -> rows that it did; `judged` and `measured`: rows of which a judge or a
    measure said something. `reviews`: decisions and edits of people's that hold now and are of
    what goes: they stay in the store."""

    results: Mapping[Phase, int]
    judged: int
    measured: int
    reviews: int

    def __bool__(self) -> bool:
        """Whether there is anything to lose."""
        return any(self.results.values()) or bool(self.judged or self.measured)


def losses(db: Database, phase: Phase) -> Losses:
    """See `Store.losses`."""
    results = {}
    for later in _later(phase):
        [(results[later],)] = db.all(f"SELECT count(*) FROM {TABLES[later]}")
    judged, measured = (
        db.all(f'SELECT count(DISTINCT "row") FROM {table} WHERE {_gone(phase)}')[0][0]
        for table in ("judged", "measures")
    )
    edits = " OR system IS NOT NULL" if phase in ("generate", "filter", "verify") else ""
    [(reviews,)] = db.all(
        f"SELECT count(*) FROM opinions WHERE (decision IS NOT NULL{edits}) AND {_gone(phase)}"
    )
    return Losses(results, judged, measured, reviews)


def forget(db: Database, phase: Phase) -> None:
    """Delete, within a transaction, what this phase and all later ones did."""
    for table in ("judged", "measures"):
        db.do(f"DELETE FROM {table} WHERE {_gone(phase)}")
    for later in _later(phase):
        db.do(f"DELETE FROM {TABLES[later]}")
        db.do("DELETE FROM recipes WHERE phase = $1", later)


def _later(phase: Phase) -> tuple[Phase, ...]:
    return PHASES[PHASES.index(phase) :]


def _gone(phase: Phase) -> str:
    """Rows whose answers go."""
    return f'"row" IN ({_CHOSEN})' if phase == "check" else "true"
