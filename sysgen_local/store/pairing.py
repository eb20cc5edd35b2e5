"""Preference pairs that were made row by row outside of SQL, as a temporary table for an export.

`made_pairs` has a line for every finished row that was looked at: its pair, or why it has none. It
belongs to this connection, so a store that is open for reading alone can have it too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from sysgen_local.core.pairs import RulePair
from sysgen_local.core.records import PHASES, Checked, Row, Turn
from sysgen_local.store import codec
from sysgen_local.store.database import Database
from sysgen_local.store.rows import load

_PAGE = 256
_TYPES = {
    "row": "BIGINT", "at": "BIGINT", "chosen": "VARCHAR", "rejected": "VARCHAR",
    "asks": "VARCHAR", "broken": "VARCHAR[]", "no_pair": "VARCHAR",
}  # fmt: skip


def released(db: Database, numbers: list[int]) -> Iterator[Row]:
    """The finished rows with these numbers (ascending) as they leave in an export: with the system
    message and the answers of a person where they were edited."""
    for start in range(0, len(numbers), _PAGE):
        page = numbers[start : start + _PAGE]
        found = db.all(
            'SELECT "row", system, turns FROM released WHERE "row" BETWEEN $1 AND $2 '
            'AND "row" IN (SELECT unnest($3::BIGINT[]))',
            page[0], page[-1], page,
        )  # fmt: skip
        now = {row: (system, turns) for row, system, turns in found}
        for row in load(db, [number for number in page if number in now], PHASES):
            system, turns = now[row.row]
            assert row.verified is not None
            answers = tuple(Turn(**turn) for turn in turns)
            checked = replace(row.checked or Checked(), turns=answers)
            yield row._replace(verified=replace(row.verified, system=system), checked=checked)


def use(db: Database, pairs: Iterable[tuple[int, RulePair | str]]) -> None:
    """Fills the table with the pair of each row, or why it has none."""
    columns = ", ".join(f'"{name}" {kind}' for name, kind in _TYPES.items())
    db.do(f"CREATE OR REPLACE TEMP TABLE made_pairs ({columns})")
    batch: list[codec.Values] = []
    for row, found in pairs:
        if isinstance(found, str):
            batch.append((row, None, None, None, None, None, found))
        else:
            batch.append((row, *found[:4], list(found.broken), None))
        if len(batch) == _PAGE:
            db.append("made_pairs", _TYPES, batch)
            batch = []
    db.append("made_pairs", _TYPES, batch)


def drop(db: Database) -> None:
    """Ends what `use` began."""
    db.do("DROP TABLE IF EXISTS temp.made_pairs")
