"""Reviews: decisions of people about rows. They are stored beside the model's results.

A review is of one version of a row (see `migrations`). While it is valid, it overrides the model's
result in the views `opinions` and `released`. Only the reviewer can delete it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sysgen_local.core.records import Phrase, in_order
from sysgen_local.store.database import Database
from sysgen_local.store.schema import now

Decision = Literal["accepted", "rejected"]

_FIRST = "[t.content FOR t IN {}.turns IF t.\"role\" = 'assistant'][1]"


@dataclass(frozen=True, slots=True)
class Version:
    """The version of a row: digests of the model's system message and of the answers. None where it
    is not known."""

    system: str | None
    answers: str | None


@dataclass(frozen=True, slots=True)
class Review:
    """A reviewer's decision about a row. `phrases` and `system` are None where the reviewer did not
    edit them. `at` is UTC.

    `earlier`: the decision is about other answers than the row has now. `outdated`: the edited
    phrases belong to another system message than the model's present one. Neither is valid then.
    """

    decision: Decision
    phrases: tuple[Phrase, ...] | None
    system: str | None
    at: datetime
    earlier: bool
    outdated: bool
    of: Version


def review(
    db: Database,
    row: int,
    decision: Decision,
    phrases: Sequence[Phrase] | None,
    at: datetime | None,
    of: Version | None,
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
            '($1, $2, $3::STRUCT(tag VARCHAR, "text" VARCHAR)[], $4, $5, $6, $7)',
            row,
            decision,
            edited,
            system,
            at or now(),
            of.system if of else None,
            of.answers if of else None,
        )
        if of is None:
            db.do(
                "UPDATE reviews SET of_system = n.of_system, of_answers = n.of_answers "
                'FROM versions n WHERE n."row" = reviews."row" AND reviews."row" = $1',
                row,
            )


def reviewed(db: Database, row: int) -> Review | None:
    """See `Store.reviewed`."""
    found = db.all(
        'SELECT w.decision, w.phrases, w.system, w."at", NOT o.same_answers, NOT o.same_system, '
        'w.of_system, w.of_answers FROM reviews w JOIN opinions o ON o."row" = w."row" '
        'WHERE w."row" = $1',
        row,
    )
    if not found:
        return None
    decision, phrases, system, at, earlier, outdated, *of = found[0]
    edited = None if phrases is None else tuple(Phrase(**phrase) for phrase in phrases)
    outdated = outdated and edited is not None
    return Review(decision, edited, system, at, earlier, outdated, Version(*of))


def forget(db: Database, row: int) -> None:
    """See `Store.forget_review`."""
    with db.transaction():
        db.do('DELETE FROM reviews WHERE "row" = $1', row)


def stale(db: Database, row: int) -> bool:
    """See `Store.stale`."""
    return db.all('SELECT stale FROM journey WHERE "row" = $1', row) == [(True,)]


def answered(db: Database, numbers: Sequence[int]) -> None:
    """Writes the edited system messages under which these rows were answered just now, within a
    transaction."""
    of = ('"row" BETWEEN $1 AND $2 AND "row" IN (SELECT unnest($3::BIGINT[])) '
          "AND system IS NOT NULL")  # fmt: skip
    edited = db.numbers(
        f'SELECT "row" FROM reviews WHERE {of} UNION SELECT "row" FROM responded WHERE {of}',
        min(numbers, default=0),
        max(numbers, default=0),
        list(numbers),
    )
    if not edited:
        return  # the usual case; it avoids the costly view `opinions`
    db.do(
        'UPDATE responded SET system = e.system FROM (SELECT n."row", w.system FROM '
        '(SELECT unnest($1::BIGINT[]) AS "row") n LEFT JOIN opinions w ON w."row" = n."row") e '
        'WHERE e."row" = responded."row" AND responded.system IS DISTINCT FROM e.system',
        edited,
    )


def replaced(db: Database, numbers: Sequence[int]) -> list[int]:
    """Those of these rows in which the checks replaced the first answer."""
    return db.numbers(
        'SELECT k."row" FROM checked k JOIN responded r ON r."row" = k."row" '
        'WHERE k."row" IN (SELECT unnest($1::BIGINT[])) '
        f"AND {_FIRST.format('k')} IS DISTINCT FROM {_FIRST.format('r')}",
        list(numbers),
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
