"""JSON in every form in which rows come: the same rows, whatever stands around them."""

from __future__ import annotations

import io
import json
import math
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sysgen_local.core.errors import UsageError
from sysgen_local.core.records import Conversation, Reject
from sysgen_local.sources import find, read
from sysgen_local.sources.formats import document, json_text
from sysgen_local.sources.formats.record import Record
from sysgen_local.sources.formats.scanner import CHUNK, Scanner

ROWS = [
    {"instruction": "How long do I boil an egg?", "input": "", "output": "Seven minutes."},
    {"instruction": "Which bread keeps longest?", "input": "", "output": "Sourdough.", "n": 1.5},
    {"instruction": "Why do cats purr?", "input": "", "output": "They are content: é {[,]}."},
]
CHAT = {
    "messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello."}],
    "id": "c0",
}
ASKED = [row["instruction"] for row in ROWS]


def asked(path: Path, said: list[str] | None = None, **more) -> list[str]:
    """The user's first words in each row; the reason where it was rejected."""
    say = (said if said is not None else []).append
    [source] = find([str(path)], say=say, **more)
    return [
        f"{r.reason}: {r.detail}" if isinstance(r, Reject) else r.turns[0].content
        for r in read(source, say=say)
    ]


def dumped(value: object, **more) -> str:
    return json.dumps(value, ensure_ascii=False, **more)


LINES = [dumped(row) for row in ROWS]
INDENTED = [dumped(row, indent=2) for row in ROWS]
COLUMNS = {key: [row[key] for row in ROWS] for key in ("instruction", "input", "output")}
FORMS = {
    "lines": "\n".join(LINES),
    "a long first line": "\n".join([dumped({**ROWS[0], "more": "x" * 3_000_000}), *LINES[1:]]),
    "a long only line": dumped([{**ROWS[0], "more": "x" * 3_000_000}, *ROWS[1:]]),
    "list": dumped(ROWS),
    "list, indented": dumped(ROWS, indent=4),
    "list, a row a line": "[\n" + ",\n".join(LINES) + "\n]\n",
    "list with a comma too many": "[" + ",\n".join(LINES) + ",\n]",
    "commas in the rows": "[" + ",".join(line[:-1] + ", }" for line in LINES) + "]",
    "commas behind the lines": ",\n".join(LINES) + ",\n",
    "commas in the lines": "\n".join(line[:-1] + ",}" for line in LINES),
    "lists of rows in lines": f"[{LINES[0]}]\n[{LINES[1]}, {LINES[2]}]",
    "lists in a list": f"[[{LINES[0]}], [{LINES[1]}, {LINES[2]}]]",
    "lists in a list, indented": dumped([ROWS[:1], ROWS[1:]], indent=2),
    "lists in lists": dumped([[ROWS[:1], ROWS[1:2]], [ROWS[2:]]]),
    "lists in a list under data": dumped({"tags": ["x"], "data": [ROWS[:2], ROWS[2:]]}),
    "pairs": dumped([[row["instruction"], row["output"]] for row in ROWS]),
    "pairs, indented": dumped([[row["instruction"], row["output"]] for row in ROWS], indent=2),
    "pairs in lines": "\n".join(dumped([row["instruction"], row["output"]]) for row in ROWS),
    "a table under a header": dumped([["id", "Question", "answer"], *(
        [i, row["instruction"], row["output"]] for i, row in enumerate(ROWS))]),
    "a table under a header, in lines": "\n".join(map(dumped, [["question", "answer"], *(
        [row["instruction"], row["output"]] for row in ROWS)])),
    "lists of rows": f"[\n{LINES[0]}\n]\n[{LINES[1]},\n {LINES[2]}]",
    "indented": "\n".join(INDENTED),
    "indented by nothing": "\n".join(dumped(row, indent=0) for row in ROWS),
    "indented with commas": ",\n".join(INDENTED),
    "no line ends": "".join(LINES),
    "two in a line": f"{LINES[0]}{LINES[1]}\n{LINES[2]}",
    "under data": dumped({"version": 1, "data": ROWS}),
    "under data, behind a list": dumped({"languages": ["en", "de"], "data": ROWS}, indent=2),
    "under data, behind an object": dumped({"info": {"tags": ["a"], "n": 1}, "data": ROWS}),
    "under data, a row a line": '{"data": [\n' + ",\n".join(LINES) + "\n]}",
    "deep": dumped({"a": {"b": {"rows": ROWS}}, "tags": ["x"]}, indent=1),
    "before a list": dumped({"rows": ROWS, "languages": ["en", "de", "fr", "it"]}),
    "the viewer's": dumped({
        "features": [{"feature_idx": 0, "name": "instruction", "type": {"dtype": "string"}}],
        "rows": [{"row_idx": i, "row": row, "truncated_cells": []} for i, row in enumerate(ROWS)],
    }),
    "the viewer's, in lines": "\n".join(
        dumped({"row_idx": i, "row": row}) for i, row in enumerate(ROWS)
    ),
    "columns": dumped(COLUMNS),
    "columns under data": dumped({"name": "x", "data": COLUMNS}, indent=2),
    "columns by index": dumped({
        key: {str(i): cell for i, cell in enumerate(cells)} for key, cells in COLUMNS.items()
    }),
    "columns and cells apart": dumped({
        "columns": list(COLUMNS), "index": [0, 1, 2],
        "data": list(zip(*COLUMNS.values(), strict=True)),
    }, indent=2),
    "by index": dumped({str(i): row for i, row in enumerate(ROWS)}),
    "a table's schema": dumped({
        "schema": {"fields": [{"name": "instruction", "type": "string"}]}, "data": ROWS,
    }),
    "of the split train": dumped({"test": [ROWS[0]], "train": ROWS, "validation": ROWS[1:]}),
    "of the split train, by columns": dumped({
        "test": {key: cells[:1] for key, cells in COLUMNS.items()}, "train": COLUMNS,
    }),
    "capitals": "\n".join(dumped({"Instruction": r["instruction"], " Output ": "a"}) for r in ROWS),
    "not a number": dumped([{**row, "score": n} for row, n in zip(
        ROWS, (math.nan, math.inf, -math.inf), strict=True)]),
    "not a number, in lines": "\n".join(dumped({**row, "score": math.nan}) for row in ROWS),
    "long integers": dumped([{**row, "id": 2**64 * 10**i} for i, row in enumerate(ROWS)]),
    "very long integers": "[" + ",".join(line[:-1] + f', "id": {"9" * 5000}}}'
                                         for line in LINES) + "]",
    "very long integers, in lines": "\n".join(line[:-1] + f', "id": {"9" * 5000}}}'
                                              for line in LINES),
}  # fmt: skip


