"""`--shard` and `sysgen merge` as a user calls them, with the built-in model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import duckdb
import pytest
from places import ROOT
from questions import run

import sysgen_local as sysgen

BAD = ['{"instruction": "half', '{"instruction": "no answer"}', '{"title": "no shape"}']
EXAMPLES = (ROOT / "examples" / "questions.jsonl").read_text().splitlines()
OPTIONS = ("--max-answer-tokens", 128, "-q")


def lines(first: int, last: int) -> list[str]:
    """These rows of the examples, and the first one of them again."""
    return [*EXAMPLES[first:last], EXAMPLES[first]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two inputs, with rows that are there twice and rows that cannot be used."""
    folder = tmp_path_factory.mktemp("shards")
    (folder / "a.jsonl").write_text("\n".join([*lines(0, 9), *BAD]) + "\n")
    (folder / "b.jsonl").write_text("\n".join([BAD[0], *lines(20, 25)]) + "\n")
    return folder


def work(folder: Path, db: str, *more: object) -> None:
    """A run that is limited, goes on, and goes on once more when one of its inputs has grown."""
    inputs = folder / "a.jsonl", folder / "b.jsonl"
    run("generate", *inputs, "--db", folder / db, "--limit", 7, "-q", *more)
    run("run", *inputs, "--db", folder / db, *OPTIONS)
    before = inputs[0].read_text()
    inputs[0].write_text(before + "\n".join([*lines(30, 34), BAD[1]]) + "\n")
    run("run", inputs[0], "--db", folder / db, "--appended", *OPTIONS)
    inputs[0].write_text(before)


def contents(path: Path) -> dict[str, list[Any]]:
    """Table -> its lines, in order, without times, commands and what the KV cache had."""
    left_out = {"at", "seconds", "tokens_decoded", "started", "ended", "command", "chain", "run"}
    with duckdb.connect(str(path), read_only=True) as con:
        found = {}
        for (table,) in con.execute("SELECT table_name FROM duckdb_tables()").fetchall():
            columns = [
                f'"{name}"'
                for name, *_ in con.execute(f"DESCRIBE {table}").fetchall()
                if name not in left_out
            ]
            sql = f"SELECT {', '.join(columns)} FROM {table} ORDER BY ALL"
            found[table] = con.execute(sql).fetchall()
    return found


def test_shards_of_real_runs_are_a_single_run(folder: Path) -> None:
    work(folder, "single.duckdb")
    stores = []
    for number in (1, 2, 3):
        stores.append(folder / f"{number}.duckdb")
        work(folder, stores[-1].name, "--shard", f"{number}/3")
    said = run("merge", *stores, "-o", folder / "all.duckdb").stderr
    assert "0 pending  (" in said
    single, merged = contents(folder / "single.duckdb"), contents(folder / "all.duckdb")
    assert len(single.pop("runs")) * 3 == len(merged.pop("runs"))
    for table, rows in single.items():
        assert rows == merged[table], table
    assert {len(rows) for rows in (single["conversations"], single["rejects"])} == {20, 6}
    texts = []
    for name in ("single", "all"):
        run("export", "-o", folder / f"{name}.jsonl", "--db", folder / f"{name}.duckdb", "-q")
        texts.append((folder / f"{name}.jsonl").read_text())
    assert texts[0] == texts[1] != ""


def test_a_shard_is_named_wherever_rows_are_counted(folder: Path, tmp_path: Path) -> None:
    db = tmp_path / "s.duckdb"
    said = run("generate", folder / "b.jsonl", "--shard", "2/3", "--db", db).stderr
    assert "shard 2 of 3 holds " in said
    assert " of 7 rows" in said
    for command in ("status", "stats"):
        assert "shard 2 of 3; all inputs have 7 rows" in run(command, "--db", db).stdout
    said = run("run", "--db", db, "-o", tmp_path / "out.jsonl", *OPTIONS).stderr
    assert "only the rows of shard 2 of 3" in (tmp_path / "out.card.md").read_text()
    run("report", "--db", db, "-o", tmp_path / "page.html", "-q")
    assert "Only shard 2 of 3; all inputs have 7 rows." in (tmp_path / "page.html").read_text()
    said = run("show", 99, "--db", db, code=2).stderr
    assert "has no row 99" in said
    assert "of the rows 1 to 6" in said


