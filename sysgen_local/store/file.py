"""Opening the DuckDB file of a store: DuckDB's settings, and its errors as ours.

`connect` returns a connection to a file of this program with the newest schema, or raises.
"""

from __future__ import annotations

import errno
import json
import os
import re
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from sysgen_local.core.errors import SysgenError, UsageError
from sysgen_local.store.schema import Schema, migrate, store_schema, version

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_CONFIG: dict[str, str | bool | int] = {
    "autoinstall_known_extensions": False,  # offline means offline
    "memory_limit": "512MB",  # the model needs the rest; DuckDB spills to disk past this
    "threads": 2,
    "checkpoint_threshold": "64MB",  # fewer pauses between commits than at 16 MB
}
_ANOTHER = "name another file with --db"


_held: Counter[str] = Counter()
"""Path -> how often this process has the file open. A process that closes a file gives up all its
locks on it (POSIX), so such a file must not be opened and closed besides by DuckDB: another process
could then write to it at the same time."""


def hold(path: Path) -> Callable[[], None]:
    """Notes that this process has the file open. Returns a function that ends that."""
    key = os.path.realpath(path)
    _held[key] += 1
    return lambda: _held.subtract((key,))


def is_held(path: Path) -> bool:
    """Whether this process has the file open."""
    return _held[os.path.realpath(path)] > 0


class LockedError(SysgenError):
    """Another process has the file open. `pid` is the id of that process: None where DuckDB does
    not report it, and 0 where the process is not on this machine."""

    def __init__(self, path: Path, pid: int | None) -> None:
        holder = f" (PID {pid})" if pid else ""
        if pid == 0:  # the system reports 0 for a process that is not visible here
            holder = " on another machine, or in another container"
        super().__init__(
            f"{path} is in use by another process{holder}",
            hint=f"`sysgen status --db {path}` tells whether that is a run, and how far it is; end "
            f"it (or a review, or a judge) with Ctrl-C in its terminal, or {_ANOTHER}",
        )
        self.pid = pid


class OlderSchemaError(SysgenError):
    """The file has the schema of an older version, and must not be written."""


class NoLocksError(UsageError):
    """The file system has no file locks, as is so for some network shares."""

    def __init__(self, path: Path, why: int) -> None:
        super().__init__(
            f"{path} cannot be locked: the file system it lies on has no locks for files "
            f"({os.strerror(why)}), and without one two runs could write into it at once",
            hint="name a file on a local disk with --db, and copy it there first if it is to go on",
        )


def connect(
    path: Path,
    *,
    create: bool,
    read_only: bool,
    schema: Schema | None = None,
    update: bool = True,
) -> DuckDBPyConnection:
    """Opens `path` and brings an older schema up to date, unless `update` is False. `schema` is a
    `Store`'s unless given.

    Raises UsageError where the file is missing (and may not be created), is no file of this
    program or comes from a newer version; LockedError where another process has it open,
    NoLocksError where its file system has no locks, and OlderSchemaError where an older schema must
    stay.
    """
    schema = schema or store_schema()
    _prepare(path, schema.maker, create=create and not read_only)
    con = _opened_or_made(path, read_only=read_only)
    try:
        found, known = version(con, schema), len(schema.migrations)
        if found is None or (found == 0 and (read_only or not create)):
            raise UsageError(
                f"{path} is a DuckDB file, but not one of sysgen's for this", hint=_ANOTHER
            )
        if found > known:
            raise UsageError(
                f"{path} comes from a newer sysgen-local "
                f"(its schema is number {found}, this version knows {known})",
                hint=f"upgrade sysgen-local, or {_ANOTHER}",
            )
        if found < known and not update:
            raise OlderSchemaError(f"{path} comes from an older sysgen-local")
        if found < known and not read_only:
            migrate(con, schema)
    except BaseException:
        con.close()
        raise
    if found < known and read_only:
        con.close()
        connect(path, create=False, read_only=False, schema=schema).close()
        con = _open(path, read_only=True)
    return con


def connect_to_memory() -> DuckDBPyConnection:
    """A database in memory with the tables of a `Store`. DuckDB writes none of it to disk, even
    where it grows large."""
    import duckdb

    con = duckdb.connect(":memory:", config={**_CONFIG, "temp_directory": ""})
    migrate(con, store_schema())
    return con


