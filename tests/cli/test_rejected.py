"""Rejected rows on the command line: listed, chosen, written out."""

from __future__ import annotations

import json
from pathlib import Path

import click
import pytest

from sysgen_local.cli.commands import cli
from sysgen_local.core.errors import UsageError
from sysgen_local.sources import find, read
from sysgen_local.store import Store

LINES = [
    '{"instruction": "q", "output": "a"}',
    '{"instruction": "half',
    '{"ask": "\\u001b[31mred", "reply": "x"}',
    *(f'{{"instruction": "q{n}", "output": ""}}' for n in range(20)),
]


@pytest.fixture
def db(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    Path("rows.jsonl").write_text("\n".join(LINES))
    with Store.open(tmp_path / "sysgen.duckdb") as store:
        [source] = find(["rows.jsonl"])
        store.ingest(source, read(source))
    return tmp_path


def sysgen(*arguments: object) -> None:
    cli.main([str(word) for word in arguments], standalone_mode=False)


def test_they_are_listed_with_file_line_reason_and_text(db, capsys):
    sysgen("show", "--rejected")
    said = capsys.readouterr()
    for word in ("rows.jsonl, line 2", "bad_json", LINES[1], "rows.jsonl, line 3", "unknown_shape"):
        assert word in said.out
    assert "\\u001b[31mred" in said.out  # as the file has it
    assert "10 of 22 rejected rows of sysgen.duckdb" in said.err
    assert "sysgen export --rejects -o FILE.jsonl --db sysgen.duckdb" in said.err


def test_a_condition_or_a_sample_chooses(db, capsys):
    sysgen("show", "--rejected", "--where", "reason = 'bad_json'")
    said = capsys.readouterr()
    assert LINES[1] in said.out
    assert "no_answer" not in said.out
    assert "1 of 1 rejected rows of sysgen.duckdb that meet --where" in said.err
    sysgen("show", "--rejected", "--sample", 3)
    assert capsys.readouterr().out.count("rows.jsonl, line") == 3
    sysgen("show", "--rejected", "--where", "line > 99")
    assert "0 of 0 rejected rows" in capsys.readouterr().err
    with pytest.raises(UsageError, match="--where p_good") as caught:
        sysgen("show", "--rejected", "--where", "p_good > 1")
    assert "raw" in str(caught.value.hint)


@pytest.mark.parametrize("more", [["--dropped"], ["--phase", "check"], ["--tag", "role"], ["3"]])
def test_what_makes_no_sense_with_them_is_refused(db, more):
    with pytest.raises(click.UsageError):
        sysgen("show", "--rejected", *more)


def test_they_are_written_out_and_can_be_read_again_once_mended(db, capsys):
    sysgen("export", "--rejects", "-o", "r.jsonl")
    assert "22 rejected rows written to r.jsonl" in capsys.readouterr().err
    rows = [json.loads(line) for line in Path("r.jsonl").read_text().splitlines()]
    assert [row["line"] for row in rows] == list(range(2, 24))
    assert {row["file"] for row in rows} == {"rows.jsonl"}
    assert [row["raw"] for row in rows] == LINES[1:]
    assert not Path("r.card.md").exists()
    sysgen("export", "--rejects", "-o", "r.jsonl", "--where", "line = 3")
    assert len(Path("r.jsonl").read_text().splitlines()) == 1


@pytest.mark.parametrize(
    "more", [["--format", "dpo"], ["--dedupe"], ["--no-card"], ["--split", "a=1"]], ids=" ".join
)
def test_options_of_finished_rows_do_not_go_with_them(db, more):
    with pytest.raises(click.UsageError, match="does not go with --rejects") as caught:
        sysgen("export", "--rejects", "-o", "r.jsonl", *more)
    assert more[0].replace("--no-", "--") in str(caught.value)
    assert not Path("r.jsonl").exists()


def test_the_home_folder_is_found_without_a_shell(db, monkeypatch, capsys):
    monkeypatch.setenv("HOME", str(db))
    monkeypatch.chdir("/")
    sysgen("export", "--rejects", "--db=~/sysgen.duckdb", "--output=~/r.jsonl")
    assert (db / "r.jsonl").exists()
    with pytest.raises(UsageError, match=rf"no store at {db}/none"):
        sysgen("stats", "--db=~/none.duckdb")
