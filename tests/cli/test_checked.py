"""The commands on a store whose answers were checked; no model is asked."""

from __future__ import annotations

import json
import re

import click
import pytest
from filled import EVIL, fill

from sysgen_local.cli.commands import cli
from sysgen_local.core.errors import UsageError
from sysgen_local.store import Selection, Store


@pytest.fixture
def folder(tmp_path, monkeypatch):
    fill(tmp_path / "sysgen.duckdb", 12, checks=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def sysgen(*arguments):
    return cli.main([str(word) for word in arguments], standalone_mode=False)


def read(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_the_card_says_what_was_checked(folder):
    sysgen("export", "-o", "data.jsonl", "--checks")
    rows = read(folder / "data.jsonl")
    assert len(rows) == 7
    assert next(of for row in rows for of in row["checks"] if of["kind"] == "result") == {
        "turn": 1, "kind": "result", "text": f"2 {EVIL}", "by": "rule", "p": 1.0,
        "detail": f"number {EVIL}",
    }  # fmt: skip
    card = (folder / "data.card.md").read_text()
    for line in (
        "| after check | 7 | disagrees 3 |",
        "- keeps what the original had right: yes 5, no 3, nothing to look at 2",
        "- does what it was told: 0.88 in the mean (0 to 1)",
        "- answers a row took: 1: 5, 2: 5",
        "- answers that were not taken: disagrees 3, disobeys 2",
        "- limits: answers a row may take 3, least probability that it agrees 0.5, "
        "that it follows a phrase 0.5",
        "| keeps the original's result | 5 | 40.0% |",
        "| check | tries 3, min_agrees 0.5, min_follows 0.5, by_model True | eeeeeeeeeeee |",
    ):
        assert line in card.splitlines()
    assert "was answered anew under what was left, and checked." in card
    sysgen("export", "-o", "old.jsonl", "--variant", "system-only")
    assert "## Checks" not in (folder / "old.card.md").read_text()


def test_preferences_are_told_to_be_over_answers_that_failed(folder):
    sysgen("export", "-o", "pairs.jsonl", "--format", "dpo", "--where", "agrees and obeys > 0.8")
    pairs = read(folder / "pairs.jsonl")
    assert [pair["rejected"][0]["content"] for pair in pairs] == [f"New {n} {EVIL}" for n in (2, 6)]
    card = (folder / "pairs.card.md").read_text()
    assert "preferred over one of the same row that failed the checks" in card
    assert "only rows that meet agrees and obeys > 0.8" in card


def test_a_file_without_checks_is_exported_as_before(folder):
    fill(folder / "plain.duckdb", 6)
    sysgen("export", "-o", "data.jsonl", "--db", "plain.duckdb")
    card = (folder / "data.card.md").read_text()
    assert "check" not in card
    assert "under what was left. The layout" in card
    with pytest.raises(UsageError, match="were not checked"):
        sysgen("export", "-o", "new.jsonl", "--db", "plain.duckdb", "--checks")


def test_every_column_of_a_condition_stands_in_the_help(folder):
    option = next(p for p in cli.commands["export"].params if "--where" in p.opts)
    assert isinstance(option, click.Option)
    named = set(re.findall(r"\w+", option.help))
    with Store.open(folder / "sysgen.duckdb") as store, pytest.raises(UsageError) as wrong:
        store.lineage("messages", Selection("nonsense = 1"))
    columns = set(wrong.value.hint.removeprefix("an SQL condition over the columns ").split(", "))
    assert {"agrees", "obeys", "tries", "checks"} < columns
    assert columns <= named


def test_one_looks_in(folder, capsys):
    sysgen("status")
    assert re.search(r"  check +10 done +3 dropped", capsys.readouterr().out)
    sysgen("show", "--dropped", "--phase", "check", "--where", "tries > 1")
    assert capsys.readouterr().out.count("dropped in check: disagrees (2 tries)") == 3
    sysgen("stats", "--json")
    stats = json.loads(capsys.readouterr().out)
    assert stats["rows"] == {"input": 13, "final": 7, "dropped": 5, "rejected": 1, "pending": 0}
    assert stats["checks"]["faults"] == {"disagrees": 3, "disobeys": 2}
    assert stats["phases"]["check"]["dropped"] == {"disagrees": 3}
