"""The plumbing between statements and DuckDB: queries, transactions, and bulk inserts.

Every result is read to its end, because DuckDB holds the connection while one is half read.
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
    """An open file of ours; not for more than one thread at a time."""

    def __init__(self, con: DuckDBPyConnection, path: Path) -> None:
        self.con = con
        self.path = path

    def all(self, sql: str, *values: object) -> list[Any]:
        """Every row of a query. Raises SysgenError where the file is damaged."""
        import duckdb

        try:
            with _interruptible():
                return self.con.execute(sql, values).fetchall()
        except duckdb.Error as error:
            if not _is_the_files(error):
                raise
            raise SysgenError(
                f"{self.path} cannot be read: {first_line(error)}",
                hint="was it copied half? Take a whole copy, or name another file with --db",
            ) from error

    def numbers(self, sql: str, *values: object) -> list[int]:
        """The first column of a query."""
        return [number for number, *_ in self.all(sql, *values)]

    def do(self, sql: str, *values: object) -> None:
        """Run a statement that writes."""
        with _interruptible():
            self.con.execute(sql, codec.clean(values))

    def append(self, table: str, columns: codec.Columns, rows: Sequence[codec.Values]) -> None:
        """Insert many rows of values for `codec.buffer(columns)`, within a transaction.

        DuckDB's appender: 20 to 30 us a row of 1,800 characters in batches of 5,000. Lists of
        parameters, unnested, took 1.6 times as long, VALUES 7 times, executemany 30 times.
        """
        import duckdb

        if not rows:
            return
        names = ", ".join(f'"{name}"' for name in columns)
        values = ", ".join(codec.arrival(columns))
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
        """All that is written inside, or on an error nothing.

        Raises ValueError where a row is there already, SysgenError where the disk fails.
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
                # Interrupted on its way in or out, it may not be open at all.
                with suppress(duckdb.TransactionException):
                    self.con.rollback()
                raise
        except duckdb.ConstraintException as error:
            raise ValueError(f"already in the store: {first_line(error)}") from error
        except duckdb.Error as error:
            if not _is_the_files(error):
                raise
            raise SysgenError(
                f"{self.path} could not be written: {first_line(error)}",
                hint="see whether the disk is full; what was committed before is safe",
            ) from error


def _is_the_files(error: Exception) -> bool:
    """Whether the disk or the file is at fault, not the statement."""
    import duckdb

    at_fault = (duckdb.OperationalError, duckdb.InternalError, duckdb.FatalException)
    return type(error) is duckdb.Error or isinstance(error, at_fault)


@contextmanager
def _interruptible() -> Iterator[None]:
    """Ctrl-C as Python knows it; DuckDB turns one that comes while it works into its own error."""
    import duckdb

    try:
        yield
    except (RuntimeError, duckdb.InterruptException) as error:
        if "interrupted" in str(error).lower():
            raise KeyboardInterrupt from error
        raise
