"""What a second command may rely on: the same inputs under other names, mended options, a redo."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest
from processes import ended

from sysgen_local.store import RowQuery, Store

LONG = "and there is more to say of it: it takes a while, some patience and a dry place."
"""So that it is no short answer, which the checks would ask every other one to be."""

ROWS = [
    {"instruction": "How do I paint a chair?", "output": f"Sand it first, {LONG}"},
    {"instruction": "What is tea?", "output": f"A drink, {LONG}"},
    {"instruction": "What is tea?", "output": f"Leaves in water, {LONG}"},
    {"instruction": "Why is the sky blue?", "output": f"Light scatters, {LONG}"},
]
ODD = [{"ask": row["instruction"], "reply": row["output"]} for row in ROWS[:3]]


def lines(rows) -> str:
    return "".join(f"{json.dumps(row)}\n" for row in rows)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "rows.jsonl").write_text(lines(ROWS))
    (tmp_path / "odd.jsonl").write_text(lines(ODD))
    return tmp_path


def sysgen(*said: object, cwd: Path, code: int = 0) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "sysgen_local.cli.main", *map(str, said)],
        cwd=cwd, capture_output=True, text=True, timeout=600, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout + done.stderr


def rows(db: Path) -> dict[str, int]:
    with Store.open(db, read_only=True) as store:
        return store.counts().rows()


def test_the_hint_after_a_run_without_a_usable_row_works_with_the_same_file(folder):
    for _ in range(2):
        said = sysgen("run", "odd.jsonl", "-o", "out.jsonl", cwd=folder, code=2)
        assert "odd.jsonl has no usable row" in said
        assert "--map" in said
    said = sysgen(
        "run", "odd.jsonl", "--map", "instruction=ask,answer=reply", "-o", "out.jsonl", cwd=folder
    )
    found = rows(folder / "sysgen.duckdb")
    assert (found["input"], found["rejected"], found["pending"]) == (3, 0, 0)
    assert len((folder / "out.jsonl").read_text().splitlines()) == found["final"]


def test_one_file_under_many_names_is_read_once_and_equal_rows_are_all_there(folder):
    other = folder / "other"
    other.mkdir()
    (other / "copy.jsonl").write_bytes((folder / "rows.jsonl").read_bytes())
    (other / "link.jsonl").symlink_to("../rows.jsonl")
    sysgen("run", "rows.jsonl", "--db", "d.duckdb", "-o", "o.jsonl", cwd=folder)
    first = (folder / "o.jsonl").read_text()
    for place, name in [
        (folder, "./rows.jsonl"),
        (other, folder / "rows.jsonl"),
        (other, "../rows.jsonl"),
        (other, "copy.jsonl"),
        (other, "link.jsonl"),
    ]:
        said = sysgen("run", name, "--db", folder / "d.duckdb", "-o", folder / "o.jsonl", cwd=place)
        assert ("the same content as rows.jsonl" in said) == (name != "./rows.jsonl")
        assert rows(folder / "d.duckdb")["input"] == 4
        assert (folder / "o.jsonl").read_text() == first


def test_a_file_that_grew_offers_to_read_its_new_rows(folder):
    sysgen("run", "rows.jsonl", "-o", "o.jsonl", cwd=folder)
    before = (folder / "o.jsonl").read_text()
    with (folder / "rows.jsonl").open("a") as file:
        file.write(lines([{"instruction": "And now?", "output": "Now we wait."}]))
    said = sysgen("run", "rows.jsonl", "-o", "o.jsonl", cwd=folder, code=2)
    assert "rows.jsonl has grown by 1 row since" in said
    assert "--appended" in said
    sysgen("run", "./rows.jsonl", "--appended", "-o", "o.jsonl", cwd=folder)
    assert rows(folder / "sysgen.duckdb")["input"] == 5
    assert (folder / "o.jsonl").read_text().startswith(before)


def test_what_is_written_is_what_was_named_and_the_rest_is_told(folder):
    (folder / "b.jsonl").write_text(lines(ROWS[3:]))
    (folder / "rows.jsonl").write_text(lines(ROWS[:3]))
    sysgen("run", "rows.jsonl", "-o", "a.out.jsonl", cwd=folder)
    said = sysgen("run", "b.jsonl", "-o", "b.out.jsonl", cwd=folder)
    of_a = (folder / "a.out.jsonl").read_text()
    of_b = (folder / "b.out.jsonl").read_text()
    assert "paint a chair" in of_a
    assert "sky" not in of_a
    assert "paint a chair" not in of_b
    more = len(of_a.splitlines())
    assert f"holds {more} more final rows, of inputs that were not named" in said
    sysgen("run", "-o", "all.jsonl", cwd=folder)
    assert (folder / "all.jsonl").read_text() == of_a + of_b
    for name in ("rows.jsonl", "./rows.jsonl", "rows", folder / "rows.jsonl"):
        sysgen("export", "-o", "some.jsonl", "--source", name, cwd=folder)
        assert (folder / "some.jsonl").read_text() == of_a
    stats = json.loads(sysgen("stats", "--json", "--source", "b.jsonl", cwd=folder))
    assert stats["rows"]["input"] == 1
    assert list(stats["datasets"]) == ["b"]
    assert stats["phases"]["generate"]["done"] == 1
    sysgen("report", "-o", "b.html", "--source", "b.jsonl", cwd=folder)
    assert "paint a chair" not in (folder / "b.html").read_text()
    judged = json.loads(
        sysgen("judge", "--json", "-q", "--source", "rows", "--pairs", 9, "--slots", 2, cwd=folder)
    )
    assert set(judged[0]["datasets"]) - {""} == {"rows"}
    said = sysgen("export", "-o", "none.jsonl", "--source", "c.jsonl", cwd=folder, code=2)
    assert "holds no input c.jsonl" in said
    assert "rows.jsonl" in said


def all_of(db: Path):
    with duckdb.connect(str(db), read_only=True) as con:
        return [
            con.execute(f"FROM {table} ORDER BY 1").fetchall()
            for table in ("generated", "verified", "responded", "checked", "reviews", "recipes")
        ]


def test_a_redo_deletes_nothing_before_all_is_asked_and_a_person_is_asked_first(folder):
    db = folder / "sysgen.duckdb"
    sysgen("run", "rows.jsonl", "-o", "out.jsonl", cwd=folder)
    with Store.open(db) as store:
        final = [row for row, _ in store.queue(RowQuery("final", limit=None))]
        store.review(final[0], "rejected")
    before = all_of(db)
    (folder / "none.gguf").write_bytes(b"GGUF" + b"\0" * 100)
    rows_now = (folder / "rows.jsonl").read_text()
    (folder / "rows.jsonl").write_text(rows_now.replace("tea", "soup"))
    for refused in (
        ["--model", "none.gguf"],
        ["--model", "missing.gguf"],
        ["--judge", "missing.gguf"],
        ["--prompts", "none"],
        ["-o", "nowhere/out.jsonl"],
        ["rows.jsonl"],
        ["missing.jsonl"],
    ):
        done = subprocess.run(
            [sys.executable, "-m", "sysgen_local.cli.main", "run", "--redo", "verify", *refused],
            cwd=folder, capture_output=True, text=True, timeout=600,
        )  # fmt: skip
        assert done.returncode in (1, 2), done.stderr
        assert all_of(db) == before, refused
    assert on_a_terminal(folder, "n\n", "run", "--redo", "respond") == 1
    assert all_of(db) == before
    said = sysgen("run", "--redo", "respond", "--yes", cwd=folder)
    answers = len(before[2])
    assert f"--redo respond deletes {answers} answers" in said
    assert "1 review kept, to hold again" in said
    with Store.open(db) as store:
        assert store.reviewed(final[0]).decision == "rejected"
        assert not store.reviewed(final[0]).earlier  # the same seed, the same answer
    assert on_a_terminal(folder, "y\n", "respond", "--redo", "respond", "--temperature", "0.9") == 0
    sysgen("run", "-o", "out.jsonl", cwd=folder)
    with Store.open(db) as store:
        assert store.counts().pending == 0
        assert '"temperature": 0.9' in store.recipe("respond").facts["sampling"]
        assert '"temperature": 0.9' in store.recipe("check").facts["again_sampling"]
        assert '"temperature": 0.9' not in store.recipe("generate").facts["sampling"]
        assert store.reviewed(final[0]).decision == "rejected"


def on_a_terminal(folder: Path, typed: str, *said: str) -> int:
    """The exit code where somebody sits before it and types that."""
    master, terminal = pty.openpty()
    started = subprocess.Popen(
        [sys.executable, "-m", "sysgen_local.cli.main", *said, "-q"],
        cwd=folder, stdin=terminal, stderr=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    with ended(started) as process:
        os.close(terminal)
        os.write(master, typed.encode())
        _, told = process.communicate(timeout=600)
    os.close(master)
    assert b"Delete them?" in told
    assert b"Traceback" not in told
    return process.returncode
