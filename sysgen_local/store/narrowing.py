"""Restricts a store to some of its sources: temporary views with the tables' names hide the
rest."""

from __future__ import annotations

import os
from collections.abc import Sequence

from sysgen_local.core.errors import UsageError
from sysgen_local.core.records import TABLES
from sysgen_local.store.database import Database

_OF_ROWS = (*TABLES.values(), "reviews")
"""Tables with a column `row`. Those of judges and measures are not among them: they must be
writable, and are always joined with `conversations`."""
_OF_SOURCES = ("sources", "conversations", "rejects")


def find(db: Database, names: Sequence[str]) -> list[int]:
    """See `Store.sources`."""
    found: set[int] = set()
    there = db.all("SELECT source, path, file, dataset FROM sources ORDER BY source")
    for name in names:
        place = os.path.realpath(name)
        matching = [
            number
            for number, path, file, dataset in there
            if name in (path, file, dataset, os.path.basename(path))
            or place == file
            or file.startswith(os.path.join(place, ""))
        ]
        if not matching:
            held = ", ".join(path for _, path, *_ in there[:8]) + ("..." if there[8:] else "")
            raise UsageError(
                f"{db.path} holds no input {name}", hint=f"it holds {held}" if there else None
            )
        found.update(matching)
    return sorted(found)


def narrow(db: Database, sources: Sequence[int]) -> None:
    """See `Store.narrow`. Temporary views belong to this connection. DuckDB resolves a name without
    a schema to them first, also inside the views of the file."""
    numbers = ", ".join(str(int(source)) for source in sources) or "NULL"
    [(catalogue,)] = db.all("SELECT current_database()")
    main = f'"{catalogue}".main'
    rows = f'SELECT "row" FROM {main}.conversations WHERE source IN ({numbers})'
    for table in _OF_SOURCES:
        where = f"source IN ({numbers})"
        # Rejects are identified by rowid, which a view does not have by itself.
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
