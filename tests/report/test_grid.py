"""Tables fit the terminal: no number is broken at 80 columns, and nothing is cut off."""

from __future__ import annotations

import io

import pytest
from filled import fill

from sysgen_local.core import terminal
from sysgen_local.core.records import Conversation, Source, Turn
from sysgen_local.report.grid import Table, new_table
from sysgen_local.report.tables import tables
from sysgen_local.store import Store

LONG = "a-dataset-with-quite-a-long-name-of-the-instruction-tuning-kind-v2"
HEADINGS = ("dataset", "new better", "95 %", "won", "lost", "first chosen", "aligned", "rating")
NUMBERS = ("100.0%", "57% to 100%", "5", "0", "50.0%", "100.0% of 3", "4.94")


def drawn(table, width):
    screen = io.StringIO()
    terminal.console(screen, width=width).print(table)
    return screen.getvalue().splitlines()


@pytest.mark.parametrize("width", [80, 100, 200])
def test_numbers_and_words_of_headings_stay_whole(width):
    lines = drawn(Table("judged", HEADINGS, ((LONG, *NUMBERS), ("all", *NUMBERS))).rich(), width)
    assert max(map(len, lines)) <= width
    row = next(line for line in lines if "all" in line)
    for number in NUMBERS:
        assert number in row
    for word in " ".join(HEADINGS).split():
        assert any(word in line for line in lines)
    plain = "".join(line.split("100.0%")[0] for line in lines)
    assert LONG in plain.replace(" ", "").replace("│", "")


def test_a_table_that_fits_keeps_its_lines():
    lines = drawn(Table("judged", HEADINGS, (("all", *NUMBERS),)).rich(), 100)
    assert lines[1].startswith("┏")


@pytest.mark.parametrize("width", [20, 40, 60])
def test_nothing_is_cut_off_on_a_narrow_terminal(width):
    table = new_table("tags", "tag", ">generated", ">filtered", ">Qwen2.5-14B")
    table.columns[0].min_width = len("background")
    table.add_row("background", "12345", "67890", "93.5%")
    lines = drawn(table, width)
    assert max(map(len, lines)) <= width
    whole = "".join("".join(lines[i] for i in range(len(lines))).split())
    for digit in "1234567890":
        assert digit in whole
    assert "…" not in whole


def test_all_tables_of_stats_fit_80_columns(tmp_path):
    """Also with the paper's columns, which cut the table of tags off at the right."""
    fill(tmp_path / "a.duckdb", 12, checks=True)
    with Store.open(tmp_path / "a.duckdb") as store:
        row = (Turn("user", "Why?"), Turn("assistant", "So."))
        store.ingest(Source(f"{LONG}.jsonl", "z", "1", LONG, None), [Conversation(row, 1)])
        state = store.stats()
    lines = [line for table in tables(state, beside_paper=True) for line in drawn(table, 80)]
    assert max(map(len, lines)) <= 80
    heads = [line for line in lines if "LLaMA-3.1-8B" in line]
    assert len(heads) >= 2
    assert all("Phi-4" in line for line in heads)
