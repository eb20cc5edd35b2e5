"""Inputs of public bug reports: what is usable in them, and why the rest is not."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest
from places import DATA

from sysgen_local.core.records import Conversation, Reject
from sysgen_local.sources import find, parse_map, read

CASES = DATA / "cases"


def records(path: Path, mapping: str | None = None) -> list[Conversation | Reject]:
    [source] = find([str(path)], mapping=parse_map(mapping) if mapping else None)
    return list(read(source))


@pytest.mark.parametrize(
    ("name", "mapping", "outline"),
    [
        ("06-*/nan_cells.jsonl", None, "ok ok ok ok"),
        ("06-*/calls.jsonl", None, "ok"),
        ("07-*/padded.jsonl", None, "ok ok ok"),
        ("09-*/databricks-dolly-15k.jsonl", None, "ok ok ok"),
        ("09-*/input_no_text.jsonl", None, "ok ok"),
        ("10-*/data.csv", None, "ok ok"),
        ("10-*/chats.jsonl", "messages=chat_log", "ok ok no_instruction not_text no_instruction"),
        ("12-*/pc.jsonl", None, "ok ok ok"),
        ("12-*/pref.jsonl", None, "ok"),
        ("14-*/calls.jsonl", None, "ok ok ok ok"),
        ("16-*/think.jsonl", None, "ok ok ok ok no_answer"),
        ("22-*/lima.jsonl", None, "ok ok ok no_answer"),
        ("22-*/ultrachat.jsonl", None, "ok ok"),
        ("22-*/ultrachat.jsonl", "messages=data", "ok ok"),
        ("23-*/numina.jsonl", None, "ok ok ok"),
        ("27-*/rows.jsonl", None, "ok ok ok ok"),
    ],
)
def test_what_is_usable(name, mapping, outline):
    [path] = CASES.glob(name)
    found = records(path, mapping)
    assert [getattr(record, "reason", "ok") for record in found] == outline.split()
    assert all(record.detail for record in found if isinstance(record, Reject))
    assert "NaN" not in str([record for record in found if isinstance(record, Conversation)])


def first(name: str) -> list[Conversation]:
    [path] = CASES.glob(name)
    return [record for record in records(path) if isinstance(record, Conversation)]


def test_what_the_rows_say(tmp_path, monkeypatch):
    dolly = first("09-*/databricks-dolly-15k.jsonl")
    assert "Mount Velk is 2,113 metres high" in dolly[0].turns[0].content
    assert dolly[2].turns[0].content == "How long do I boil an egg?"
    numbers = first("09-*/input_no_text.jsonl")
    assert [row.turns[0].content.split("\n\n")[1] for row in numbers] == [
        "42", '["pear", "apple", "fig"]'
    ]  # fmt: skip
    assert first("07-*/padded.jsonl")[1].turns[0].content == "Which bread keeps longest?"
    assert first("12-*/pc.jsonl")[1].system == "You bake."
    thoughts = [row.turns[1].thought for row in first("16-*/think.jsonl")]
    assert thoughts == ["They want a time. Firm yolk: seven. Soft: five."] * 4
    results = [row.result for row in first("23-*/numina.jsonl")]
    assert results == ["5", "proof", "notfound"]
    [make] = CASES.glob("15-*/tools.sql")
    monkeypatch.chdir(tmp_path)
    duckdb.execute(make.read_text())
    rows = records(tmp_path / "tools.parquet")
    assert rows[0].tools == (
        '[{"name": "weather", "since": "2024-05-01T10:00:00", "parameters": {"town": "string"}}]'
    )
    assert rows[1].tools.endswith('"parameters": {"price": 2.1}}]')
    assert rows[2].turns[1].content == (
        '{"name": "book", "arguments": {"at": "2024-06-01T19:30:00"}}'
    )
