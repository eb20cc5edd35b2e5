"""What files are opened, made, brought up to date, and refused."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest
from processes import ended, first_line
from stored import old_store

from sysgen_local.core.errors import SysgenError, UsageError
from sysgen_local.core.records import (
    PHASES,
    Attempt,
    Check,
    Checked,
    Conversation,
    Repair,
    Source,
    Turn,
)
from sysgen_local.store import LockedError, RowQuery, Store, migrations, schema, views

SOURCE = Source("a.jsonl", "/a.jsonl", "f")
TURNS = (Turn("user", "q"), Turn("assistant", "a"))


def test_a_new_file_has_every_migration_recorded(tmp_path: Path) -> None:
    path = tmp_path / "s.duckdb"
    Store.open(path).close()
    with duckdb.connect(path) as con:
        assert con.execute("SELECT number, name FROM migrations").fetchall() == [
            (number, name) for number, (name, _) in enumerate(migrations.MIGRATIONS, 1)
        ]
        assert con.execute("FROM meta").fetchall() == [(len(migrations.MIGRATIONS),)]


def test_opening_again_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "s.duckdb"
    for _ in range(2):
        with Store.open(path) as store:
            store.ingest(SOURCE, [Conversation(TURNS, 1)])
    with Store.open(path, create=False, read_only=True) as store:
        assert store.counts().input == 1


def test_a_changed_view_comes_with_a_migration() -> None:
    """Files whose migrations have all run keep the views that they have. Where this fails: append a
    migration, which may be empty, and put both new values here."""
    text = " ".join(repr(views.VIEWS).replace("\\n", " ").split())
    digest = hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
    assert (len(migrations.MIGRATIONS), digest) == (14, "f72970af77f2de2433b9767ddf2b6396")


@pytest.mark.parametrize("read_only", [False, True])
def test_an_older_file_is_brought_up_to_date(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, read_only: bool
) -> None:
    path = tmp_path / "s.duckdb"
    with Store.open(path) as store:
        store.ingest(SOURCE, [Conversation(TURNS, 1)])
    later = (*migrations.MIGRATIONS, ("a table more", "CREATE TABLE more (n INTEGER)"))
    monkeypatch.setattr(migrations, "MIGRATIONS", later)
    monkeypatch.setattr(views, "VIEWS", {**views.VIEWS, "checking": 'SELECT true AS "on"'})
    with Store.open(path, create=False, read_only=read_only) as store:
        assert store.counts().input == 1
    with duckdb.connect(path) as con:
        assert con.execute("SELECT count(*) FROM more").fetchall() == [(0,)]
        assert con.execute("FROM checking").fetchall() == [(True,)]
        assert con.execute("FROM meta").fetchall() == [(len(later),)]


@pytest.fixture
def unchecked(tmp_path: Path) -> Path:
    """Three rows by the schema before there were checks: two finished, the third dropped."""
    return old_store(tmp_path / "s.duckdb")


@pytest.mark.parametrize("read_only", [False, True])
def test_a_file_without_checks_stays_as_it_is(unchecked: Path, read_only: bool) -> None:
    with Store.open(unchecked, create=False, read_only=read_only) as store:
        assert store.phases == PHASES[:-1]
        assert store.counts().rows() == {
            "input": 3, "final": 2, "dropped": 1, "rejected": 0, "pending": 0
        }  # fmt: skip
        assert [row.answers[-1].content for row in store.find(RowQuery("final"))] == [
            "new 1",
            "new 2",
        ]
        assert store.queue(RowQuery("final")) == [(1, "accepted"), (2, None)]
        assert store.stats()["measures"][""] == {"gleu": (0.6, 2)}
        assert store.stats()["checks"]["tries"] == {}
        assert store.lineage()[0].rows == 2


def test_turns_of_an_older_file_have_no_thoughts_and_no_words(unchecked: Path) -> None:
    with Store.open(unchecked, create=False) as store:
        [row, *_] = store.find(RowQuery("final"))
        assert row.conversation == Conversation(TURNS, 1)
        assert row.answers == (TURNS[0], Turn("assistant", "new 1"))
        # What comes new stands beside them, and reads as it was.
        call = Turn("function_call", '{"name": "f", "arguments": {}}', "Hm.", "Wait.")
        result = Turn("observation", "1", "", "", "call00201", "f")
        turns = (TURNS[0], call, result, TURNS[1]._replace(thought="So."))
        new = Conversation(turns, 1, None, "[]", "a", (Repair("greeting", "Hi."),))
        store.ingest(Source("b.jsonl", "/b.jsonl", "g"), [new])
        [row] = store.find(RowQuery("pending"))
        assert row.conversation == new
    with duckdb.connect(unchecked) as con:
        assert con.execute("SELECT turns[1].thought FROM released LIMIT 1").fetchall() == [("",)]


def test_its_answers_can_be_checked_later(unchecked: Path) -> None:
    with Store.open(unchecked, create=False) as store:
        store.set_recipe("check", "c", {"tries": "3"})
        assert store.counts().rows() == {
            "input": 3, "final": 0, "dropped": 1, "rejected": 0, "pending": 2
        }  # fmt: skip
        assert [row.row for row in store.due("check")] == [1, 2]
        better = (TURNS[0], Turn("assistant", "better"))
        attempt = Attempt(1, "new 1", False, 0.1, None, "disagrees")
        check = Check(1, "agrees", "", "model", 0.9, "")
        store.commit([(1, "check", Checked(better, (check,), (attempt,), True, None, 2))])
        store.commit([(2, "check", Checked())])
    with Store.open(unchecked, create=False, read_only=True) as store:
        assert store.counts().rows() == {
            "input": 3, "final": 2, "dropped": 1, "rejected": 0, "pending": 0
        }  # fmt: skip
        assert [row.answers[-1].content for row in store.find(RowQuery("final"))] == [
            "better",
            "new 2",
        ]
        # Nobody has seen the new answer of row 1; what was measured was of the one before.
        assert store.queue(RowQuery("final")) == [(1, None), (2, None)]
        review = store.reviewed(1)
        assert review is not None
        assert (review.decision, review.earlier) == ("accepted", True)
        assert store.stats()["measures"][""] == {"gleu": (0.7, 1)}


def test_a_migration_that_fails_leaves_the_file_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "s.duckdb"
    Store.open(path).close()
    known = len(migrations.MIGRATIONS)
    bad = (*migrations.MIGRATIONS, ("bad", "CREATE TABLE more (n INTEGER); SELECT nonsense"))
    monkeypatch.setattr(migrations, "MIGRATIONS", bad)
    with pytest.raises(duckdb.Error):
        Store.open(path)
    with duckdb.connect(path) as con:
        assert con.execute("FROM meta").fetchall() == [(known,)]
        assert schema.version(con, schema.store_schema()) == known


def test_a_newer_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "s.duckdb"
    Store.open(path).close()
    with duckdb.connect(path) as con:
        con.execute("INSERT INTO migrations VALUES (99, 'from the future', now()::TIMESTAMP)")
    with pytest.raises(UsageError, match=r"newer sysgen-local.*number 99"):
        Store.open(path)


@pytest.mark.parametrize("make", ["text", "foreign", "folder"])
def test_files_of_others_are_refused_and_left_alone(tmp_path: Path, make: str) -> None:
    path = tmp_path / "s.duckdb"
    if make == "text":
        path.write_text("not a database\n" * 1000)
    elif make == "folder":
        path.mkdir()
    else:
        with duckdb.connect(path) as con:
            con.execute("CREATE TABLE conversations (n INTEGER)")
    before = path.read_bytes() if path.is_file() else None
    with pytest.raises(UsageError) as caught:
        Store.open(path)
    assert str(path) in caught.value.message
    assert caught.value.hint
    assert before is None or path.read_bytes() == before


def test_missing_files_and_folders_are_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no store at"):
        Store.open(tmp_path / "none.duckdb", create=False)
    with pytest.raises(UsageError, match="no store at"):
        Store.open(tmp_path / "none.duckdb", read_only=True)
    with pytest.raises(UsageError, match=r"folder .* does not exist"):
        Store.open(tmp_path / "no" / "s.duckdb")
    assert list(tmp_path.iterdir()) == []


def test_an_empty_file_that_another_process_is_about_to_write_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "s.duckdb"
    path.touch()
    code = (
        "import fcntl, sys; file = open(sys.argv[1], 'r+b'); fcntl.lockf(file, fcntl.LOCK_EX); "
        "print('held', flush=True); sys.stdin.read()"
    )
    started = subprocess.Popen(
        [sys.executable, "-c", code, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with ended(started) as holder:
        assert first_line(holder) == b"held\n"
        with pytest.raises(LockedError):
            Store.open(path)
        assert path.exists()
        holder.communicate(timeout=60)
    Store.open(path).close()


def test_an_empty_file_counts_as_none(tmp_path: Path) -> None:
    path = tmp_path / "s.duckdb"
    path.touch()
    with pytest.raises(UsageError, match="no store at"):
        Store.open(path, create=False)
    with Store.open(path) as store:
        assert store.counts().input == 0


def test_a_file_in_use_says_by_whom(tmp_path: Path) -> None:
    path = tmp_path / "s.duckdb"
    script = (
        "import sys, time; from pathlib import Path; from sysgen_local.store import Store\n"
        "store = Store.open(Path(sys.argv[1])); print('open', flush=True); time.sleep(60)"
    )
    started = subprocess.Popen(
        [sys.executable, "-c", script, str(path)], stdout=subprocess.PIPE, text=True
    )
    with ended(started) as holder:
        assert first_line(holder) == "open\n"
        for read_only in (False, True):
            with pytest.raises(LockedError, match=f"PID {holder.pid}") as caught:
                Store.open(path, create=False, read_only=read_only, snapshot=False)
            assert isinstance(caught.value, SysgenError)
            assert caught.value.pid == holder.pid
            assert "sysgen status" in str(caught.value)
    with Store.open(path, create=False) as store:
        assert store.counts().input == 0
