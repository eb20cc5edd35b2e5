"""Text lengths of rows that are due for each phase, and of rows that phase 1 has done. The
forecast of a run's time is based on them."""

from __future__ import annotations

from collections.abc import Sequence

from sysgen_local.core.records import PHASES, TABLES, Phase
from sysgen_local.core.sizes import LONGEST, Size
from sysgen_local.store.database import Database

_TEXTS = f"""
    list_sum([strlen(t.content) + strlen(t.words) FOR t IN c.turns IF t."role" <> 'assistant']),
    list_sum([strlen(t.content) FOR t IN c.turns IF t."role" = 'assistant']),
    len([t FOR t IN c.turns IF t."role" = 'assistant']),
    list_sum([least(strlen(t.content), {LONGEST}) FOR t IN c.turns IF t."role" = 'assistant'])
"""


STEP = 768
"""Bytes by which `lengths` tells rows apart."""


def waiting(db: Database) -> dict[Phase, Size]:
    """Phase -> text lengths of the rows that are due for it."""
    return {phase: _size(db, which) for phase, which in _due().items()}


def lengths(db: Database, phases: Sequence[Phase]) -> list[tuple[int, int]]:
    """(bytes, rows): how many rows that are due for one of these phases have so many bytes of text,
    rounded up to a multiple of STEP. In ascending order."""
    texts = "list_sum([strlen(t.content) + strlen(t.words) FOR t IN c.turns])"
    due = " UNION ALL ".join(
        f"SELECT {texts} FROM conversations c {which}"
        for phase, which in _due().items()
        if phase in phases
    )
    found = db.all(
        f"SELECT ceil(coalesce(n, 0) / {STEP}) * {STEP} AS size, count(*) "
        f"FROM ({due}) AS s(n) GROUP BY size ORDER BY size"
    )
    return [(int(size), int(rows)) for size, rows in found]


def _due() -> dict[Phase, str]:
    """Phase -> the end of a query over the conversations `c`, for those that are due for it."""
    found: dict[Phase, str] = {}
    passed = ""
    for phase in PHASES:
        not_done = f'NOT EXISTS (SELECT 1 FROM {TABLES[phase]} t WHERE t."row" = c."row")'
        found[phase] = f"{passed} WHERE {not_done}"
        passed = f'JOIN {TABLES[phase]} b ON b."row" = c."row" AND b.dropped IS NULL'
    return found


def done(db: Database) -> Size:
    """Text lengths of the rows that phase 1 has done."""
    return _size(db, f'JOIN {TABLES[PHASES[0]]} b ON b."row" = c."row"')


def _size(db: Database, which: str) -> Size:
    [sums] = db.all(
        "SELECT count(*), coalesce(sum(a), 0), coalesce(sum(b), 0), coalesce(sum(n), 0), "
        f"coalesce(sum(u), 0) FROM (SELECT {_TEXTS} FROM conversations c {which}) AS s(a, b, n, u)"
    )
    return Size(*map(float, sums))
