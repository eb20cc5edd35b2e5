"""What people decide of rows: kept beside what the model decided, never over it.

The view `released`, from which datasets are written, lets it win.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from sysgen_local.records import Phrase
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
    edited = None if phrases is None else [{"tag": p.tag, "text": p.text} for p in phrases]
    system = None if phrases is None else " ".join(p.text for p in phrases)
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
