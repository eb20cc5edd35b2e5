"""What people decide of rows: kept beside what the model decided, never over it.

The view `released`, from which datasets are written, lets it win.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sysgen_local.records import Phrase, in_order
from sysgen_local.store.database import Database
from sysgen_local.store.schema import now

Decision = Literal["accepted", "rejected"]

SEEN = """w."at" >= greatest(r."at", CASE WHEN len(k.turns) > 0 THEN k."at" END)"""
"""Whether the person saw the present answer: SQL over `reviews w`, `responded r`, `checked k`."""

_FIRST = "[t.content FOR t IN {}.turns IF t.\"role\" = 'assistant'][1]"


@dataclass(frozen=True, slots=True)
class Review:
    """`phrases` and `system` are None where the person left them as they were. `at` is in UTC;
    `earlier`: the row has been answered anew since."""

    decision: Decision
    phrases: tuple[Phrase, ...] | None
    system: str | None
    at: datetime
    earlier: bool


def review(
    db: Database,
    row: int,
    decision: Decision,
    phrases: Sequence[Phrase] | None,
    at: datetime | None,
) -> None:
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
            at or now(),
        )


def reviewed(db: Database, row: int) -> Review | None:
    """See `Store.reviewed`."""
    found = db.all(
        f'SELECT w.decision, w.phrases, w.system, w."at", NOT coalesce({SEEN}, false) '
        "FROM reviews w "
        'LEFT JOIN responded r ON r."row" = w."row" LEFT JOIN checked k ON k."row" = w."row" '
        'WHERE w."row" = $1',
        row,
    )
    if not found:
        return None
    decision, phrases, system, at, earlier = found[0]
    edited = None if phrases is None else tuple(Phrase(**phrase) for phrase in phrases)
    return Review(decision, edited, system, at, earlier)


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
        'UPDATE responded SET system = e.system FROM (SELECT n."row", w.system FROM '
        '(SELECT unnest($1::BIGINT[]) AS "row") n LEFT JOIN reviews w ON w."row" = n."row") e '
        'WHERE e."row" = responded."row" AND responded.system IS DISTINCT FROM e.system',
        list(numbers),
    )


def replaced(db: Database, numbers: Sequence[int]) -> list[int]:
    """Those of these rows whose answers the checks replaced from the first one on."""
    return db.numbers(
        'SELECT k."row" FROM checked k JOIN responded r ON r."row" = k."row" '
        'WHERE k."row" IN (SELECT unnest($1::BIGINT[])) '
        f"AND {_FIRST.format('k')} IS DISTINCT FROM {_FIRST.format('r')}",
        list(numbers),
    )


def unsee(db: Database) -> None:
    """Within a transaction that forgets the checks: what people decided of answers that the checks
    chose was decided of none that is left."""
    db.do(
        "UPDATE reviews SET \"at\" = TIMESTAMP '1970-01-01' "
        'WHERE "row" IN (SELECT "row" FROM checked WHERE len(turns) > 0)'
    )


def reopen(db: Database) -> int:
    """See `Store.reopen`."""
    numbers = db.numbers(
        "SELECT \"row\" FROM journey WHERE stale AND review IS DISTINCT FROM 'rejected'"
    )
    with db.transaction():
        for table in ("responded", "checked", "measures", "judged"):
            db.do(f'DELETE FROM {table} WHERE "row" IN (SELECT unnest($1::BIGINT[]))', numbers)
    return len(numbers)
