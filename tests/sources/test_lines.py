"""JSON Lines as they come: rows over several lines among others, broken ones, raw line ends."""

from __future__ import annotations

import io
import json
import random
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sysgen_local.core.records import Reject
from sysgen_local.sources.formats.lines import lines
from sysgen_local.sources.formats.record import Record, text_of

ROWS = [
    {"instruction": "How long do I boil an egg?", "output": "Seven {minutes}."},
    {"messages": [{"role": "user", "content": 'Hi ["]'}, {"role": "assistant", "content": "é"}]},
    {"instruction": "Why?", "output": "So.", "history": [["a", "b"], ["c", "d"]]},
    {"query": "Q", "response": "A", "meta": {"n": [1, 2.5, None], "more": {"a": {}}}},
]


def found(text: str | bytes) -> list[Record | Reject]:
    data = text.encode() if isinstance(text, str) else text
    return list(lines(io.BytesIO(data)))


def outline(text: str | bytes) -> list[tuple[int, object]]:
    """Line and row of each; the reason where it was rejected."""
    return [(of.line, of.reason if isinstance(of, Reject) else of.row) for of in found(text)]


def numbered(texts: list[str]) -> list[int]:
    """The line in which each of the texts begins."""
    return [1 + sum(text.count("\n") + 1 for text in texts[:n]) for n in range(len(texts))]


FORM = st.sampled_from([None, 0, 1, 2, 4, "\t"])


@settings(max_examples=200, deadline=None)
@given(picked=st.lists(st.tuples(st.sampled_from(ROWS), FORM), min_size=1, max_size=7),
       ends=st.sampled_from(["", ",", "\r", "\n", "\n\n"]))  # fmt: skip
def test_rows_in_a_line_and_indented_ones_are_all_read(picked, ends):
    texts = [json.dumps(row, indent=form) + ends for row, form in picked]
    wanted = list(zip(numbered(texts), [row for row, _ in picked], strict=True))
    assert outline("\n".join(texts)) == wanted


BAD = ['"output": nothing', '"output": "a" "b"', '"output" "a"', '"output": "\\q"', '"output": [}']


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("indent", ["  ", "\t"])
def test_an_indented_row_with_an_error_is_one_reject_with_its_lines(bad, indent):
    broken = f'{{\n{indent}"instruction": "Q",\n{indent}{bad}\n}}'
    whole = [json.dumps(ROWS[0]), json.dumps(ROWS[1], indent=2), broken,
             json.dumps(ROWS[2]), broken, broken, json.dumps(ROWS[3], indent=2)]  # fmt: skip
    at = numbered(whole)
    records = found("\n".join(whole))
    assert [of.line for of in records] == at
    rejects = [of for of in records if isinstance(of, Reject)]
    assert [of.line for of in rejects] == [at[2], at[4], at[5]]
    for of in rejects:
        assert of.detail.startswith(f"lines {of.line} to {of.line + 3}: ")
        assert f"in line {of.line + 2}" in of.detail
        assert of.raw == broken


@pytest.mark.parametrize(
    "broken", ['{"instruction": "Q', '{"instruction": "Q"', '{"instruction":', "{", '[{"a": ',
               '{"a": [', '{"a": {"b": 1}', '{"instruction": "Q", "output": "A',
               '{"instruction": "Q, "output": "A"}', "nonsense", '{"a": 1]'],
)  # fmt: skip
@pytest.mark.parametrize("form", [None, 2])
def test_a_line_that_is_cut_takes_no_row_with_it(broken, form):
    whole = [json.dumps(ROWS[0]), broken, *(json.dumps(row, indent=form) for row in ROWS * 5)]
    wanted = [ROWS[0], "bad_json", *ROWS * 5]
    assert outline("\n".join(whole)) == list(zip(numbered(whole), wanted, strict=True))


WRITTEN = {"\\": "\\\\", "t": "\t", "n": "\n", "u0000": "\0", "u001f": "\x1f"}
RAW = st.text(st.sampled_from('ab "\\{}[],:\t\n\r\x00\x1fé'), max_size=20)


@settings(max_examples=300, deadline=None)
@given(table=st.lists(st.tuples(RAW, RAW), min_size=1, max_size=5))
def test_tabs_and_line_ends_that_are_not_written_as_escapes_are_read(table):
    """As `json.loads(strict=False)` reads them, with no row taken for another."""
    rows = [{"instruction": f"Q{a}", "output": f"A{b}"} for a, b in table]
    texts = [
        re.sub(r"\\(\\|t|n|u0000|u001f)", lambda found: WRITTEN[found[1]], json.dumps(row))
        for row in rows
    ]
    assert [json.loads(text, strict=False) for text in texts] == rows
    assert outline("\n".join(texts)) == list(zip(numbered(texts), rows, strict=True))


def test_every_line_of_a_mixture_is_in_a_row_or_named():
    rng = random.Random(3)
    for _ in range(200):
        whole = [json.dumps(rng.choice(ROWS), indent=rng.choice([None, 2])) for _ in range(6)]
        text = "\n".join(whole)
        for _ in range(rng.randint(0, 3)):
            at = rng.randrange(len(text))
            text = text[:at] + rng.choice(["", '"', "{", "}", "\n", "x"]) + text[at + 1 :]
        held: list[int] = []
        for of in found(text):
            size = text_of(of.raw).count("\n") + 1
            held += range(of.line, of.line + size)
        wanted = [n for n, line in enumerate(text.split("\n"), 1) if line.strip()]
        assert set(wanted) <= set(held)


def test_many_lines_that_are_cut_take_no_more_time_than_others():
    text = "\n".join([json.dumps(ROWS[0])[:-1], json.dumps(ROWS[0])] * 10_000)
    assert [of.line for of in found(text)] == list(range(1, 20_001))
