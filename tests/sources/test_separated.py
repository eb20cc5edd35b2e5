"""CSV and TSV as Excel, pandas and plain tools write them; no line is lost without a word."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sysgen_local.core.records import Conversation, Reject
from sysgen_local.sources import find, read
from sysgen_local.sources.formats.record import Record
from sysgen_local.sources.formats.separated import rows


def records(content: str | bytes, separator: str = ",") -> list[Record | Reject]:
    data = content.encode() if isinstance(content, str) else content
    return list(rows(io.BufferedReader(io.BytesIO(data)), separator))


def cells_of(record: Record) -> list[str]:
    assert isinstance(record.row, dict)
    return list(record.row.values())


def cells(content: str | bytes, separator: str = ",") -> list[list[str] | str]:
    """The cells of each row; the reason where it was rejected."""
    return [r.reason if isinstance(r, Reject) else cells_of(r) for r in records(content, separator)]


def outcome(path: Path, **more) -> list[str]:
    [source] = find([str(path)], **more)
    return [r.reason if isinstance(r, Reject) else r.turns[0].content for r in read(source)]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("question;answer\na;b\n", [["a", "b"]]),
        ("question|answer\na|b,c\n", [["a", "b,c"]]),
        ("question\tanswer\na\tb,c\n", [["a", "b,c"]]),
        ("sep=;\nquestion;answer\na;b", [["a", "b"]]),
        ("\ufeffquestion,answer\na,b", [["a", "b"]]),
        ('question, answer\na, "b, c"\n', [["a", "b, c"]]),
        ("question,answer\ra,b\rc,d", [["a", "b"], ["c", "d"]]),
        (
            "question,answer,,\na,b,,\nc,d\ne,f,,,,\n",
            [["a", "b", "", ""], "bad_row", ["e", "f", "", ""]],
        ),
        ('"question","answer"\n"a\r\nb","c ""d"""\n', [["a\r\nb", 'c "d"']]),
        ('question,answer\n"He said "hi" to me",b\n', [['He said "hi" to me', "b"]]),
        ('question,answer\n"Why" is short,b\n', [['"Why" is short', "b"]]),
        ('question,answer\n5" and 6",b\n', [['5" and 6"', "b"]]),
    ],
)
def test_what_excel_and_others_write(content, expected):
    assert cells(content) == expected


def test_the_header_is_found_under_blanks_and_capitals(tmp_path):
    path = tmp_path / "a.csv"
    for header in (
        "Query,Answer",
        "question, answer",
        "INSTRUCTION ,Output",
        "\ufeffPrompt;Response",
    ):
        path.write_text(f"{header}\nName a tree.{';' if ';' in header else ','}Elm.\n")
        assert outcome(path) == ["Name a tree."]
    path.write_text("My Query,My Answer\nName a tree.,Elm.\n")
    mapping = {"instruction": "My Query", "answer": "My Answer"}
    assert outcome(path, mapping=mapping) == ["Name a tree."]


def test_a_name_that_comes_again_is_numbered():
    [record] = records("question,answer,answer\na,b,c")
    assert record.row == {"question": "a", "answer": "b", "answer.1": "c"}


@pytest.mark.parametrize("opened", ['"b.,c', 'b.,"c', '"b.', '"b ""x"".,c'])
def test_a_mark_that_is_never_closed_takes_no_line_with_it(opened):
    lines = ["question,answer", "a,A", opened, *(f"q{n},A{n}" for n in range(50))]
    found = records("\n".join(lines))
    assert len(found) == len(lines) - 1
    assert found[1].line == 3
    assert "line 3 is never closed: lines 3 to 53" in found[1].detail
    assert found[1].raw == opened
    assert all(isinstance(record, Record) for record in [found[0], *found[2:]])


def test_nor_one_that_another_mark_seems_to_close():
    lines = ["question,answer", '"b.,c', *(f"q{n},A{n}" for n in range(20)), '"x, y",z', "a,A"]
    found = records("\n".join(lines))
    assert [r.line for r in found if isinstance(r, Reject)] == [2]
    assert len(found) == len(lines) - 1
    lines[-2] = 'x,5"'
    found = records("\n".join(lines))
    assert 2 in [r.line for r in found if isinstance(r, Reject)]
    assert len(found) == len(lines) - 1


