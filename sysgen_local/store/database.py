"""Access to DuckDB: queries, transactions, and bulk inserts.

Every result is read completely, because a half-read result blocks the connection.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from sysgen_local.core.errors import SysgenError, UsageError
from sysgen_local.store import codec
from sysgen_local.store.file import (
    LockedError,
    OlderSchemaError,
    attach,
    connect,
    first_line,
    hold,
    is_held,
)
from sysgen_local.store.snapshot import Snapshot, take

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from sysgen_local.store.schema import Schema


class Database:
    """An open database file. Use it from one thread at a time."""

    def __init__(
        self,
        con: DuckDBPyConnection,
        path: Path,
        *,
        read_only: bool = False,
        snapshot: Snapshot | None = None,
        catalogue: str | None = None,
    ) -> None:
        """`snapshot`: the copy of `path` that was opened in its place. `catalogue`: the name of an
        attached file, see `attach`."""
        self.con = con
        self.path = path
        self.read_only = read_only
        self.snapshot = snapshot
        self.catalogue = catalogue
        self._release = weakref.finalize(self, hold(path))

    @classmethod
    def open_for_reading(
        cls, path: Path, *, snapshot: bool = True, schema: Schema | None = None
    ) -> Self:
        """The file, or, where another process writes to it, a copy of it as it is now. Raises
        UsageError, and LockedError where no copy could be made or `snapshot` is False."""
        try:
            con = connect(path, create=False, read_only=True, schema=schema)
            return cls(con, path, read_only=True)
        except LockedError as error:
            # Over a network the time of a change may be an old one, so the copy could be torn.
            copied = cls._open_copy(path, schema) if snapshot and error.pid != 0 else None
            if copied is None:
                raise
            return copied

    @classmethod
    def open_copy(cls, path: Path, *, schema: Schema | None = None) -> Self:
        """A copy of the file as it is now. The file itself is not opened by DuckDB, so a process
        that is about to write to it is not refused. Raises UsageError, and LockedError where no
        copy could be made."""
        copied = cls._open_copy(path, schema) if path.exists() else None
        if copied is None:
            raise LockedError(path, None)
        return copied

    @classmethod
    def _open_copy(cls, path: Path, schema: Schema | None) -> Self | None:
        taken = None if is_held(path) else take(path)
        if taken is None:
            return None
        try:
            con = connect(taken.path, create=False, read_only=True, schema=schema)
        except BaseException:
            taken.close()
            raise
        return cls(con, path, read_only=True, snapshot=taken)

    def attach(self, path: Path, catalogue: str) -> Self:
        """Another file as a database of its own, to be read only, whose tables are also tables of
        this one under `catalogue`. It takes about 1 MB of memory; a file that is opened by itself
        takes 6 MB. The file is never written: where another process writes to it, or where its
        schema is of an older version, a copy of it is attached. Raises as `open_for_reading`."""
        if is_held(path):
            raise UsageError(f"{path} is open in this program", hint="close it first")
        copied = None
        try:
            connect(path, create=False, read_only=True, update=False).close()
        except (LockedError, OlderSchemaError) as error:
            # Over a network the time of a change may be an old one, so the copy could be torn.
            away = isinstance(error, LockedError) and error.pid == 0
            copied = None if away else take(path)
            if copied is None:
                raise
        try:
            if copied:
                connect(copied.path, create=False, read_only=True).close()
            attach(self.con, copied.path if copied else path, catalogue)
            con = self.con.cursor()
            con.execute(f"USE {catalogue}")
        except BaseException:
            if copied:
                copied.close()
            raise
        return type(self)(con, path, read_only=True, snapshot=copied, catalogue=catalogue)

    def close(self) -> None:
        """Closes the connection, and removes the copy if one was opened."""
        self.con.close()
        self._release()
        if self.snapshot:
            self.snapshot.close()

    def checkpoint(self) -> None:
        """Writes the log of commits into the file, which is the whole store then. Raises OSError
        where that fails. `close` tries the same, and leaves the log beside the file where it
        fails."""
        import duckdb

        try:
            self.con.execute("CHECKPOINT")
        except duckdb.Error as error:
            raise OSError(None, first_line(error)) from error

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
