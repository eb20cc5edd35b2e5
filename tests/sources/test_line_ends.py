"""Lines end in LF, in CR and LF, or in CR alone: the same rows, with the same numbers."""

from __future__ import annotations

import io
import json
import sys
from functools import partial
from pathlib import Path

import pytest

from sysgen_local.core.records import Reject
from sysgen_local.sources import find, read
from sysgen_local.sources.opening import with_line_ends

ROWS = [{"instruction": f"Q{n}\n\tand more", "output": "A \r B"} for n in range(4)]
LINES = [json.dumps(row) for row in ROWS]
CONTENTS = {
    "lines.jsonl": "\n".join([*LINES[:2], "", "{broken", LINES[2]]) + "\n",
    "indented.jsonl": "\n".join([LINES[0], json.dumps(ROWS[1], indent=2), "nothing", LINES[2]]),
    "all-indented.jsonl": "\n".join(json.dumps(row, indent=1) for row in ROWS),
    "list.json": json.dumps(ROWS, indent=2),
    "list-with-a-broken-row.json": "[\n" + ",\n".join([LINES[0], "{broken", LINES[1]]) + "\n]\n",
    "under-data.json": json.dumps({"data": ROWS}, indent=2),
    "lines.json": "\n".join(LINES),
    "table.csv": 'question,answer\n"Q,1",A\n\ntoo,many,columns\n"over\n""two"" lines",B\nQ,C\n',
    "open.csv": 'question,answer\nQ,A\n"Q,A\nQ,A\nQ,A\n',
    "table.tsv": 'question\tanswer\nQ\tA\n\ntoo few\n"over\ntwo"\tB\nQ"\tC\n',
}


def outcome(name: str | Path) -> list[tuple[int, str]]:
    [source] = find([str(name)])
    return [
        (r.line, f"{r.reason}: {r.detail}" if isinstance(r, Reject) else r.turns[0].content)
        for r in read(source)
    ]


def with_lf(found: list[tuple[int, str]]) -> list[tuple[int, str]]:
    return [(line, said.replace("\r\n", "\n").replace("\r", "\n")) for line, said in found]


@pytest.mark.parametrize("end", ["\r", "\r\n"])
@pytest.mark.parametrize("name", CONTENTS)
def test_the_rows_are_the_same(tmp_path, name, end):
    path = tmp_path / name
    path.write_bytes(CONTENTS[name].encode())
    expected = outcome(path)
    assert len(expected) > 2
    path.write_bytes(CONTENTS[name].replace("\n", end).encode())
    assert with_lf(outcome(path)) == expected


@pytest.mark.parametrize("name", ["lines.jsonl", "table.csv", "table.tsv"])
def test_piped_ones_are_known_by_what_they_begin_with(tmp_path, monkeypatch, name):
    path = tmp_path / name
    path.write_bytes(CONTENTS[name].replace("\n", "\r").encode())

    class Piped(io.TextIOWrapper):
        def isatty(self) -> bool:
            return False

    monkeypatch.setattr(sys, "stdin", Piped(io.BytesIO(path.read_bytes())))
    assert outcome("-") == outcome(path)


def test_a_cr_within_a_text_is_kept(tmp_path):
    path = tmp_path / "a.json"
    for text in ('{"instruction": "a\rb", "output": "c"}',
                 '[{"instruction": "a\rb", "output": "\\"\r{"}]'):  # fmt: skip
        path.write_bytes(text.encode())
        assert outcome(path) == [(1, "a\rb")]


@pytest.mark.parametrize("size", range((1 << 16) - 3, (1 << 16) + 4))
def test_a_line_may_end_where_a_piece_that_is_read_does(size):
    text = b"x" * size + b"\r\r" + b"y" * (1 << 20)
    for end in (b"\r\n", b"\n", b"\r"):
        data = text + end + b"z\r"
        with with_line_ends(partial(io.BytesIO, data))() as stream:
            assert stream.read() == data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
