"""Rows that are due for a phase, the commit of their results, and queries for rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from sysgen_local.core.errors import UsageError
from sysgen_local.core.records import PHASES, TABLES, Checked, Phase, Result, Row
from sysgen_local.store import codec, failures, judging, reviews
from sysgen_local.store.database import Database
from sysgen_local.store.file import first_line
from sysgen_local.store.schema import now

_UNDER_SYSTEM = ("respond", "check")
"""Phases that use the finished system message, which a reviewer may have edited."""
_BEFORE_ANSWERS = PHASES[: PHASES.index("respond")]

State = Literal["final", "dropped", "pending"]

_NUMBERS = 8192
"""Row numbers of due rows in one query. The query takes 14 ms among 800,000 rows and 1 ms among
8,000. With one query a page, the cost of a row would grow with the number of rows."""


SURE = 0.7
"""A row with a probability below this is unsure."""

# `tries` is NULL where the row was not checked.
_UNSURE = (
    f"coalesce(p_good < {SURE}, false) OR len([c FOR c IN checks IF c.p < {SURE}]) > 0 "
    "OR (tries IS NOT NULL AND agrees IS NULL AND obeys IS NULL)"
)


@dataclass(frozen=True, slots=True)
class RowQuery:
    """A query for rows, in ascending order: the first `limit` of them (None: all) or, with a seed,
    a reproducible sample. `phase` is the phase that dropped them, `tag` the tag of one of their
    good phrases, `where` an SQL condition over the view `journey`. `unsure`: only rows of which one
    phrase has a p(good) below `SURE`, of whose answer a check has a probability below it, or of
    whose answer the checks could say nothing."""

    state: State | None = None
    phase: Phase | None = None
    tag: str | None = None
    where: str | None = None
    limit: int | None = 20
    seed: int | None = None
    unsure: bool = False

    def condition(self) -> str:
        """The condition in SQL."""
        parts = ["true"]
        if self.state:
            parts.append(f"state = {quoted(self.state)}")
        if self.phase:
            parts.append(f"phase = {quoted(self.phase)}")
        if self.tag:
            parts.append(f"list_contains(tags, {quoted(self.tag)})")
        if self.unsure:
            parts.append(f"({_UNSURE})")
        if self.where is not None:
            parts.append(f"(\n{self.where}\n)")
        return " AND ".join(parts)


def quoted(text: str) -> str:
    """The text as an SQL string."""
    return "'" + text.replace("'", "''") + "'"


def due(db: Database, phase: Phase, page: int) -> Iterator[Row]:
    """See `Store.due`. The row numbers are read first, then the rows of each page."""
    before = PHASES[: PHASES.index(phase)]
    source = f"{TABLES[before[-1]]} b WHERE b.dropped IS NULL" if before else "conversations b"
    sql = (
        f'SELECT b."row" FROM {source} {"AND" if before else "WHERE"} b."row" > $1 '
        f'AND NOT EXISTS (SELECT 1 FROM {TABLES[phase]} t WHERE t."row" = b."row" AND t."row" > $1)'
        ' ORDER BY b."row" LIMIT $2'
    )
    last = 0
    while found := db.numbers(sql, last, _NUMBERS):
        last = found[-1]
        for start in range(0, len(found), page):
            numbers = found[start : start + page]
            rows = load(db, numbers, before)
            yield from _with_edits(db, rows, numbers) if phase in _UNDER_SYSTEM else rows


def before_answers(db: Database, numbers: list[int]) -> Iterator[Row]:
    """The rows with these numbers (ascending) up to phase 3, with the reviewer's system message
    where one was edited."""
    yield from _with_edits(db, load(db, numbers, _BEFORE_ANSWERS), numbers) if numbers else ()


def _with_edits(db: Database, rows: Iterator[Row], numbers: list[int]) -> Iterator[Row]:
    """The rows, with the reviewer's system message where one was edited."""
    condition = 'WHERE system IS NOT NULL AND "row" BETWEEN $1 AND $2'
    edited: dict[int, str] = {}
    if db.all(f"SELECT 1 FROM reviews {condition} LIMIT 1", numbers[0], numbers[-1]):
        sql = f'SELECT "row", system FROM opinions {condition}'
        edited |= dict(db.all(sql, numbers[0], numbers[-1]))
    for row in rows:
        if row.row in edited and row.verified is not None:
            row = row._replace(verified=replace(row.verified, system=edited[row.row]))
        yield row


def commit(db: Database, results: Sequence[tuple[int, Phase, Result]]) -> None:
    """See `Store.commit`. Phases are written in their order, so that a batch may hold results of
    one row for several phases."""
    at = now()
    passed: set[int] = set()
    with db.transaction():
        for i, phase in enumerate(PHASES):
            rows = [
                (number, *codec.encode(phase, result), at)
                for number, of, result in results
                if of == phase
            ]
            if rows:
                numbers = {row[0] for row in rows}
                _require_due(db, PHASES[i - 1] if i else None, numbers - passed)
                columns = {"row": "BIGINT", **codec.RESULT[phase], "at": "TIMESTAMP"}
                db.append(TABLES[phase], columns, rows)
            if rows and phase == "respond":
                reviews.answered(db, [row[0] for row in rows])
            if rows and phase == "check":
                _update_after_check(db, [(n, r) for n, _, r in results if isinstance(r, Checked)])
            passed = {
                number for number, of, result in results if of == phase and not result.dropped
            }
        failures.record(db, results)


