"""The checks with the built-in model, as a user runs them: with the run, left out, and later."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sysgen_local.cli.commands import cli
from sysgen_local.core.errors import RecipeError
from sysgen_local.core.records import PHASES, Row
from sysgen_local.core.resources import resource
from sysgen_local.store import Store
from sysgen_local.store.counts import Counts

ROWS = 5


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, builtin: Path) -> Path:
    lines = resource("examples/questions.jsonl").read_text("utf-8").splitlines()
    (tmp_path / "rows.jsonl").write_text("\n".join(lines[:ROWS]), "utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def sysgen(*arguments: str) -> None:
    assert cli.main([*arguments, "-q"], standalone_mode=False) in (0, None)


def held(db: str = "sysgen.duckdb") -> tuple[Counts, list[Row]]:
    with Store.open(Path(db)) as store:
        counts = store.counts()
        rows = counts.rows()
        assert rows["input"] == ROWS
        assert rows["input"] == sum(rows[n] for n in ("final", "dropped", "rejected", "pending"))
        return counts, [store.row(number) for number in range(1, ROWS + 1)]


def checked(rows: list[Row]) -> list[object]:
    """What the checks made of each row, without the time that it took."""
    found = [row.checked for row in rows]
    return [c and (c.turns, c.checks, c.attempts, c.agrees, c.tries, c.dropped) for c in found]


def test_a_run_checks_its_answers_and_forgets_it_when_told(folder):
    sysgen("run", "rows.jsonl", "-o", "out.jsonl")
    counts, rows = held()
    assert tuple(counts.phases) == PHASES
    assert counts.pending == 0
    answered = [row for row in rows if row.responded and not row.responded.dropped]
    assert answered
    assert [row for row in rows if row.checked] == answered
    assert counts.phases["check"].done == len(answered)
    final = [row for row in answered if row.checked.dropped is None]
    assert counts.final == len(final)
    written = [json.loads(line) for line in (folder / "out.jsonl").read_text().splitlines()]
    assert [[m["content"] for m in row["messages"]] for row in written] == [
        [row.verified.system, *(turn.content for turn in row.answers)] for row in final
    ]

    sysgen("run", "--redo", "check")
    assert checked(held()[1]) == checked(rows)

    with pytest.raises(RecipeError, match="were checked"):
        sysgen("run", "--no-check")
    sysgen("run", "--no-check", "--redo", "check")
    counts, without = held()
    assert tuple(counts.phases) == PHASES[:4]
    assert counts.final == len(answered)
    assert checked(without) == [None] * ROWS

    sysgen("check")
    counts, again = held()
    assert tuple(counts.phases) == PHASES
    assert checked(again) == checked(rows)


def test_answers_that_were_not_checked_can_be_later(folder):
    sysgen("run", "rows.jsonl", "--no-check", "--db", "later.duckdb")
    counts, rows = held("later.duckdb")
    assert tuple(counts.phases) == PHASES[:4]
    assert counts.pending == 0
    assert counts.final > 0
    sysgen("run", "--db", "later.duckdb")  # it stays as it was
    assert tuple(held("later.duckdb")[0].phases) == PHASES[:4]
    sysgen("check", "--db", "later.duckdb", "-o", "out.jsonl")
    counts, after = held("later.duckdb")
    assert tuple(counts.phases) == PHASES
    assert (counts.phases["check"].done, counts.pending) == (counts.phases["respond"].kept, 0)
    assert [row.responded for row in after] == [row.responded for row in rows]
    assert len((folder / "out.jsonl").read_text().splitlines()) == counts.final