def _prepare(path: Path, maker: str, *, create: bool) -> None:
    """Raises UsageError for faults that DuckDB would report less clearly, and removes an empty
    file."""
    if path.is_dir():
        raise UsageError(f"{path} is a folder, not a file", hint=_ANOTHER)
    if path.exists() and path.stat().st_size > 0:
        if not is_held(path):
            _must_be_duckdb(path)
        return
    if not create:
        raise UsageError(
            f"There is no store at {path}",
            hint=f"`sysgen {maker} --db {path}` makes one; {_ANOTHER} if it lies elsewhere",
        )
    if not path.parent.is_dir():
        raise UsageError(f"The folder {path.parent} does not exist", hint=f"make it, or {_ANOTHER}")
    if path.exists():
        _remove_empty(path)


def _remove_empty(path: Path) -> None:
    """An empty file is left by a process that was killed before its first write. Where another
    process holds a lock on it, that process is about to write, so LockedError is raised."""
    try:
        why = _lock_refused(path)
        if why in _NO_LOCKS:
            raise NoLocksError(path, why)
        if why:
            raise LockedError(path, None)
        path.unlink()
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}", hint=_ANOTHER) from error


_NO_LOCKS = (errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOLCK, errno.ENOSYS, errno.EINVAL)
"""Error numbers that file systems without locks give."""


def _lock_refused(path: Path) -> int:
    """The error number with which a lock on the file fails; 0 where it can be locked. Raises
    OSError where the file cannot be written."""
    try:
        import fcntl
    except ImportError:  # Windows
        return 0
    with path.open("r+b") as file:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            return error.errno or errno.EAGAIN
    return 0


def _opened_or_made(path: Path, *, read_only: bool) -> DuckDBPyConnection:
    """As `_open`. Where that raises NoLocksError, an empty file that it made is removed."""
    there = path.exists()
    try:
        return _open(path, read_only=read_only)
    except NoLocksError:
        with suppress(OSError):
            if not there and path.stat().st_size == 0:
                path.unlink()
        raise


def _must_be_duckdb(path: Path) -> None:
    """Checks the magic bytes. DuckDB itself would open a data file as a database in memory."""
    try:
        with path.open("rb") as file:
            magic = file.read(12)[8:]
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}", hint=_ANOTHER) from error
    if magic != b"DUCK":
        raise UsageError(f"{path} is not a DuckDB file", hint=_ANOTHER)


def _open(path: Path, *, read_only: bool) -> DuckDBPyConnection:
    import duckdb

    try:
        return duckdb.connect(str(path), read_only=read_only, config=dict(_CONFIG))
    except duckdb.Error as error:
        _raise(path, error)


def attach(con: DuckDBPyConnection, path: Path, catalogue: str) -> None:
    """Attaches a file to a connection, to be read only. Raises as `connect`."""
    import duckdb

    name = str(path).replace("'", "''")
    try:
        con.execute(f"ATTACH '{name}' AS {catalogue} (READ_ONLY)")
    except duckdb.Error as error:
        _raise(path, error)


def _raise(path: Path, error: Exception) -> NoReturn:
    """Raises what DuckDB reported as an error of ours."""
    text = str(error)
    found = re.search(r"PID (\d+)", text) if "lock" in text else None
    pid = int(found[1]) if found else None
    if pid or "Could not set lock" in text:
        # DuckDB gives every refused lock this text, and process 0 where it has no process id.
        with suppress(OSError):
            if not pid and (why := _lock_refused(path)) in _NO_LOCKS:
                raise NoLocksError(path, why) from error
        raise LockedError(path, pid) from error
    if "not a valid DuckDB" in text:
        raise UsageError(f"{path} is not a DuckDB file", hint=_ANOTHER) from error
    raise UsageError(f"{path} cannot be opened: {first_line(error)}", hint=_ANOTHER) from error


def first_line(error: Exception) -> str:
    """The first line of a DuckDB error, without the error class, links and the JSON around it."""
    line = str(error).splitlines()[0].split("Error: ", 1)[-1]
    told = re.search(r'"exception_message":("(?:[^"\\]|\\.)*")', line)
    return str(json.loads(told[1])) if told else line