def _update_after_check(db: Database, results: Sequence[tuple[int, Checked]]) -> None:
    """Deletes measures and verdicts of answers that the checks replaced or dropped, and updates the
    edited system messages of replaced ones, within a transaction."""
    if deleted := [number for number, result in results if result.turns or result.dropped]:
        judging.delete(db, deleted)
    if replaced := [number for number, result in results if result.turns]:
        reviews.answered(db, reviews.replaced(db, replaced))


def _require_due(db: Database, before: Phase | None, numbers: set[int]) -> None:
    """Raises ValueError unless the phase before passed all of these rows."""
    if not numbers:
        return
    where = f"{TABLES[before]} WHERE dropped IS NULL AND" if before else "conversations WHERE"
    sql = f'SELECT count(*) FROM {where} "row" IN (SELECT unnest($1::BIGINT[]))'
    ((found,),) = db.all(sql, list(numbers))
    if found != len(numbers):
        raise ValueError(f"not due: {len(numbers) - found} rows after {before or 'the input'}")


def load(db: Database, numbers: list[int], phases: Sequence[Phase]) -> Iterator[Row]:
    """The rows with these numbers, in ascending order, with the results of these phases."""
    if not numbers:
        return
    errors = failures.why(db, numbers) if len(phases) == len(PHASES) else {}
    made = [(phase, _pick(db, TABLES[phase], codec.RESULT[phase], numbers)) for phase in phases]
    for number, values in _pick(db, "conversations", codec.CONVERSATION, numbers).items():
        row = Row(number, codec.decode_conversation(*values))
        for phase, found in made:
            if number in found:
                result = codec.decode(phase, found[number])
                reason, text = errors.get((number, phase), (None, None))
                if text and result.dropped == reason:
                    result = replace(result, why=text)
                row = row.after(phase, result)
        yield row


def _pick(
    db: Database, table: str, columns: codec.Columns, numbers: list[int]
) -> dict[int, Sequence[Any]]:
    found = db.all(
        f'SELECT "row", {", ".join(columns)} FROM {table} WHERE "row" BETWEEN $1 AND $2 '
        'AND "row" IN (SELECT unnest($3::BIGINT[])) ORDER BY "row"',
        min(numbers),
        max(numbers),
        numbers,
    )
    return {number: values for number, *values in found}


def find(db: Database, query: RowQuery, page: int = 256) -> Iterator[Row]:
    """See `Store.find`. So many rows at a time are in memory."""
    order = '"row"' if query.seed is None else f'hash("row", {int(query.seed)}), "row"'
    sql = f'SELECT "row" FROM journey WHERE {query.condition()} ORDER BY {order} LIMIT $1'
    numbers = [number for (number,) in query_where(db, sql, query.where, query.limit)]
    numbers.sort()
    for start in range(0, len(numbers), page):
        yield from load(db, numbers[start : start + page], PHASES)


def queue(db: Database, query: RowQuery) -> list[tuple[int, reviews.Decision | None]]:
    """See `Store.queue`."""
    order = "" if query.seed is None else f'hash("row", {int(query.seed)}), '
    sql = (
        'SELECT q."row", w.decision FROM (SELECT "row" '
        f'FROM journey WHERE {query.condition()} ORDER BY {order}"row" LIMIT $1) q '
        'LEFT JOIN opinions w ON w."row" = q."row" ORDER BY q."row"'
    )
    return query_where(db, sql, query.where, query.limit)


def having(db: Database, words: str) -> list[int]:
    """See `Store.having`."""
    texts = ", ".join(
        f"list_aggregate([t.content FOR t IN {turns}], 'string_agg', chr(10))"
        for turns in ("c.turns", "r.turns", "k.turns")
    )
    return db.numbers(
        'SELECT j."row" FROM journey j JOIN conversations c ON c."row" = j."row" '
        'LEFT JOIN responded r ON r."row" = j."row" LEFT JOIN checked k ON k."row" = j."row" '
        'LEFT JOIN opinions w ON w."row" = j."row" WHERE j.state = \'final\' AND contains(lower('
        f"concat_ws(chr(10), {texts}, array_to_string(w.answers, chr(10)), j.system, "
        'j.old_system, j.note)), lower($1)) ORDER BY j."row"',
        words,
    )


def query_where(
    db: Database, sql: str, where: str | None, *values: object, view: str = "journey"
) -> list[Any]:
    """All rows of a query that contains the user's condition over `view`. Raises UsageError where
    the condition is not valid SQL."""
    import duckdb

    try:
        return db.all(sql, *values)
    except duckdb.Error as error:
        if where is None:
            raise
        inner = ("good", "reject", "place")  # of no use to a user
        columns = [name for name, *_ in db.all(f"DESCRIBE {view}") if name not in inner]
        raise UsageError(
            f"--where {where}: {first_line(error)}",
            hint=f"an SQL condition over the columns {', '.join(columns)}",
        ) from error