ASKED = ["How long is a foot?,12 inches", "Name a tree.,An elm", "What is ice?,Frozen water"]


@pytest.mark.parametrize("between", [0, 1, 2])
@pytest.mark.parametrize(
    ("opened", "closed"),
    [
        ('"Name a fruit.,A pear', 'How wide is it?,5"'),  # one column, where there are two
        ('Name a fruit.,"A pear', '5" or 6",How wide is it?'),
        ('Name a fruit.,"A pear', 'How wide is it?,5"'),  # as many columns as there are
        ('"Name a fruit.,A pear', 'How wide is 5",As two thumbs'),
        ('Name a fruit,"A pear', 'Say how wide it is,About 5"'),
    ],
)
def test_a_mark_that_another_closes_some_lines_below_melts_no_rows(opened, closed, between):
    lines = ["question,answer", "a,A", opened, *ASKED[:between], closed, "b,B"]
    found = records("\n".join(lines))
    assert [r.line for r in found] == list(range(2, len(lines) + 1))
    assert isinstance(found[1], Reject)
    assert found[1].raw == opened
    wanted = [line.split(",") for line in [*ASKED[:between], "b,B"]]
    given = [cells_of(r) for r in found[2:] if isinstance(r, Record)]
    assert [row for row in given if row in wanted] == wanted


def test_marks_that_nobody_doubles_tell_that_others_were_not_meant_either():
    lines = ["question,answer", '5" and 6",b', 'c,"d', "e,f", 'g,h"', "i,j"]
    assert [r.line for r in records("\n".join(lines))] == [2, 3, 4, 5, 6]
    assert cells("\n".join(lines[:1] + lines[2:])) == [["c", "d\ne,f\ng,h"], ["i", "j"]]


POEM = "Roses are red, they say,\nviolets are blue, I think,\nand sugar, of course, is sweet"
CODE = "def add(a,b):\n    return a+b\n\nprint(add(1,2))\nprint(add(3,4),end='')"
DRINKS = "I like tea,but not coffee\nyou like coffee,but not tea\nthey like 1,000 things"


