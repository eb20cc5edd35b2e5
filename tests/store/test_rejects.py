"""Rows that could not be used: kept with their own text, found again, and written out."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import duckdb
import pytest
from stored import old_store

from sysgen_local.core.errors import UsageError
from sysgen_local.core.records import Conversation, Reject, Source, Turn
from sysgen_local.exporting import write_rejects
from sysgen_local.sources import find, read
from sysgen_local.store import Store
from sysgen_local.store.intake import RAW

TURNS = (Turn("user", "q"), Turn("assistant", "a"))
BAD = b'{"instruction": "caf\xe9", "output": "x"}'


def rejected(path: Path, **how: Any) -> list[Reject]:
    [source] = find([str(path)])
    return [record for record in read(source, **how) if isinstance(record, Reject)]


@pytest.mark.parametrize("packed", [False, True])
def test_a_line_that_is_no_row_is_kept_as_it_stands(tmp_path: Path, packed: bool) -> None:
    lines = [
        b'{"instruction": "half',
        BAD,
        b'  {"odd":   1.0, "order": [2]}  ',
        b"[1, 2]",
        b"null",
        b'{"instruction": "q", "output": "a"}',
        b'{"instruction": "q", "output": ""}',
    ]
    path = tmp_path / ("a.jsonl.gz" if packed else "a.jsonl")
    content = b"\r\n".join(lines)
    path.write_bytes(gzip.compress(content) if packed else content)
    assert [(reject.line, reject.raw) for reject in rejected(path)] == [
        (1, '{"instruction": "half'),
        (2, '{"instruction": "caf\\xe9", "output": "x"}'),
        (3, '  {"odd":   1.0, "order": [2]}  '),
        (4, "[1, 2]"),
        (5, "null"),
        (7, '{"instruction": "q", "output": ""}'),
    ]


def test_rows_of_other_files_are_kept_too(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('[{"odd": "é"}, null, {"instruction": "q", "output": "a"}]')
    assert [r.raw for r in rejected(tmp_path / "a.json")] == ['{"odd": "é"}', "null"]
    (tmp_path / "a.csv").write_bytes(b"question,answer\nq,a,more\nq\xff,a\n,a\n")
    assert [r.raw for r in rejected(tmp_path / "a.csv")] == [
        "q,a,more",
        "q\\xff,a",
        ",a",
    ]
    odd = "SELECT 1 AS a, DATE '2020-01-02' AS b, MAP {1: 'x'} AS c, 'y'::BLOB AS d"
    duckdb.sql(f"COPY ({odd}) TO '{tmp_path}/a.parquet'")
    [reject] = rejected(tmp_path / "a.parquet")
    assert "2020-01-02" in reject.raw
    own = {"instruction": "q", "output": "a", "system": "Be brief."}
    (tmp_path / "b.jsonl").write_text(json.dumps(own))
    [reject] = rejected(tmp_path / "b.jsonl", skip_system=True)
    assert (reject.reason, json.loads(reject.raw)) == ("has_system", own)


@pytest.fixture
def store(tmp_path: Path) -> Any:
    with Store.open(tmp_path / "s.duckdb") as store:
        rejects = [Reject(n, "bad_json" if n % 2 else "not_text", f"d{n}", f"r{n}") for n in (2, 4)]
        rows = [Conversation(TURNS, 1), *rejects, Conversation(TURNS, 5)]
        store.ingest(Source("b.jsonl", "b", "1", "B", "mit"), rows, limit=2)
        store.ingest(Source("a.jsonl", "a", "2"), [Reject(1, "bad_json", "x", "\ud800 '\n\x1b")])
        store.ingest(Source("b.jsonl", "b", "1", "B", "mit"), rows)
        yield store


def test_they_stand_in_the_order_of_the_input(store: Store) -> None:
    assert [(path, of.line) for path, of in store.rejects()] == [
        ("b.jsonl", 2),
        ("b.jsonl", 4),
        ("a.jsonl", 1),
    ]
    assert store.rejects(1) == [("b.jsonl", Reject(2, "not_text", "d2", "r2"))]
    assert store.count_rejects() == 3


def test_a_condition_chooses(store: Store) -> None:
    for where, lines in (
        ("reason = 'bad_json'", [1]),
        ("source = 'b.jsonl' AND line > 2", [4]),
        ("license = 'mit' -- all of B", [2, 4]),
        ("raw LIKE 'r%'", [2, 4]),
        ("dataset = 'a.jsonl'", [1]),
    ):
        assert [of.line for _, of in store.rejects(where=where)] == lines
        assert store.count_rejects(where=where) == len(lines)
    for way in (store.rejects, store.count_rejects):
        with pytest.raises(UsageError) as caught:
            way(where="p_good > 1")
        assert "source, line, dataset, license, reason, detail, raw" in str(caught.value.hint)


def test_a_sample_is_always_the_same(store: Store) -> None:
    samples = {tuple(store.rejects(1, seed=seed)) for seed in range(20)}
    assert len(samples) > 1
    assert store.rejects(2, seed=3) == store.rejects(2, seed=3)


@pytest.mark.parametrize("ending", ["jsonl", "parquet"])
def test_all_are_written_with_their_text(store: Store, tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"r.{ending}"
    assert write_rejects(store, path) == 3
    if ending == "jsonl":
        rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    else:
        made = duckdb.read_parquet(str(path))
        rows = [dict(zip(made.columns, values, strict=True)) for values in made.fetchall()]
    assert rows == [
        {"file": "b.jsonl", "line": 2, "reason": "not_text", "detail": "d2", "raw": "r2"},
        {"file": "b.jsonl", "line": 4, "reason": "not_text", "detail": "d4", "raw": "r4"},
        {
            "file": "a.jsonl",
            "line": 1,
            "reason": "bad_json",
            "detail": "x",
            "raw": "\ufffd '\n\x1b",
        },
    ]
    assert write_rejects(store, path, "line = 4") == 1
    with pytest.raises(UsageError, match="--where nonsense"):
        write_rejects(store, path, "nonsense")
    assert write_rejects(store, path, "false") == 0


def test_many_are_written_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sysgen_local.store.rejects._SLICE", 7)
    with Store.open(tmp_path / "s.duckdb") as store:
        store.ingest(Source("a", "a", "0"), [Reject(n, "bad_json") for n in range(1, 101)])
        assert write_rejects(store, tmp_path / "r.jsonl", "line % 3 = 0") == 33
    lines = [json.loads(line)["line"] for line in (tmp_path / "r.jsonl").read_text().splitlines()]
    assert lines == list(range(3, 101, 3))


def test_a_long_text_is_cut_and_says_how_long_it_was(tmp_path: Path) -> None:
    with Store.open(tmp_path / "s.duckdb") as store:
        rejects = [Reject(n, "bad_json", "", "x" * (RAW + n)) for n in (0, 1)]
        store.ingest(Source("a", "a", "0"), rejects)
        assert [of.raw for _, of in store.rejects()] == [
            "x" * RAW,
            "x" * RAW + "… (4,001 characters)",
        ]


@pytest.mark.parametrize("read_only", [False, True])
def test_a_file_of_an_older_version_opens(tmp_path: Path, read_only: bool) -> None:
    path = old_store(tmp_path / "s.duckdb")
    with duckdb.connect(str(path)) as old:
        old.execute("INSERT INTO rejects VALUES (1, 4, 'bad_json', 'd')")
    with Store.open(path, create=False, read_only=read_only) as store:
        assert store.rejects() == [("a.jsonl", Reject(4, "bad_json", "d"))]
        assert write_rejects(store, tmp_path / "r.jsonl") == 1
    assert json.loads((tmp_path / "r.jsonl").read_text())["raw"] is None
