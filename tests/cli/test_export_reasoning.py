"""Thoughts in exports: left out by default, which is said, or written."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from sysgen_local.cli.export import export
from sysgen_local.records import (
    Conversation,
    Filtered,
    Generated,
    Responded,
    Source,
    Turn,
    Verified,
)
from sysgen_local.store import Store

THOUGHT = "Firm yolk: seven."


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Two finished rows, the first with a thought before its old answer."""
    monkeypatch.chdir(tmp_path)
    ask, new = Turn("user", "How long?"), Turn("assistant", "new")
    with Store.open(tmp_path / "sysgen.duckdb") as store:
        rows = [(ask, Turn("assistant", "old", THOUGHT)), (ask, Turn("assistant", "old"))]
        store.ingest(
            Source("x", "x", "0"), [Conversation(turns, n) for n, turns in enumerate(rows, 1)]
        )
        for n in (1, 2):
            store.commit(
                [
                    (n, "generate", Generated()),
                    (n, "filter", Filtered()),
                    (n, "verify", Verified((), "S")),
                    (n, "respond", Responded((ask, new))),
                ]
            )
    return tmp_path


def exported(folder, *options):
    done = CliRunner().invoke(export, ["-o", "o.jsonl", *options])
    assert done.exit_code == 0, done.output
    rows = [json.loads(line) for line in (folder / "o.jsonl").read_text().splitlines()]
    return rows, done.stderr, (folder / "o.card.md").read_text()


@pytest.mark.parametrize("variant", ["original", "system-only", "common"])
@pytest.mark.parametrize("form", ["messages", "sharegpt", "alpaca", "prompt-completion"])
def test_thoughts_leave_when_asked_for(folder, form, variant):
    options = ("--format", form, "--variant", variant)
    rows, said, card = exported(folder, *options)
    assert THOUGHT not in json.dumps(rows)
    assert "1 rows without the reasoning that they came with (--reasoning keep writes it)" in said
    assert "- 1 rows without the reasoning that they came with\n" in card
    rows, said, card = exported(folder, *options, "--reasoning", "keep")
    assert [json.dumps(row).count(THOUGHT) for row in rows] == [1, 0]
    assert "reasoning that" not in said + card


def test_new_answers_have_no_thoughts_to_leave_out(folder):
    for options in ((), ("--reasoning", "keep"), ("--format", "dpo", "--reasoning", "keep")):
        rows, said, _ = exported(folder, *options)
        assert len(rows) == 2
        assert THOUGHT not in json.dumps(rows)
        assert "reasoning" not in said
