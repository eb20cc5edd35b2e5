"""No output replaces a file that rows were read from, and rows that are left out are counted."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from sysgen_local.store import Store

ROWS = [{"instruction": f"What is tea number {n}?", "output": "A drink."} for n in range(4)]
TEXT = "".join(f"{json.dumps(row)}\n" for row in [*ROWS, {"instruction": "No answer?"}])


def sysgen(*said: object, cwd: Path, code: int = 0) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "sysgen_local.cli.main", *map(str, said)],
        cwd=cwd, capture_output=True, text=True, timeout=300, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout + done.stderr


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "rows.jsonl").write_text(TEXT)
    (tmp_path / "link.jsonl").symlink_to("rows.jsonl")
    return tmp_path


def test_an_input_is_never_replaced(folder: Path) -> None:
    for output in ("rows.jsonl", "link.jsonl", folder / "rows.jsonl"):
        said = sysgen("run", "rows.jsonl", "-o", output, cwd=folder, code=2)
        assert "is an input of sysgen.duckdb, and would be replaced" in said
        assert not (folder / "sysgen.duckdb").exists(), "no row was done"
    sysgen("run", "rows.jsonl", "-q", cwd=folder)
    for words in (
        ("run", "-o", "rows.jsonl"),
        ("export", "-o", "rows.jsonl"),
        ("export", "-o", "link.jsonl"),
        ("export", "--rejects", "-o", "rows.jsonl"),
    ):
        assert "would be replaced" in sysgen(*words, cwd=folder, code=2)
    (folder / "d-test.jsonl").write_text(TEXT.replace("tea", "mint"))
    sysgen("run", "d-test.jsonl", "-q", cwd=folder)
    split = ("export", "-o", "d.jsonl", "--split", "train=0.5,test=0.5")
    assert "d-test.jsonl is an input" in sysgen(*split, cwd=folder, code=2)
    assert (folder / "rows.jsonl").read_text() == TEXT
    assert (folder / "d-test.jsonl").read_text() == TEXT.replace("tea", "mint")
    # What sysgen wrote itself is replaced, as before.
    for _ in range(2):
        sysgen("export", "-o", "out.jsonl", cwd=folder)


def test_decisions_replace_no_other_file(folder: Path) -> None:
    sysgen("run", "rows.jsonl", "-q", cwd=folder)
    with Store.open(folder / "sysgen.duckdb") as store:
        store.review(1, "rejected")
    said = sysgen("review", "--export", "rows.jsonl", cwd=folder, code=2)
    assert "rows.jsonl is there, and is no file of decisions" in said
    assert (folder / "rows.jsonl").read_text() == TEXT
    for _ in range(2):
        sysgen("review", "--export", "decisions.jsonl", cwd=folder)


def test_declined_rows_are_counted(folder: Path) -> None:
    sysgen("run", "rows.jsonl", "-q", "--no-check", cwd=folder)
    with Store.open(folder / "sysgen.duckdb") as store:
        first = next(store.rows()).row
        final = store.counts().final
        store.review(first, "rejected")
    said = sysgen("export", "-o", "out.jsonl", cwd=folder)
    assert "left out as declined by a person: 1 row" in said
    assert f"{final - 1:,} rows written" in said
    assert "left out as declined by a person: 1 row" in (folder / "out.card.md").read_text()
    where = ("--where", f"row > {first}")
    assert "declined" not in sysgen("export", "-o", "x.jsonl", *where, cwd=folder)
    (folder / "more.jsonl").write_text('{"instruction": "And mint?", "output": "A herb."}\n')
    more = sysgen("run", "more.jsonl", "--no-check", "-o", "more.out.jsonl", cwd=folder)
    assert f"holds {final - 1:,} more final rows" in more
