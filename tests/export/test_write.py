"""Files to train on, judged by reading them again."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from sysgen_local.errors import UsageError
from sysgen_local.export import Wish, export
from sysgen_local.records import (
    Conversation,
    Filtered,
    Generated,
    Phase,
    Phrase,
    Responded,
    Result,
    Source,
    Turn,
    Verified,
)
from sysgen_local.store import FORMATS, Store

NASTY = "nul \x00 quote ' \" back\\slash\r\n\ttab é 中文 😀 \u2028 \ufeff \x1f"


def turns(*said: tuple[str, str]) -> tuple[Turn, ...]:
    return tuple(Turn(role, content) for role, content in said)  # type: ignore[arg-type]


SINGLE = turns(("user", NASTY), ("assistant", "old"))
MULTI = turns(
    ("user", "q1"), ("assistant", "a1"), ("user", "q2"), ("assistant", "a2"), ("user", "q3"),
    ("assistant", "a3"),
)  # fmt: skip
TOOLS = turns(
    ("user", "q"), ("function_call", "f()"), ("observation", "42"), ("assistant", "it is 42")
)


def finish(store: Store, *conversations: Conversation) -> None:
    """Every conversation through all phases: "S<row>" before it, its last answer new."""
    store.ingest(Source("x.jsonl", "x.jsonl", "f"), conversations)
    results: list[tuple[int, Phase, Result]] = []
    for row in store.due("generate"):
        new = (*row.conversation.turns[:-1], Turn("assistant", f"new {NASTY}"))
        results += [
            (row.row, "generate", Generated((Phrase("role", "r"),))),
            (row.row, "filter", Filtered((Phrase("role", "r"),))),
            (row.row, "verify", Verified((), f"S{row.row} {NASTY}")),
            (row.row, "respond", Responded(new)),
        ]
    store.commit(results[::-1])


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "s.duckdb") as store:
        yield store


def read(path: Path) -> list[dict[str, Any]]:
    lines = path.read_bytes().decode("utf-8").split("\n")
    assert lines.pop() == ""
    return [json.loads(line) for line in lines]


def test_messages(store: Store, tmp_path: Path) -> None:
    finish(store, Conversation(SINGLE, 1, "came with"), Conversation(MULTI, 2))
    path = tmp_path / "out.jsonl"
    [exported] = export(store, path)
    assert (exported.rows, exported.skipped) == (2, 0)
    assert "😀 ".encode() in path.read_bytes()
    first, second = read(path)
    assert first == {
        "messages": [
            {"role": "system", "content": f"S1 {NASTY}"},
            {"role": "user", "content": NASTY},
            {"role": "assistant", "content": f"new {NASTY}"},
        ]
    }
    assert [m["role"] for m in second["messages"]] == ["system", *["user", "assistant"] * 3]
    assert sorted(p.name for p in tmp_path.iterdir() if p.suffix != ".wal") == [
        "out.jsonl",
        "s.duckdb",
    ]


def test_tool_turns_and_tools(store: Store, tmp_path: Path) -> None:
    finish(store, Conversation(TOOLS, 1, None, '[{"name": "f"}]'), Conversation(SINGLE, 2))
    path = tmp_path / "out.jsonl"
    export(store, path)
    with_tools, without = read(path)
    roles = [message["role"] for message in with_tools["messages"]]
    assert roles == ["system", "user", "assistant", "tool", "assistant"]
    assert with_tools["tools"] == '[{"name": "f"}]'
    assert without["tools"] == "[]"
    export(store, path, Wish("sharegpt"))
    spoken = [turn["from"] for turn in read(path)[0]["conversations"]]
    assert spoken == ["human", "function_call", "observation", "gpt"]


def test_sharegpt(store: Store, tmp_path: Path) -> None:
    finish(store, Conversation(SINGLE, 1))
    export(store, tmp_path / "out.jsonl", Wish("sharegpt"))
    assert read(tmp_path / "out.jsonl") == [
        {
            "conversations": [
                {"from": "human", "value": NASTY},
                {"from": "gpt", "value": f"new {NASTY}"},
            ],
            "system": f"S1 {NASTY}",
        }
    ]


def test_alpaca(store: Store, tmp_path: Path) -> None:
    odd = turns(("user", "q"), ("user", "again"), ("user", "q"), ("assistant", "a"))
    finish(
        store,
        Conversation(SINGLE, 1),
        Conversation(TOOLS, 2),
        Conversation(MULTI, 3),
        Conversation(odd, 4),
    )
    [exported] = export(store, tmp_path / "out.jsonl", Wish("alpaca"))
    assert (exported.rows, exported.skipped) == (2, 2)
    multi, single = read(tmp_path / "out.jsonl")  # a row with a history leads
    assert single == {
        "system": f"S1 {NASTY}",
        "instruction": NASTY,
        "input": "",
        "output": f"new {NASTY}",
        "history": [],
    }
    assert multi["history"] == [["q1", "a1"], ["q2", "a2"]]
    assert multi["instruction"] == "q3"


def test_variants(store: Store, tmp_path: Path) -> None:
    finish(store, Conversation(SINGLE, 1, "came with"), Conversation(SINGLE, 2))
    path = tmp_path / "out.jsonl"

    def said(variant: Any) -> list[list[str]]:
        export(store, path, Wish(variant=variant))
        return [
            [message["content"] for message in row["messages"] if message["role"] != "user"]
            for row in read(path)
        ]

    new = f"new {NASTY}"
    assert said("full") == [[f"S1 {NASTY}", new], [f"S2 {NASTY}", new]]
    assert said("system-only") == [[f"S1 {NASTY}", "old"], [f"S2 {NASTY}", "old"]]
    assert said("original") == [["came with", "old"], ["old"]]
    common = said("common")
    assert common == [[common[0][0], "old"]] * 2
    for format_ in FORMATS:
        rows = export(store, path, Wish(format_, "original"))[0].rows
        assert rows == (0 if format_ == "dpo" else 2)  # no preference between equal answers


@pytest.mark.parametrize("format_", FORMATS)
def test_parquet_says_the_same(store: Store, tmp_path: Path, format_: Any) -> None:
    finish(
        store, Conversation(SINGLE, 1), Conversation(MULTI, 2), Conversation(TOOLS, 3, None, "t")
    )
    export(store, tmp_path / "out.jsonl", Wish(format_))
    [counted] = export(store, tmp_path / "out.parquet", Wish(format_))
    result = duckdb.read_parquet(str(tmp_path / "out.parquet"))
    rows = [dict(zip(result.columns, values, strict=True)) for values in result.fetchall()]
    assert rows == read(tmp_path / "out.jsonl")
    assert len(rows) == counted.rows


def test_rows_stand_in_order(store: Store, tmp_path: Path) -> None:
    finish(store, *(Conversation(SINGLE, line) for line in range(1, 301)))
    export(store, tmp_path / "out.jsonl")
    heads = [row["messages"][0]["content"] for row in read(tmp_path / "out.jsonl")]
    assert heads == [f"S{n} {NASTY}" for n in range(1, 301)]


@pytest.mark.parametrize("ending", [".jsonl", ".parquet"])
@pytest.mark.parametrize("format_", FORMATS)
def test_no_rows_make_an_empty_file(
    store: Store, tmp_path: Path, ending: str, format_: Any
) -> None:
    path = tmp_path / f"out{ending}"
    path.write_text("an older export")
    assert export(store, path, Wish(format_))[0].rows == 0
    if ending == ".jsonl":
        assert path.read_bytes() == b""
    else:
        assert duckdb.read_parquet(str(path)).fetchall() == []


def test_what_cannot_be_written_is_said_first(store: Store, tmp_path: Path) -> None:
    for name, said in (
        ("out.txt", "ending"),
        ("no/out.jsonl", "folder .* does not exist"),
    ):
        with pytest.raises(UsageError, match=said):
            export(store, tmp_path / name)
    (tmp_path / "dir.jsonl").mkdir()
    with pytest.raises(UsageError, match="is a folder"):
        export(store, tmp_path / "dir.jsonl")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_is_closed(store: Store, tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o500)
    with pytest.raises(UsageError, match="cannot be written"):
        export(store, closed / "out.jsonl")


def test_odd_file_names(store: Store, tmp_path: Path) -> None:
    finish(store, Conversation(SINGLE, 1))
    path = tmp_path / 'it\'s "50%" é *.jsonl'
    assert export(store, path)[0].rows == 1
    assert len(read(path)) == 1
