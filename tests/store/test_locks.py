"""What is said where a file cannot be locked: the real file system calls, made to refuse."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from sysgen_local.core.errors import UsageError
from sysgen_local.core.records import Conversation, Source, Turn
from sysgen_local.store import LockedError, Store
from sysgen_local.store.file import NoLocksError

# As a share answers: no lock for anybody, and who holds one it does not tell.
REFUSES = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
static int refuse(int fd, int cmd, void *arg, const char *real) {
    if (cmd == F_SETLK || cmd == F_SETLKW || cmd == F_GETLK) {
        const char *asked = getenv("GETLK_WORKS");
        if (cmd == F_GETLK && asked) { ((struct flock *)arg)->l_pid = 0; return 0; }
        errno = atoi(getenv("LOCK_ERROR"));
        return -1;
    }
    int (*next)(int, int, ...) = dlsym(RTLD_NEXT, real);
    return next(fd, cmd, arg);
}
int fcntl(int fd, int cmd, ...) {
    va_list rest; va_start(rest, cmd); void *arg = va_arg(rest, void *); va_end(rest);
    return refuse(fd, cmd, arg, "fcntl");
}
int fcntl64(int fd, int cmd, ...) {
    va_list rest; va_start(rest, cmd); void *arg = va_arg(rest, void *); va_end(rest);
    return refuse(fd, cmd, arg, "fcntl64");
}
"""
OPENS = """
import sys; from pathlib import Path; from sysgen_local.core.errors import SysgenError
from sysgen_local.store import Store
for how in sys.argv[2:]:
    try:
        with Store.open(Path(sys.argv[1]), read_only=how == "read") as store:
            print(how, store.counts().input)
    except SysgenError as error:
        print(how, type(error).__name__, str(error).replace(chr(10), " "))
"""


@pytest.fixture(scope="module")
def refusing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library that takes the place of the system's locks."""
    compiler = shutil.which("cc")
    if compiler is None or sys.platform != "linux":
        pytest.skip("no C compiler, or no Linux")
    folder = tmp_path_factory.mktemp("refusing")
    (folder / "refuse.c").write_text(REFUSES)
    command = [compiler, "-shared", "-fPIC", "-o", "refuse.so", "refuse.c", "-ldl"]
    subprocess.run(command, cwd=folder, check=True, timeout=120)
    return folder / "refuse.so"


def said(library: Path, error: str, *arguments: object, **more: str) -> list[str]:
    import errno

    number = str(getattr(errno, error))
    done = subprocess.run(
        [sys.executable, "-c", OPENS, *map(str, arguments)],
        capture_output=True, text=True, timeout=300,
        env={**os.environ, "LD_PRELOAD": str(library), "LOCK_ERROR": number, **more},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.parametrize("kind", ["ENOTSUP", "ENOLCK", "ENOSYS"])
@pytest.mark.parametrize("more", [{}, {"GETLK_WORKS": "1"}], ids=["", "process 0"])
def test_a_file_system_without_locks_is_called_so(
    refusing: Path, tmp_path: Path, kind: str, more: dict[str, str]
) -> None:
    new = said(refusing, kind, tmp_path / "new.duckdb", "write", "write", **more)
    assert len(new) == 2
    for line in new:
        assert line.startswith("write NoLocksError")
        assert "new.duckdb" in line
        assert "has no locks for files" in line
        assert "local disk with --db" in line
        assert "in use" not in line
    assert list(tmp_path.iterdir()) == []  # no empty file is left
    (tmp_path / "empty.duckdb").touch()
    [empty] = said(refusing, kind, tmp_path / "empty.duckdb", "write", **more)
    assert empty.startswith("write NoLocksError")
    assert (tmp_path / "empty.duckdb").exists()


def test_where_duckdb_reads_without_locks_a_finished_file_can_be_read(
    refusing: Path, tmp_path: Path
) -> None:
    with Store.open(tmp_path / "s.duckdb") as store:
        turns = (Turn("user", "q"), Turn("assistant", "a"))
        store.ingest(Source("a", "a", "f"), [Conversation(turns, 1)])
    write, read = said(refusing, "ENOTSUP", tmp_path / "s.duckdb", "write", "read")
    assert write.startswith("write NoLocksError")
    assert read == "read 1"


def test_a_lock_that_is_held_is_still_called_that(refusing: Path, tmp_path: Path) -> None:
    Store.open(tmp_path / "s.duckdb").close()
    [line] = said(refusing, "EAGAIN", tmp_path / "s.duckdb", "write")
    assert line.startswith("write LockedError")
    assert "in use by another process" in line
    [line] = said(refusing, "EAGAIN", tmp_path / "s.duckdb", "write", GETLK_WORKS="1")
    assert "another process on another machine, or in another container" in line


def test_they_are_errors_of_their_own() -> None:
    assert issubclass(NoLocksError, UsageError)
    assert not issubclass(NoLocksError, LockedError)


OTHER = """
import sys
from pathlib import Path
from sysgen_local.store import LockedError, Store

try:
    Store.open(Path(sys.argv[1])).close()
    print("opened")
except LockedError:
    print("refused")
"""


def test_a_store_that_is_opened_twice_in_a_process_stays_locked(tmp_path: Path) -> None:
    """A notebook does so where a cell runs again. The lock must outlast every look at the file."""
    path = tmp_path / "s.duckdb"

    def another() -> str:
        done = subprocess.run(
            [sys.executable, "-c", OTHER, str(path)], capture_output=True, text=True, timeout=60
        )
        return done.stdout.strip()

    first = Store.open(path)
    second = Store.open(path)
    assert another() == "refused"
    with pytest.raises(LockedError):
        Store.open_copy(path)
    second.close()
    assert another() == "refused"
    Store.open(path)  # nobody keeps it
    assert another() == "refused"
    first.close()
    assert another() == "opened"
    with Store.open(path, create=False) as store:
        assert store.counts().input == 0