@pytest.mark.parametrize("name", ["rows.json", "rows.jsonl"])
@pytest.mark.parametrize("form", FORMS)
def test_the_rows_are_the_same_in_every_form(tmp_path, form, name):
    path = tmp_path / name
    path.write_text(FORMS[form], encoding="utf-8")
    assert asked(path) == ASKED


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("end", ["", "\n", "\n\n"])
@pytest.mark.parametrize("name", ["one.json", "one.jsonl"])
@pytest.mark.parametrize(
    "row",
    [CHAT, ROWS[0], {**ROWS[0], "history": []}, {**ROWS[0], "tags": ["a", "b"]},
     {**ROWS[0], "meta": {"list": [1, 2], "more": [{"a": "b"}]}},
     {"instruction": "Hi", "output": "Hello.", "history": [["a", "b"], ["c", "d"]]}],
)  # fmt: skip
def test_a_file_may_be_one_row(tmp_path, row, name, end, indent):
    path = tmp_path / name
    path.write_text(dumped(row, indent=indent) + end)
    [source] = find([str(path)])
    [found] = read(source)
    assert isinstance(found, Conversation)


def test_a_list_of_turns_is_one_row(tmp_path):
    path = tmp_path / "a.json"
    path.write_text(dumped(CHAT["messages"], indent=1))
    [record] = json_text.rows(
        lambda: path.open("rb"), by_line=False, mapping=None, split=None, path="", say=print
    )
    assert record == Record(1, CHAT["messages"], path.read_text())