@pytest.mark.parametrize(
    ("shard", "why"),
    [("4/3", "there is no shard 4 of 3"), ("0/3", "no shard 0 of 3"), ("two", "'two' is no shard")],
)
def test_what_is_no_shard_writes_nothing(
    folder: Path, tmp_path: Path, shard: str, why: str
) -> None:
    db = tmp_path / "s.duckdb"
    said = run("run", folder / "a.jsonl", "--shard", shard, "--db", db, code=2).stderr
    sentence, _ = said.splitlines()
    assert why in sentence
    assert list(tmp_path.iterdir()) == []


def test_another_shard_is_refused(folder: Path, tmp_path: Path) -> None:
    db = tmp_path / "s.duckdb"
    run("generate", folder / "b.jsonl", "--shard", "2/3", "--db", db, "-q")
    before = contents(db)
    said = run("generate", folder / "b.jsonl", "--shard", "1/3", "--db", db, "-q", code=2).stderr
    assert "holds shard 2 of 3, not shard 1 of 3" in said
    run("run", "--shard", "2/3", "--db", db, "--phase", "filter", "-q")
    assert contents(db)["generated"] == before["generated"]


def test_a_shard_without_rows_ends_well(folder: Path, tmp_path: Path) -> None:
    one = tmp_path / "one.jsonl"
    one.write_text(lines(0, 1)[0] + "\n")
    stores = []
    for number in (1, 2, 3, 4):
        stores.append(tmp_path / f"{number}.duckdb")
        run("run", one, "--shard", f"{number}/4", "--db", stores[-1], *OPTIONS)
    done = json.loads(run("merge", *stores, "-o", tmp_path / "all.duckdb", "--json").stdout)
    assert (done["rows"]["input"], done["rows"]["pending"]) == (1, 0)


def test_stores_that_do_not_belong_together_are_one_sentence(folder: Path, tmp_path: Path) -> None:
    stores = []
    for number, seed in ((1, 0), (2, 7)):
        stores.append(tmp_path / f"{number}.duckdb")
        shard = f"{number}/2"
        run("generate", folder / "b.jsonl", "--shard", shard, "--seed", seed, "--db", stores[-1])
    before = sorted(tmp_path.iterdir())
    for call, why in {
        (*stores,): "made with another recipe for generate than",
        (stores[0],): "shard 2 of 2 is missing",
        (stores[0], tmp_path / "none.duckdb"): "There is no store at",
    }.items():
        said = run("merge", *call, "-o", tmp_path / "all.duckdb", code=2).stderr
        sentence, hint = said.splitlines()
        assert why in sentence
        assert hint.startswith("  -> ")
        assert sorted(tmp_path.iterdir()) == before
    assert "seed was 0, now 7" in run("merge", *stores, "-o", tmp_path / "x.db", code=2).stderr


def test_imported_phrases_of_other_shards_are_left_out(folder: Path, tmp_path: Path) -> None:
    tags = tmp_path / "tags.jsonl"
    line = {"text": "<<Role>> You are a cook."}
    tags.write_text("\n".join(json.dumps({"row": row, **line}) for row in range(1, 7)))
    imported = 0
    for number in (1, 2):
        call = (tags, folder / "b.jsonl", "--db", tmp_path / f"{number}.duckdb", "--json")
        done = json.loads(run("import-tags", *call, "--shard", f"{number}/2").stdout)
        imported += done["imported"]
        again = json.loads(run("import-tags", *call).stdout)
        assert (again["imported"], again["skipped"]) == (0, done["imported"])
    assert imported == 6


def test_what_is_pending_is_done_after_the_merge(folder: Path, tmp_path: Path) -> None:
    """Shards are stopped after different phases, also from Python."""
    stores = []
    for number, phases in ((1, ("generate",)), (2, ("generate", "filter"))):
        stores.append(tmp_path / f"{number}.duckdb")
        with sysgen.open(stores[-1]) as store:
            done = sysgen.run(
                store, folder / "b.jsonl", shard=f"{number}/2", phases=phases,
                on_progress=lambda update: None,
            )  # fmt: skip
            assert done.shard is not None
    merged = sysgen.merge(stores, tmp_path / "all.duckdb")
    assert merged.counts.pending == 6
    with sysgen.open(tmp_path / "all.duckdb") as store:
        done = sysgen.run(store, max_answer_tokens=24, on_progress=lambda update: None)
        assert done.counts.pending == 0
        assert done.counts.input == 7
        again = sysgen.run(store, folder / "b.jsonl", on_progress=lambda update: None)
        assert again.counts.input == 7
