"""A condition over columns that no command has filled yet says which command does."""

from __future__ import annotations

import pytest
from click.testing import CliRunner
from filled import fill

from sysgen_local.cli.commands import cli
from sysgen_local.store import Store

CALLS = [
    ("show",),
    ("export", "-o", "x.jsonl"),
    ("review", "--no-open"),
]


@pytest.mark.parametrize("call", CALLS, ids=lambda of: of[0])
@pytest.mark.parametrize(
    ("where", "command"),
    [
        ("judged = 'new'", "judge"),
        ("judge_p > 0.9", "judge"),
        ("measures['rouge1'] > 2", "compare"),
        ("NOT obeys", "check"),
    ],
)
def test_a_note_names_the_command(tmp_path, monkeypatch, call, where, command):
    monkeypatch.chdir(tmp_path)
    fill(tmp_path / "sysgen.duckdb", 3)
    done = CliRunner().invoke(cli, [*call, "--where", where])
    assert f"yet; `sysgen {command} --db sysgen.duckdb` does that" in done.stderr


def test_there_is_no_note_where_they_are_filled(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    fill(tmp_path / "sysgen.duckdb", 6, checks=True)
    with Store.open(tmp_path / "sysgen.duckdb") as store:
        store.write_measures({1: {"rouge1": 0.5}})
    for where in ("measures['rouge1'] > 2", "obeys AND false"):
        done = CliRunner().invoke(cli, ["show", "--where", where])
        assert "no such row" in done.stderr
        assert "yet;" not in done.stderr