@pytest.mark.parametrize("text", [
    POEM, CODE, DRINKS, "x = 5\nprint(x,y)", "Two:\n1,5\n2,5", "a\nb", "She said:\n\"Go, now.\"",
    "1. Tea, hot\n2. Coffee, cold", "Dear Sir,\nI am well,\nyours,\nAda", "你好,世界\n再见,世界",
    "SELECT a,b\nFROM t", "f(A,B)\ng(A.,B.)", "The end.\n\"Well,\" she said.\nThe end.",
])  # fmt: skip
@pytest.mark.parametrize("quoting", [csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
def test_a_cell_of_several_lines_is_one_cell(text, quoting):
    for width in (2, 3, 4):
        for column in range(width):
            table = [[f"q{n}" for n in range(width)] for _ in range(3)]
            table[1][column] = text
            out = io.StringIO(newline="")
            writer = csv.writer(out, quoting=quoting, lineterminator="\n")
            writer.writerows([[f"name{n}" for n in range(width)], *table])
            assert cells(out.getvalue()) == table


def test_rows_behind_a_mark_that_is_never_closed_come_before_the_end(tmp_path):
    """Not even where it is the first of very many lines."""
    text = 'question,answer\n"b.,c\n' + "".join(f"q{n},A{n}\n" for n in range(30_000))
    found = records(text)
    assert len(found) == 30_001
    assert [r.line for r in found if isinstance(r, Reject)] == [2]


TEXT = st.text(st.sampled_from("ab\"',;| é\n\t"), max_size=12)
CELLS = st.text(st.sampled_from('ab",\n'), max_size=9)


@pytest.mark.e2e  # 300 examples take seconds
@settings(max_examples=300, deadline=None)
@example(table=[("\na,a\n", "a\na,a\n")], quoting=0)
@example(table=[("\na,a\na", '"\na,a\n')], quoting=0)
@given(table=st.lists(st.tuples(CELLS, CELLS), max_size=6), quoting=st.sampled_from([0, 1]))
def test_cells_of_many_lines_come_back_as_csv_reads_them(table, quoting):
    out = io.StringIO(newline="")
    writer = csv.writer(out, quoting=quoting, lineterminator="\n")
    writer.writerows([["question", "answer"], *table])
    _, *expected = csv.reader(io.StringIO(out.getvalue(), newline=""))
    assert cells(out.getvalue()) == [row for row in expected if row]


@settings(max_examples=200, deadline=None)
@given(
    table=st.lists(st.tuples(TEXT, TEXT, TEXT), max_size=6),
    separator=st.sampled_from(",;|"),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    end=st.sampled_from(["\n", "\r\n"]),
)
def test_what_is_quoted_as_it_should_be_comes_back(table, separator, quoting, end):
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=separator, quoting=quoting, lineterminator=end)
    writer.writerow(["instruction", "output", "more"])
    writer.writerows(table)
    assert cells(text.getvalue()) == [list(row) for row in table]


MARKED = st.text(st.sampled_from('ab",; é'), min_size=1, max_size=8).filter(str.strip)


@settings(max_examples=200, deadline=None)
@given(table=st.lists(st.tuples(MARKED, MARKED), max_size=8))
def test_a_tsv_line_is_a_row_whatever_marks_are_in_it(table):
    text = "question\tanswer\n" + "".join("\t".join(row) + "\n" for row in table)
    found = records(text, "\t")
    assert [record.line for record in found] == list(range(2, len(table) + 2))
    for record, row in zip(found, table, strict=True):
        for cell, written in zip(record.row.values(), row, strict=True):
            doubled = written[1:-1].replace('""', '"')
            assert cell in (written, doubled)


@settings(max_examples=200, deadline=None)
@given(lines=st.lists(st.text(st.sampled_from('ab"\t,'), min_size=1, max_size=10), max_size=8))
def test_every_line_is_in_a_row_or_named(lines):
    for separator in "\t,":
        found = records("q\tw\n".replace("\t", separator) + "\n".join(lines), separator)
        named = {record.line for record in found}
        within = set()
        for record in found:
            raw = record.raw.decode() if isinstance(record.raw, bytes) else record.raw or ""
            size = raw.rstrip("\n").count("\n")
            within |= set(range(record.line + 1, record.line + 1 + size))
        assert not named & within
        assert named | within == set(range(2, len(lines) + 2))


@pytest.mark.parametrize("mark", ['"Stop is short.', 'Stop" is short.', '"Stop" is short', '"'])
@pytest.mark.parametrize("column", [0, 1])
def test_a_mark_in_a_long_tsv_file_is_text(mark, column):
    table = [[f"q{n}", f"a{n}"] for n in range(1000)]
    table[500][column] = mark
    text = "question\tanswer\n" + "".join("\t".join(row) + "\n" for row in table)
    assert cells(text, "\t") == table


@pytest.mark.parametrize("row", [["a\nb", "c"], ["a", "b\nc\nd"], ['say "a"\n\tb', "c\td"]])
def test_pandas_quotes_in_tsv_what_goes_over_several_lines(row):
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter="\t", lineterminator="\n")
    writer.writerows([["question", "answer"], ["x", "y"], row, ["x", "y"]])
    assert cells(text.getvalue(), "\t") == [["x", "y"], row, ["x", "y"]]


def test_windows_1252_is_offered_and_read(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(
        "question,answer\nName a fruit.,Pear.\nWo liegt Köln?,„Am“ Rhein\n".encode("cp1252")
    )
    [source] = find([str(path)])
    good, bad = read(source)
    assert isinstance(good, Conversation)
    assert (bad.line, bad.reason) == (3, "bad_encoding")
    assert "--encoding cp1252" in bad.detail
    assert outcome(path, encoding="cp1252") == ["Name a fruit.", "Wo liegt Köln?"]
    path.write_bytes("question\tanswer\nKöln?\tRhein\n".encode("utf-16"))
    assert outcome(path) == ["bad_encoding"]
    assert outcome(path, encoding="utf-16") == ["Köln?"]
