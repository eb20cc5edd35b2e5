"""Schemas of DuckDB files: which migrations a file has, and how it gets the rest.

Each migration runs once, in order, and is recorded in the table `migrations`. The views are made
anew after them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sysgen_local.store import migrations, views

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


@dataclass(frozen=True, slots=True)
class Schema:
    """The schema of one kind of file: its migrations (name, SQL), its views (name -> SELECT), the
    tables that identify such a file, and the command that makes one."""

    migrations: tuple[tuple[str, str], ...]
    views: Mapping[str, str]
    tables: frozenset[str]
    maker: str


def store_schema() -> Schema:
    """The schema of a `Store`."""
    tables = frozenset({"migrations", "sources", "conversations", "recipes"})
    return Schema(migrations.MIGRATIONS, views.VIEWS, tables, "run INPUT")


_MIGRATIONS_TABLE = (
    "CREATE TABLE IF NOT EXISTS migrations "
    '(number INTEGER PRIMARY KEY, name VARCHAR NOT NULL, "at" TIMESTAMP NOT NULL)'
)


def now() -> datetime:
    """The time in UTC, without a time zone, as the TIMESTAMP columns hold it."""
    return datetime.now(UTC).replace(tzinfo=None)


def version(con: DuckDBPyConnection, schema: Schema) -> int | None:
    """The number of the last migration; 0 in an empty database, None where the database is not of
    this schema."""
    tables = {name for (name,) in con.execute("SELECT table_name FROM duckdb_tables()").fetchall()}
    if not tables:
        return 0
    if not schema.tables <= tables:
        return None
    return int(con.execute("SELECT coalesce(max(number), 0) FROM migrations").fetchall()[0][0])


def migrate(con: DuckDBPyConnection, schema: Schema) -> None:
    """Runs every migration that has not run yet and makes the views anew: all or, on an error,
    nothing."""
    done = version(con, schema) or 0
    con.begin()
    try:
        con.execute(_MIGRATIONS_TABLE)
        for number, (name, sql) in enumerate(schema.migrations[done:], done + 1):
            con.execute(sql)
            con.execute("INSERT INTO migrations VALUES ($1, $2, $3)", [number, name, now()])
        for name, select in schema.views.items():
            con.execute(f"CREATE OR REPLACE VIEW {name} AS {select}")
    except BaseException:
        con.rollback()
        raise
    con.commit()
