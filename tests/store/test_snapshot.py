"""Reading a store while another process writes to it."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from processes import ended, first_line

from sysgen_local.core.errors import UsageError
from sysgen_local.store import LockedError, Store, snapshot

WRITER = """
import sys
from pathlib import Path
from sysgen_local.core.records import Conversation, Source, Turn
from sysgen_local.store import Store

turns = (Turn("user", "q" * 3000), Turn("assistant", "a" * 3000))
with Store.open(Path(sys.argv[1])) as store:
    print("open", flush=True)
    for number in range(int(sys.argv[2])):
        source = Source(f"{number}.jsonl", f"/{number}.jsonl", f"{number}")
        store.ingest(source, [Conversation(turns, line) for line in range(1, 11)])
    print("written", flush=True)
    sys.stdin.read()
"""


def writing(path: Path, sources: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path), str(sources)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of temporary files."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def test_what_was_committed_is_read_and_nothing_is_left_behind(
    tmp_path: Path, temporary: Path
) -> None:
    path = tmp_path / "s.duckdb"
    with ended(writing(path, 3)) as writer:
        assert first_line(writer) == b"open\n"
        assert first_line(writer) == b"written\n"
        with Store.open(path, read_only=True) as store:
            assert store.as_of is not None
            assert store.path == path
            assert store.counts().input == 30
            assert len(list(temporary.iterdir())) == 1
        assert list(temporary.iterdir()) == []
        writer.communicate(timeout=60)
    with Store.open(path, read_only=True) as store:
        assert store.as_of is None
        assert store.counts().input == 30


def test_a_copy_leaves_the_file_free_for_a_writer(tmp_path: Path, temporary: Path) -> None:
    path = tmp_path / "s.duckdb"
    with pytest.raises(LockedError):
        Store.open_copy(path)
    Store.open(path).close()
    with Store.open_copy(path) as copy:
        assert copy.as_of is not None
        assert copy.path == path
        with ended(writing(path, 1)) as writer:
            assert first_line(writer) == b"open\n"
            assert first_line(writer) == b"written\n"
        assert copy.counts().input == 0
    assert list(temporary.iterdir()) == []


def test_every_copy_of_a_busy_file_is_one_state(tmp_path: Path, temporary: Path) -> None:
    """A source is written in two commits: itself, and then its ten rows."""
    path = tmp_path / "s.duckdb"
    seen = []
    with ended(writing(path, 400)) as writer:
        assert first_line(writer) == b"open\n"
        for _ in range(10):
            with Store.open(path, read_only=True) as store:
                assert store.as_of is not None
                seen.append(store.counts().input)
                [(sources,)] = store.query("SELECT count(*) FROM sources").fetchall()
                assert seen[-1] in (10 * sources, 10 * sources - 10), "not whole sources"
    assert seen == sorted(seen)
    assert seen[0] < seen[-1] < 4000
    assert list(temporary.iterdir()) == []


def test_without_room_for_a_copy_the_holder_is_named(
    tmp_path: Path, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "s.duckdb"

    def full(source: Path, target: Path) -> None:
        raise OSError(28, "No space left on device")

    with ended(writing(path, 1)) as writer:
        assert first_line(writer) == b"open\n"
        assert first_line(writer) == b"written\n"
        monkeypatch.setattr(snapshot, "_copy", full)
        with pytest.raises(Exception, match=f"in use by another process .PID {writer.pid}."):
            Store.open(path, read_only=True)
    assert list(temporary.iterdir()) == []


def test_a_copy_cannot_be_written(tmp_path: Path) -> None:
    from sysgen_local.workflows.dataset import run

    path = tmp_path / "s.duckdb"
    with ended(writing(path, 1)) as writer:
        assert first_line(writer) == b"open\n"
        assert first_line(writer) == b"written\n"
        with (
            Store.open(path, read_only=True) as store,
            pytest.raises(UsageError, match="opened read-only"),
        ):
            run(store)
