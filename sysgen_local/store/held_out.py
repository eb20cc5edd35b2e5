"""Rows that a training on a part of the store does not see, by a hash of the first instruction."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sysgen_local.core.records import Row
from sysgen_local.store import rows
from sysgen_local.store.database import Database
from sysgen_local.store.reviews import Decision

_PAGE = 20_000


def place_of(instruction: str) -> str:
    """The SQL expression for a number in [0, 1) that depends on the first instruction alone: it is
    the same in every file. Splits and test sets are ranges of this number."""
    return f"md5_number_lower({instruction}) / 18446744073709551616.0"


def held_out(db: Database, low: float, where: str | None) -> Iterator[tuple[Row, Decision | None]]:
    """See `Store.held_out`."""
    number = place_of("instruction")
    condition = f"{number} >= {float(low)!r}" + (f" AND (\n{where}\n)" if where else "")
    found = rows.query_where(
        db, f'SELECT "row", review FROM journey WHERE {condition} ORDER BY {number} DESC, "row"',
        where,
    )  # fmt: skip
    for start in range(0, len(found), _PAGE):
        decisions: dict[int, Decision | None] = dict(found[start : start + _PAGE])
        loaded = {row.row: row for row in rows.before_answers(db, sorted(decisions))}
        yield from ((loaded[row], decision) for row, decision in decisions.items())


def instructions_before(db: Database, high: float) -> Iterator[str]:
    """See `Store.instructions_before`."""
    [(last,)] = db.all('SELECT coalesce(max("row"), 0) FROM conversations')
    first = "turns[1].content"
    for low in range(1, last + 1, _PAGE):
        found: Sequence[tuple[str]] = db.all(
            f'SELECT {first} FROM conversations WHERE "row" BETWEEN $1 AND $2 '
            f'AND {place_of(first)} < $3 ORDER BY "row"',
            low, low + _PAGE - 1, high,
        )  # fmt: skip
        yield from (text for (text,) in found)