def test_pairs_are_rows_in_a_list_and_turns_in_a_line(tmp_path):
    pairs = [{"input": "a", "output": "b"}, {"input": "c", "output": "d"}]
    path = tmp_path / "a.json"
    for text, expected in (
        (dumped(pairs), pairs),
        ("\n".join([dumped(pairs)] * 2), [pairs, pairs]),
    ):
        path.write_text(text)
        found = json_text.rows(
            lambda: path.open("rb"), by_line=False, mapping=None, split=None, path="", say=print
        )
        assert [record.row for record in found] == expected


@pytest.mark.parametrize("row", [{"instruction": "No answer."}, {"a": 1}, {"messages": [{"x": 1}]}])
@pytest.mark.parametrize("more", [{}, {"languages": ["en"]}, {"info": {"n": [1, 2]}}])
def test_rows_that_cannot_be_used_are_counted_all_the_same(tmp_path, row, more):
    path = tmp_path / "a.json"
    for at in ({"data": [row] * 30}, {"rows": [row] * 30}, {"x": {"train": [row] * 30}}):
        path.write_text(dumped({**more, **at}, indent=1))
        assert len(asked(path)) == 30


def test_an_object_without_rows_is_one_reject_and_an_empty_one_is_none(tmp_path):
    path = tmp_path / "a.json"
    path.write_text(dumped({"languages": ["en"], "version": 1}))
    assert asked(path) == ["unknown_shape: its keys are languages, version"]
    path.write_text(dumped({"version": 1, "data": []}))
    assert asked(path) == []


@pytest.mark.parametrize("name", ["a.json", "a.jsonl"])
def test_of_several_splits_the_one_asked_for_is_read(tmp_path, name):
    path = tmp_path / name
    path.write_text(dumped({"train": ROWS[:1], "test": ROWS[1:2], "validation": ROWS[2:]}))
    said: list[str] = []
    assert asked(path, said) == ASKED[:1]
    assert "train" in said[0]
    assert "test" in said[0]
    for split, expected in (("train", 0), ("test", 1), ("validation", 2), ("val", 2)):
        assert asked(path, split=split) == ASKED[expected : expected + 1]
    with pytest.raises(UsageError, match="split nothing"):
        asked(path, split="nothing")


def test_test_is_never_read_without_a_word(tmp_path):
    path = tmp_path / "a.json"
    path.write_text(dumped({"test": ROWS}))
    said: list[str] = []
    assert asked(path, said) == ASKED
    assert "the split test" in said[0]
    path.write_text(dumped({"test": ROWS, "validation": ROWS}))
    with pytest.raises(UsageError, match="rows under test, validation"):
        asked(path)


def test_another_split_is_another_source(tmp_path):
    path = tmp_path / "a.json"
    path.write_text(dumped({"train": ROWS[:1], "test": ROWS[1:2]}))
    sources = [find([str(path)], split=split)[0] for split in (None, "train", "test")]
    assert [(s.path, s.fingerprint) for s in sources[:1]] == [
        (s.path, s.fingerprint) for s in sources[1:2]
    ]
    assert sources[2].path == f"{path} [test]"
    assert sources[2].fingerprint != sources[0].fingerprint


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("turns", [
    CHAT["messages"], [["Hi", "Hello."], ["And?", "No."]], [{"human": "Hi", "assistant": "Hello."}],
])  # fmt: skip
def test_a_list_of_lists_of_turns_is_a_row_each(tmp_path, turns, indent):
    path = tmp_path / "a.json"
    path.write_text(dumped([turns] * 3, indent=indent))
    assert asked(path) == ["Hi"] * 3
    path.write_text("\n".join([dumped(turns)] * 3))
    assert asked(path) == ["Hi"] * 3


