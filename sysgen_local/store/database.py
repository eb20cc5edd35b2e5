"""Access to DuckDB: queries, transactions, and bulk inserts.

Every result is read completely, because a half-read result blocks the connection.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sysgen_local.core.errors import SysgenError
from sysgen_local.store import codec
from sysgen_local.store.file import first_line

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


class Database:
    """An open database file. Use it from one thread at a time."""

    def __init__(self, con: DuckDBPyConnection, path: Path, *, read_only: bool = False) -> None:
        self.con = con
        self.path = path
        self.read_only = read_only

    def all(self, sql: str, *values: object) -> list[Any]:
        """All rows of a query. Raises SysgenError where the file is damaged."""
        import duckdb

        try:
            with _interruptible():
                return self.con.execute(sql, values).fetchall()
        except duckdb.Error as error:
            if isinstance(error, duckdb.ConnectionException):
                raise SysgenError(
                    f"the store {self.path} is closed, or another thread is using it",
                    hint="use a store within its `with` statement, and in one thread at a time",
                ) from error
            if not _is_file_error(error):
                raise
            raise SysgenError(
                f"{self.path} cannot be read: {first_line(error)}",
                hint="was it copied half? Take a whole copy, or name another file with --db",
            ) from error

    def numbers(self, sql: str, *values: object) -> list[int]:
        """The first column of a query."""
        return [number for number, *_ in self.all(sql, *values)]

    def do(self, sql: str, *values: object) -> None:
        """Runs a statement that writes."""
        with _interruptible():
            self.con.execute(sql, codec.clean(values))

    def append(self, table: str, columns: codec.Columns, rows: Sequence[codec.Values]) -> None:
        """Inserts many rows of values for `codec.buffer(columns)`, within a transaction.

        It uses DuckDB's appender, which takes 20 to 30 us for a row of 1,800 characters in batches
        of 5,000. Unnested lists as parameters took 1.6 times as long, VALUES 7 times, and
        executemany 30 times.
        """
        import duckdb

        if not rows:
            return
        names = ", ".join(f'"{name}"' for name in columns)
        values = ", ".join(codec.expressions(columns))
        appender = self.con.query_appender(
            f"INSERT INTO {table} ({names}) SELECT {values} FROM appender_data",
            codec.buffer(columns),
        )
        try:
            try:
                appender.append_rows(rows)
            except duckdb.InvalidInputException:  # lone surrogates
                appender.clear()
                appender.append_rows([codec.clean(row) for row in rows])
            with _interruptible():
                appender.flush()
        except BaseException:
            appender.clear()
            raise

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commits what is written in its `with` block; on an error it rolls all of it back.

        Raises ValueError where a row is there already, and SysgenError where the disk fails.
        """
        import duckdb

        try:
            try:
                with _interruptible():
                    self.con.begin()
                yield
                with _interruptible():
                    self.con.commit()
            except BaseException:
                # After an interrupt in begin or commit, no transaction may be open.
                with suppress(duckdb.TransactionException):
                    self.con.rollback()
                raise
        except duckdb.ConstraintException as error:
            raise ValueError(f"already in the store: {first_line(error)}") from error
        except duckdb.Error as error:
            if not _is_file_error(error):
                raise
            raise SysgenError(
                f"{self.path} could not be written: {first_line(error)}",
                hint="see whether the disk is full; what was committed before is safe",
            ) from error


def _is_file_error(error: Exception) -> bool:
    """Whether the cause is the disk or the file, and not the statement."""
    import duckdb

    at_fault = (duckdb.OperationalError, duckdb.InternalError, duckdb.FatalException)
    return type(error) is duckdb.Error or isinstance(error, at_fault)


@contextmanager
def _interruptible() -> Iterator[None]:
    """Raises KeyboardInterrupt for Ctrl-C during a query, in place of DuckDB's own error."""
    import duckdb

    try:
        yield
    except (RuntimeError, duckdb.InterruptException) as error:
        if "interrupted" in str(error).lower():
            raise KeyboardInterrupt from error
        raise
