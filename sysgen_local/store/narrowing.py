"""Looking at some of the sources alone: the tables' names stand for their rows of these sources."""

from __future__ import annotations

import os
from collections.abc import Sequence

from sysgen_local.core.errors import UsageError
from sysgen_local.core.records import TABLES
from sysgen_local.store.database import Database

_OF_ROWS = (*TABLES.values(), "reviews")
"""What judges and measures say can still be written; it is read together with conversations."""
_OF_SOURCES = ("sources", "conversations", "rejects")


def find(db: Database, names: Sequence[str]) -> list[int]:
    """See `Store.sources`."""
    found: set[int] = set()
    there = db.all("SELECT source, path, file, dataset FROM sources ORDER BY source")
    for name in names:
        place = os.path.realpath(name)
        mine = [
            number
            for number, path, file, dataset in there
            if name in (path, file, dataset, os.path.basename(path))
            or place == file
            or file.startswith(os.path.join(place, ""))
        ]
        if not mine:
            known = ", ".join(path for _, path, *_ in there[:8]) + ("..." if there[8:] else "")
            raise UsageError(
                f"{db.path} holds no input {name}", hint=f"it holds {known}" if there else None
            )
        found.update(mine)
    return sorted(found)


def narrow(db: Database, sources: Sequence[int]) -> None:
    """See `Store.narrow`. Views of this connection alone: where a name has no schema before it,
    those come first, in the views of the file too."""
    numbers = ", ".join(str(int(source)) for source in sources) or "NULL"
    [(catalogue,)] = db.all("SELECT current_database()")
    main = f'"{catalogue}".main'
    rows = f'SELECT "row" FROM {main}.conversations WHERE source IN ({numbers})'
    for table in _OF_SOURCES:
        where = f"source IN ({numbers})"
        # A view has no row numbers of its own, by which rejects are told apart.
        columns = "*, rowid" if table == "rejects" else "*"
        db.do(
            f"CREATE OR REPLACE TEMP VIEW {table} AS SELECT {columns} FROM {main}.{table} "
            f"WHERE {where}"
        )
    for table in _OF_ROWS:
        where = f'"row" IN ({rows})'
        db.do(f"CREATE OR REPLACE TEMP VIEW {table} AS FROM {main}.{table} WHERE {where}")


def widen(db: Database) -> None:
    """Ends what `narrow` began."""
    for table in (*_OF_SOURCES, *_OF_ROWS):
        db.do(f"DROP VIEW IF EXISTS temp.{table}")
