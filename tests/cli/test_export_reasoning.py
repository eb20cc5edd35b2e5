"""Thoughts in exports: left out by default, which is said, or written."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from sysgen_local.cli.export import export
from sysgen_local.cli.run import run
from sysgen_local.core.records import (
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


def finish(store, row, turns):
    store.commit(
        [
            (row, "generate", Generated()),
            (row, "filter", Filtered()),
            (row, "verify", Verified((), "S")),
            (row, "respond", Responded(turns)),
        ]
    )


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
            finish(store, n, (ask, new))
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
    assert "1 row without the reasoning that they came with (--reasoning keep writes it)" in said
    assert "- 1 row without the reasoning that they came with\n" in card
    rows, said, card = exported(folder, *options, "--reasoning", "keep")
    assert [json.dumps(row).count(THOUGHT) for row in rows] == [1, 0]
    assert "reasoning that" not in said + card


SYSTEM_ONLY = "--variant system-only --reasoning keep writes the old ones with it"


@pytest.mark.parametrize(
    ("options", "way"),
    [
        ((), f"new answers have none; {SYSTEM_ONLY}"),
        (("--reasoning", "keep"), f"new answers have none; {SYSTEM_ONLY}"),
        (("--format", "sharegpt"), f"new answers have none; {SYSTEM_ONLY}"),
        (("--format", "dpo"), "dpo has no place for it"),
        (("--format", "dpo", "--reasoning", "keep"), "dpo has no place for it"),
    ],
)
def test_thoughts_that_new_answers_replace_are_told_of_once(folder, options, way):
    rows, said, card = exported(folder, *options)
    assert len(rows) == 2
    assert THOUGHT not in json.dumps(rows)
    assert said.count("reasoning that") == 1
    assert f"\n1 row without the reasoning that they came with ({way})\n" in f"\n{said}"
    assert "- 1 row without the reasoning that they came with\n" in card
    if "dpo" not in options:  # a pair needs a new answer
        *_, kept = exported(folder, *options, "--variant", "system-only", "--reasoning", "keep")
        assert "reasoning that" not in kept


@pytest.mark.parametrize(
    ("called", "answered", "plain", "keep"),
    [
        (True, False, "--reasoning keep writes it", None),
        (True, True, f"--reasoning keep writes it where no answer is new; {SYSTEM_ONLY}",
         f"1 row without some of the reasoning that they came with (new answers have none; "
         f"{SYSTEM_ONLY})"),
        (False, False, None, None),
    ],
)  # fmt: skip
def test_thoughts_before_calls_of_tools_stay_where_they_are_asked_for(
    tmp_path, monkeypatch, called, answered, plain, keep
):
    monkeypatch.chdir(tmp_path)
    before, at_last = THOUGHT if called else "", THOUGHT if answered else ""
    ask = Turn("user", "How long?")
    call, result = Turn("function_call", '{"name": "clock"}', before), Turn("observation", "7")
    old, new = Turn("assistant", "old", at_last), Turn("assistant", "new")
    with Store.open(tmp_path / "sysgen.duckdb") as store:
        store.ingest(Source("x", "x", "0"), [Conversation((ask, call, result, old), 1)])
        finish(store, 1, (ask, call, result, new))
    rows, said, _ = exported(tmp_path)
    assert THOUGHT not in json.dumps(rows)
    told = f"1 row without the reasoning that they came with ({plain})"
    assert (told in said) if plain else ("reasoning" not in said)
    rows, said, _ = exported(tmp_path, "--reasoning", "keep")
    assert (THOUGHT in json.dumps(rows)) == called
    assert (keep in said) if keep else ("reasoning" not in said)


def test_a_run_tells_of_thoughts_that_it_left_out(folder):
    """By the command that would write them; not for rows that are not written."""
    command = "sysgen export --db sysgen.duckdb -o FILE --variant system-only --reasoning keep"
    told = (
        "1 row without the reasoning that they came with (new answers have none; "
        f"`{command}` writes the old ones with it)\n"
    )
    run_all = ["--no-check", "--db", "sysgen.duckdb", "-o", "o.jsonl"]
    done = CliRunner().invoke(run, run_all)
    assert done.exit_code == 0, done.output
    assert done.stderr.count("reasoning") == 2
    assert told in done.stderr
    plain = CliRunner().invoke(run, run_all[:-2])
    assert plain.exit_code == 0, plain.output
    assert "reasoning" not in plain.stderr
    done = CliRunner().invoke(export, command.replace("FILE", "f.jsonl").split()[2:])
    assert done.exit_code == 0, done.output
    assert THOUGHT in (folder / "f.jsonl").read_text()


def test_a_run_over_rows_without_thoughts_says_nothing_of_them(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "r.jsonl").write_text('{"instruction": "How long?", "output": "Seven."}\n')
    done = CliRunner().invoke(run, ["r.jsonl", "--no-check", "-o", "o.jsonl"])
    assert done.exit_code == 0, done.output
    assert "reasoning" not in done.stderr
