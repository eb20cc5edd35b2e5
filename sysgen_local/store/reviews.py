"""Reviews: decisions of people about rows, with their edits and notes. They are stored beside the
model's results.

A review is of one version of a row (see `views`). While it is valid, it overrides the model's
result in the views `opinions` and `released`. Only the reviewer can delete it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, NamedTuple

from sysgen_local.core.counted import counted
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
    """A person's review of a row. `decision` is None where there is only a note. `phrases` and
    `system`, and `answers` (the contents of all turns of the assistant), are None where they were
    not edited. `at` is UTC.

    `earlier`: the decision and the edited answers are about other answers than the row has now.
    `outdated`: the edited phrases belong to another system message than the model's present one.
    They are not valid then.
    """

    decision: Decision | None
    phrases: tuple[Phrase, ...] | None
    system: str | None
    at: datetime
    earlier: bool
    outdated: bool
    of: Version
    answers: tuple[str, ...] | None = None
    note: str | None = None
    reviewer: str | None = None


def write(
    db: Database,
    row: int,
    decision: Decision | None,
    phrases: Sequence[Phrase] | None,
    answers: Sequence[str] | None,
    note: str | None,
    reviewer: str | None,
    at: datetime | None,
    of: Version | None,
) -> None:
    """See `Store.review`. To be called within a transaction."""
    edited = system = None
    if phrases is not None:
        ordered = in_order(phrases)
        edited = [{"tag": p.tag, "text": p.text} for p in ordered]
        system = " ".join(p.text for p in ordered)
    if decision is None and (phrases is not None or answers is not None):
        raise ValueError("an edit needs a decision")
    if answers is not None and len(answers) != (turns := _answers(db, row)):
        raise ValueError(f"row {row} has {counted(turns, 'answer')}, not {len(answers)}")
    db.do(
        'INSERT OR REPLACE INTO reviews ("row", decision, phrases, system, answers, note, '
        'reviewer, "at", of_system, of_answers) VALUES '
        '($1, $2, $3::STRUCT(tag VARCHAR, "text" VARCHAR)[], $4, $5::VARCHAR[], $6, $7, $8, '
        "$9, $10)",
        row,
        decision,
        edited,
        system,
        None if answers is None else list(answers),
        note,
        reviewer,
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


def _answers(db: Database, row: int) -> int:
    """How many turns of the assistant the row has. New answers do not change it."""
    sql = (
        "SELECT len([t FOR t IN turns IF t.\"role\" = 'assistant']) FROM conversations "
        'WHERE "row" = $1'
    )
    return sum(db.numbers(sql, row))


def reviewed(db: Database, row: int) -> Review | None:
    """See `Store.reviewed`."""
    return _reviews(db, 'WHERE w."row" = $1', row).get(row)


def every(db: Database) -> dict[int, Review]:
    """Row -> its review, of all rows that have one."""
    return _reviews(db, 'ORDER BY w."row"')


def _reviews(db: Database, condition: str, *values: object) -> dict[int, Review]:
    found = db.all(
        'SELECT w."row", w.decision, w.phrases, w.system, w."at", NOT o.same_answers, '
        "NOT o.same_system, w.of_system, w.of_answers, w.answers, w.note, w.reviewer "
        f'FROM reviews w JOIN opinions o ON o."row" = w."row" {condition}',
        *values,
    )
    reviews = {}
    for row, decision, phrases, system, at, earlier, outdated, *of, answers, note, who in found:
        edited = None if phrases is None else tuple(Phrase(**phrase) for phrase in phrases)
        reviews[row] = Review(
            decision, edited, system, at,
            earlier=earlier and decision is not None,
            outdated=outdated and edited is not None,
            of=Version(*of),
            answers=None if answers is None else tuple(answers),
            note=note,
            reviewer=who,
        )  # fmt: skip
    return reviews


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


def kept(db: Database) -> int:
    """See `Store.kept_answers`."""
    sql = (
        'SELECT count(*) FROM opinions w JOIN responded r ON r."row" = w."row" '
        'JOIN verified v ON v."row" = w."row" '
        "WHERE w.answers IS NOT NULL AND w.decision = 'accepted' "
        "AND coalesce(w.system, v.system) IS DISTINCT FROM coalesce(r.system, v.system)"
    )
    return sum(db.numbers(sql))


class Edits(NamedTuple):
    """Numbers of finished rows: those with an edit that holds, and those that are stale. Rejected
    rows are not among the stale ones."""

    edited: frozenset[int]
    stale: frozenset[int]


def edits(db: Database) -> Edits:
    """See `Store.edits`."""
    kept = "stale AND review IS DISTINCT FROM 'rejected'"
    such = (
        db.numbers(f"SELECT \"row\" FROM journey WHERE state = 'final' AND {condition}")
        for condition in ("edited", kept)
    )
    return Edits(*map(frozenset, such))
