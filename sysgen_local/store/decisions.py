"""Decisions outside of a store: what a file of decisions holds, and how it is merged into a store.

A decision names its row by content: a digest of the original conversation, and its place where
several rows have the same conversation. Row numbers do not count, so the rows may lie in another
order in the other store.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from sysgen_local.store import reviews
from sysgen_local.store.database import Database
from sysgen_local.store.reviews import Review

# The roles and contents of the turns, and the system message and tools that the row came with.
DIGEST = """md5(list_aggregate([strlen(x) || ':' || x FOR x IN
    [coalesce(c.system, ''), coalesce(c.tools, '')]
    || flatten([[t."role", t.content] FOR t IN c.turns])], 'string_agg', ''))"""


@dataclass(frozen=True, slots=True)
class Decided:
    """A review outside of a store. `source` and `line` are the place of its row, `conversation` the
    digest of the row's original conversation. What `review` says of the store (`earlier`,
    `outdated`) does not count."""

    source: str
    line: int
    conversation: str
    review: Review


class Merged(NamedTuple):
    """How many decisions were new, changed those of the store, were there already (`same`), and
    were not taken because the store has one that counts more (`kept`). `waiting`: of the new and
    changed ones, those about other answers than the row has now, which do not hold."""

    new: int
    changed: int
    same: int
    kept: int
    waiting: int


def export(db: Database) -> list[Decided]:
    """See `Store.decided`."""
    places = {
        row: (path, line, digest)
        for row, path, line, digest in db.all(
            f'SELECT c."row", s.path, c.line, {DIGEST} FROM reviews w '
            'JOIN conversations c ON c."row" = w."row" JOIN sources s ON s.source = c.source'
        )
    }
    return [Decided(*places[row], of) for row, of in reviews.every(db).items()]


def places(db: Database, decided: Sequence[Decided]) -> list[int | None]:
    """See `Store.places`."""
    return locate(db, [
        (of.conversation, of.source, of.line,
         None if of.review.answers is None else len(of.review.answers))
        for of in decided
    ])  # fmt: skip


Place = tuple[str, str, int, int | None]
"""Digest of the conversation, source, line, and number of answers (None: any)."""


def locate(db: Database, places: Sequence[Place]) -> list[int | None]:
    """The numbers of the rows at these places; None where the store has no such row."""
    found = db.all(
        f'SELECT {DIGEST} AS digest, c."row", s.path, c.line, '
        "len([t FOR t IN c.turns IF t.\"role\" = 'assistant']) FROM conversations c "
        "JOIN sources s ON s.source = c.source "
        'WHERE digest IN (SELECT unnest($1::VARCHAR[])) ORDER BY c."row"',
        [digest for digest, *_ in places],
    )
    having: dict[str, list[tuple[int, str, int, int]]] = {}
    for digest, *place in found:
        having.setdefault(digest, []).append(tuple(place))
    return [_place(of, having.get(of[0], [])) for of in places]


def _place(of: Place, rows: list[tuple[int, str, int, int]]) -> int | None:
    """The row among those with the same conversation: the only one, else the one at the same place.
    None also where there is another number of answers than the row has."""
    _, source, line, answers = of
    fitting = [row for row in rows if answers is None or answers == row[3]]
    if len(fitting) > 1:
        fitting = [row for row in fitting if row[2] == line]
    if len(fitting) > 1:
        fitting = [row for row in fitting if row[1] == source]
    return fitting[0][0] if len(fitting) == 1 else None


def merge(db: Database, decided: Mapping[int, Review], overwrite: bool) -> Merged:
    """See `Store.merge_decisions`."""
    counted: Counter[str] = Counter()
    written = []
    with db.transaction():
        stored = reviews.every(db)
        for row, theirs in decided.items():
            mine = stored.get(row)
            merged = theirs if mine is None else _merged(theirs, mine, overwrite)
            how = "new" if mine is None else _how(theirs, mine, merged)
            counted[how] += 1
            if how in ("new", "changed"):
                written.append(row)
                reviews.write(
                    db, row, merged.decision, merged.phrases, merged.answers, merged.note,
                    merged.reviewer, merged.at, merged.of,
                )  # fmt: skip
        now = reviews.every(db)
    waiting = sum(now[row].earlier for row in written)
    return Merged(
        counted["new"], counted["changed"], counted["same"], counted["kept"], waiting
    )  # fmt: skip


def _merged(theirs: Review, mine: Review, overwrite: bool) -> Review:
    """What the store holds after the merge. The newer decision counts, but one that does not hold
    replaces none that does. A note replaces no decision, and the lack of a note deletes none."""
    newer = overwrite or theirs.at > mine.at
    holds = mine.decision is not None and not mine.earlier and theirs.of != mine.of
    if theirs.decision is None and mine.decision is not None:
        base = mine
    elif mine.decision is None and theirs.decision is not None:
        base = theirs
    else:
        base = theirs if newer and (overwrite or not holds) else mine
    first, second = (theirs, mine) if newer else (mine, theirs)
    return replace(base, note=second.note if first.note is None else first.note)


def _how(theirs: Review, mine: Review, merged: Review) -> str:
    """Whether a merge has changed the store's review, or kept it, or both were the same."""
    if (_decision(merged), merged.note) != (_decision(mine), mine.note):
        return "changed"
    decided = theirs.decision is None or _decision(theirs) == _decision(mine)
    return "same" if decided and theirs.note in (None, mine.note) else "kept"


def _decision(of: Review) -> tuple[object, ...]:
    """All that a reviewer decided: who it was and when does not count."""
    return of.decision, of.phrases, of.answers, of.of