def test_one_pair_is_one_row_and_a_short_list_under_a_header_is_named(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text(dumped(["Hi", "Hello."]))
    assert asked(path) == ["Hi"]
    path.write_text(dumped([["question", "answer", "n"], ["Hi", "Hello.", 1], ["Hi"], ROWS[0]]))
    assert asked(path) == ["Hi", "bad_row: 1 columns under a header of 3", ASKED[0]]


def test_texts_in_an_object_are_no_rows(tmp_path):
    path = tmp_path / "a.json"
    path.write_text(dumped({"languages": [["en", "English"], ["de", "German"]], "data": ROWS}))
    assert asked(path) == ASKED


BROKEN = {
    # What stands in the place of the second of three rows, and what it is called.
    "an unknown word": (b'{"instruction": "Q", "output": nothing}', "bad_json"),
    "a bracket too many": (b'{"instruction": "Q"}}', ("bad_json", "no_answer")),
    "an open text": (b'{"instruction": "Q, "output": "A"}', "bad_json"),
    "latin-1": (b'{"instruction": "Gr\xfc\xdfe", "output": "A"}', "bad_encoding"),
    "nothing": (b"{", "bad_json"),
    "depth": (b"[" * 100_000, "bad_json"),
    "an escape": (b'{"instruction": "\\q", "output": "A"}', "bad_json"),
}


@pytest.mark.parametrize("form", ["list", "indented", "lines", "under data"])
@pytest.mark.parametrize("broken", BROKEN)
def test_a_broken_row_takes_no_other_with_it(tmp_path, broken, form):
    first, last = [LINES[0], LINES[2]] if form != "indented" else [INDENTED[0], INDENTED[2]]
    rows = [first.encode(), BROKEN[broken][0], last.encode()]
    content = {
        "list": b"[" + b",\n".join(rows) + b"]",
        "under data": b'{"data": [\n' + b",\n".join(rows) + b'\n], "more": ["a"]}',
    }.get(form, b"\n".join(rows))
    path = tmp_path / ("a.json" if form in ("list", "under data") else "a.jsonl")
    path.write_bytes(content)
    found = asked(path)
    assert [found[0], found[-1]] == [ASKED[0], ASKED[2]]
    [middle] = found[1:-1]
    assert middle.startswith(BROKEN[broken][1])


def test_a_file_that_is_cut_off_says_so_behind_its_rows(tmp_path):
    path = tmp_path / "a.json"
    for whole in (dumped(ROWS), dumped(ROWS, indent=2), dumped({"data": ROWS}, indent=2)):
        path.write_text(whole[: whole.index("purr")])
        *rows, last = asked(path)
        assert rows == ASKED[:2]
        assert last.startswith("bad_json")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@pytest.mark.e2e  # hundreds of examples take seconds
@settings(max_examples=100, deadline=None)
@given(values=st.lists(JSON), indent=st.sampled_from([None, 0, 3]), ascii_=st.booleans())
def test_a_list_is_taken_apart_as_json_does(values, indent, ascii_):
    text = json.dumps(values, indent=indent, ensure_ascii=ascii_)
    data = text.encode("utf-8", "surrogatepass")
    found = list(document.elements(Scanner(io.BytesIO(data))))
    if b"\xed" not in data:  # half a surrogate pair is no UTF-8
        assert [record.row for record in found] == json.loads(text)
    assert len(found) == len(values)


@pytest.mark.parametrize("around", range(-14, 3))
def test_a_value_may_end_anywhere_in_what_is_read_at_once(around):
    tail = '{"a": "\\ud83d\\ude00é", "b": [-12.5e-3, true, NaN, -Infinity, 123456789012345678901]}'
    data = f'[{" " * (CHUNK + around - len(tail))}{tail}, 12345, "x"]'.encode()
    rows = [record.row for record in document.lists(Scanner(io.BytesIO(data)))]
    assert rows[1:] == [12345, "x"]
    assert rows[0]["b"][-1] == 123456789012345678901


def test_a_row_that_the_viewer_has_cut_is_no_row(tmp_path):
    path = tmp_path / "a.json"
    rows = [{"row_idx": n, "row": row, "truncated_cells": []} for n, row in enumerate(ROWS)]
    rows[1]["truncated_cells"] = ["output"]
    path.write_text(dumped({"features": [], "rows": rows}))
    assert [line for line in asked(path) if line.startswith("cut_short")] == [
        "cut_short: the viewer has cut output"
    ]
    assert len(asked(path)) == len(ROWS)


@pytest.mark.parametrize("text", ['{"messages": []}', '{"id": 4, "conversations": []}'])
def test_a_conversation_without_turns_is_a_reject(tmp_path: Path, text: str) -> None:
    (tmp_path / "one.json").write_text(text)
    (source,) = find([str(tmp_path / "one.json")])
    (reject,) = read(source)
    assert isinstance(reject, Reject)
    assert reject.raw == text
