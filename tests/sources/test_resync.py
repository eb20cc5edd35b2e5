"""A broken element of a list takes no other with it, wherever the elements stand."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sysgen_local.core.records import Reject
from sysgen_local.sources import find, read
from sysgen_local.sources.formats import document
from sysgen_local.sources.formats.record import RAW
from sysgen_local.sources.formats.scanner import CHUNK, Scanner

PAIR = {"instruction": "Name {a} fruit, [please].", "output": 'A "pear", or {"x": ["y"]}.'}
CHAT = {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "A}."}],
        "tags": [["a"], {"role": "x"}]}  # fmt: skip
BROKEN = {
    "a word": '{"instruction": "Q", "output": nothing}',
    "no colon": '{"instruction": "Q", "output" "A"}',
    "no comma": '{"instruction": "Q" "output": "A"}',
    "two commas": '{"instruction": "Q",, "output": "A"}',
    "an escape": '{"instruction": "\\q", "output": "A"}',
    "no key": '{"instruction": "Q", : "A"}',
    "single marks": "{'instruction': 'Q', 'output': 'A'}",
    "no marks": "{instruction: Q, output: A}",
    "marks within a text": '{"instruction": "Say "yes".", "output": "A"}',
    "a mark too few": '{"instruction": "Q, "output": "A"}',
    "a mark too few at the end": '{"instruction": "Q", "output": "A}',
    "no bracket behind it": '{"instruction": "Q", "output": "A"',
    "a list that is open": '{"instruction": "Q", "output": ["A", "B"}',
    "a bracket too few": '{"instruction": "Q", "meta": {"n": 1, "output": "A"}',
    "another bracket": '{"instruction": "Q", "output": "A"]}',
    "a comment": '{"instruction": "Q", /* why */ "output": "A"}',
    "a number": '{"instruction": "Q", "n": 01, "output": "A"}',
    "in a turn": '{"instruction": [{"role": "user", "content": no}, {"role": "x"}]}',
}
"""How a row is broken, of which nothing but its end is to be found."""


def rows(text: str) -> list[object]:
    """Of a list, or of several: each row, and the own text of each reject."""
    found = list(document.lists(Scanner(io.BytesIO(text.encode()))))
    assert [of.line for of in found] == list(range(1, len(found) + 1))
    return [of.raw if isinstance(of, Reject) else of.row for of in found]


@pytest.mark.parametrize("between", [", ", ",", ",\n", " ,\n  "])
@pytest.mark.parametrize("broken", BROKEN)
def test_elements_behind_a_broken_one_are_read(broken, between):
    bad = BROKEN[broken]
    for around in (PAIR, {"instruction": [CHAT], "output": CHAT}):
        good = json.dumps(around)
        for texts, wanted in (
            ([good, bad, good, good], [around, bad, around, around]),
            ([bad, good], [bad, around]),
            ([good, bad, bad, good], [around, bad, bad, around]),
        ):
            assert rows(f"[{between.join(texts)}]") == wanted


@pytest.mark.parametrize("broken", [key for key in BROKEN if "mark too few" not in key])
def test_the_list_goes_on_to_its_end(broken):
    """And what stands behind the list is no part of it."""
    good = json.dumps(PAIR)
    text = f"[{good}, {BROKEN[broken]}]\n[{good}]"
    assert rows(text) == [PAIR, BROKEN[broken], PAIR]


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from([PAIR, CHAT, None]), min_size=2, max_size=8),
       st.sampled_from(["a word", "no colon", "single marks", "another bracket"]))  # fmt: skip
def test_where_the_brackets_are_even_rows_may_be_of_any_keys(picked, broken):
    bad = BROKEN[broken]
    texts = [bad if of is None else json.dumps(of) for of in picked]
    assert rows(f"[{', '.join(texts)}]") == [bad if of is None else of for of in picked]


@pytest.mark.parametrize("size", [CHUNK - 30, CHUNK, 5 * CHUNK])
def test_a_long_row_that_is_broken_is_passed_over(size):
    bad = BROKEN["a word"].replace("Q", "x" * size)
    assert rows(f"[{bad}, {json.dumps(PAIR)}]") == [bad[:RAW], PAIR]


def outcome(path: Path) -> list[tuple[int, str]]:
    [source] = find([str(path)])
    return [(of.line, of.reason if isinstance(of, Reject) else "ok") for of in read(source)]


@pytest.mark.parametrize("name", ["a.json", "a.jsonl"])
@pytest.mark.parametrize("where", ["[{}]", '{{"data": [{}]}}', '{{"x": 1, "rows": [{}], "y": []}}'])
@pytest.mark.parametrize("at", [0, 1, 2])
def test_in_a_file_of_a_single_line(tmp_path, where, name, at):
    texts = [json.dumps(PAIR)] * 3
    texts[at] = BROKEN["a word"]
    path = tmp_path / name
    path.write_text(where.format(", ".join(texts)))
    assert outcome(path) == [(n + 1, "bad_json" if n == at else "ok") for n in range(3)]


def test_in_lists_that_stand_in_lines(tmp_path):
    good, bad = json.dumps(PAIR), BROKEN["no comma"]
    turns = json.dumps(CHAT["messages"])
    path = tmp_path / "a.jsonl"
    path.write_text("\n".join([
        good, f"[{good}, {bad}, {good}]", f"[{bad}, {good}]", f"{good}{bad}{good}", good,
        turns, turns.replace('"assistant"', "assistant"),
    ]))  # fmt: skip
    assert outcome(path) == [
        (1, "ok"), (2, "ok"), (2, "bad_json"), (2, "ok"), (3, "bad_json"), (3, "ok"),
        (4, "ok"), (4, "bad_json"), (4, "ok"), (5, "ok"), (6, "ok"), (7, "bad_json"),
    ]  # fmt: skip
    [source] = find([str(path)])
    details = {of.line: of.detail for of in read(source) if isinstance(of, Reject)}
    assert all("in line" not in details[n] or f"in line {n}" in details[n] for n in (2, 3, 4))


def test_what_cannot_be_read_is_said():
    """No mark, bracket or line tells where the next row begins."""
    text = f'[{json.dumps(PAIR)}, {{"instruction": "Q, "x": "A", "y": "B"}}, {{"query": "Q"}}]'
    found = list(document.lists(Scanner(io.BytesIO(text.encode()))))
    assert isinstance(found[-1], Reject)
    assert found[-1].detail.endswith("nothing behind it could be read")
    assert '{"query": "Q"}' in found[-1].raw
