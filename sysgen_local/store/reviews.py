"""What people decide of rows: kept beside what the model decided, never over it.

The view `released`, from which datasets are written, lets it win.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from sysgen_local.records import Phrase, in_order
from sysgen_local.store.database import Database
from sysgen_local.store.schema import now

Decision = Literal["accepted", "rejected"]


@dataclass(frozen=True, slots=True)
class Review:
    """`phrases` and `system` are None where the person left them as they were."""

    decision: Decision
    phrases: tuple[Phrase, ...] | None
    system: str | None


def review(db: Database, row: int, decision: Decision, phrases: Sequence[Phrase] | None) -> None:
    """See `Store.review`."""
    edited = system = None
    if phrases is not None:
        ordered = in_order(phrases)
        edited = [{"tag": p.tag, "text": p.text} for p in ordered]
        system = " ".join(p.text for p in ordered)
    with db.transaction():
        db.do(
            "INSERT OR REPLACE INTO reviews VALUES "
            '($1, $2, $3::STRUCT(tag VARCHAR, "text" VARCHAR)[], $4, $5)',
            row,
            decision,
            edited,
            system,
            now(),
        )


def reviewed(db: Database, row: int) -> Review | None:
    """See `Store.reviewed`."""
    found = db.all('SELECT decision, phrases, system FROM reviews WHERE "row" = $1', row)
    if not found:
        return None
    decision, phrases, system = found[0]
    edited = None if phrases is None else tuple(Phrase(**phrase) for phrase in phrases)
    return Review(decision, edited, system)


def forget(db: Database, row: int) -> None:
    """See `Store.forget_review`."""
    with db.transaction():
        db.do('DELETE FROM reviews WHERE "row" = $1', row)


def stale(db: Database, row: int) -> bool:
    """See `Store.stale`."""
    return db.all('SELECT stale FROM journey WHERE "row" = $1', row) == [(True,)]


def answered(db: Database, numbers: Sequence[int]) -> None:
    """Note, within a transaction, under which system messages of people's these rows were just
    answered."""
    db.do(
        "UPDATE responded SET system = w.system FROM reviews w "
        'WHERE w."row" = responded."row" AND w.system IS NOT NULL '
        'AND responded."row" IN (SELECT unnest($1::BIGINT[]))',
        numbers,
    )


def reopen(db: Database) -> int:
    """See `Store.reopen`."""
    numbers = db.numbers(
        "SELECT \"row\" FROM journey WHERE stale AND review IS DISTINCT FROM 'rejected'"
    )
    with db.transaction():
        for table in ("responded", "measures", "judged"):
            db.do(f'DELETE FROM {table} WHERE "row" IN (SELECT unnest($1::BIGINT[]))', numbers)
    return len(numbers)
