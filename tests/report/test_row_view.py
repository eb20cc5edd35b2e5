"""What `sysgen show` prints of a row, and `sysgen stats` of a store, on a terminal."""

from __future__ import annotations

import io

import pytest
from filled import EVIL, fill
from rich.console import Console

from sysgen_local.core.records import (
    PHASES,
    REPAIRS,
    Attempt,
    Check,
    Checked,
    Conversation,
    Filtered,
    Generated,
    Phrase,
    Repair,
    Responded,
    Row,
    Source,
    Turn,
    Verified,
)
from sysgen_local.report.row_state import row_state
from sysgen_local.report.row_view import row_view
from sysgen_local.report.tables import tables
from sysgen_local.store import Origin, Store


@pytest.fixture
def store(tmp_path):
    fill(tmp_path / "s.duckdb", 12, checks=True)
    with Store.open(tmp_path / "s.duckdb") as store:
        yield store


def printed(parts, width=300):
    screen = io.StringIO()
    console = Console(file=screen, width=width, color_system=None)
    for part in parts:
        console.print(part)
    return screen.getvalue()


def told(store, number):
    row, origin = store.row(number), store.origin(number)
    return printed(row_view(row, origin, store.reviewed(number), phases=store.phases))


def test_the_answer_that_the_checks_chose_is_told_with_them(store):
    said = told(store, 2)
    assert f"Better 2 {EVIL}" in said
    for line in (
        f"result 2 {EVIL} rule 1.000 number {EVIL}",
        "follows You are a cook. model 0.875",
    ):
        assert line in " ".join(said.replace("│", " ").split())
    # The one that was not taken comes after, with its fault.
    assert said.index("not taken, disobeys (obeys 0.25)") < said.index(f"New 2 {EVIL}")
    assert "final (agrees, obeys 0.88, 2 tries)" in said


def test_where_a_row_stands(store):
    assert "dropped in check: disagrees (2 tries)" in told(store, 4)
    assert "not taken, disagrees (agrees 0.00, with the original in view)" in told(store, 4)
    assert "dropped in respond: looping\n" in told(store, 5)
    assert "final (nothing to check)" in told(store, 3)
    store.review(2, "accepted", (Phrase("role", "You are a baker."),))
    assert "final (agrees, obeys 0.88, 2 tries), accepted by a person\n" in told(store, 2)
    store.redo("check")
    assert "final, accepted by a person who saw an earlier answer\n" in told(store, 2)
    store.set_recipe("check", "e", {})
    assert "pending: waits for check" in told(store, 2)


def test_without_word_of_its_store_a_row_ends_where_it_got_to():
    turns = (Turn("user", "q"), Turn("assistant", "a"))
    row = Row(1, Conversation(turns, 1), responded=Responded(turns))
    before = (Generated(), Filtered(), Verified())
    for phase, result in zip(PHASES, before, strict=False):
        row = row.after(phase, result)
    assert row_state(row) == ("final", None, "")
    assert row_state(row, PHASES) == ("pending", "check", "")
    assert row_state(row.after("check", Checked(dropped="disobeys"))) == (
        "dropped", "check", "disobeys"
    )  # fmt: skip


def test_every_turn_is_told_with_its_own_checks():
    old = (Turn("user", "q"), Turn("function_call", "f"), Turn("observation", "o"),
           Turn("assistant", "a"), Turn("user", "r"), Turn("assistant", "b"))  # fmt: skip
    new = (*old[:3], Turn("assistant", "a"), old[4], Turn("assistant", "better"))
    checks = (
        Check(1, "code", "first", "rule", 1.0, ""),
        Check(2, "code", "second", "rule", 1.0, ""),
    )
    attempts = (Attempt(2, "worse", False, 0.9, 0.8, ""),)
    row = Row(1, Conversation(old, 1), responded=Responded(old))
    row = row.after("check", Checked(new, checks, attempts, True, None, 2))
    said = printed(row_view(row, Origin("x", 1, None, None), phases=PHASES))
    marks = ["f", "o", " a ", "first", "better", "second", "another was better (agrees 0.90"]
    places = [said.index(mark) for mark in marks[2:]]
    assert places == sorted(places)
    assert "worse" in said


def test_stats_tell_what_was_checked_and_add_up(store, tmp_path):
    stats = store.stats()
    assert stats["rows"] == {"input": 13, "final": 7, "dropped": 5, "rejected": 1, "pending": 0}
    said = printed(tables(stats))
    lines = " ".join(said.replace("│", " ").split())  # captions are broken at the table's width
    assert "check (dropped) disagrees 3" in lines
    assert "keeps the original's result 5 2 40.0%" in lines
    assert "rows that keep what the original had right: yes 5, no 3, nothing to look at 2" in lines
    assert "answers a row took: 1: 5, 2: 5" in lines
    assert "answers that were not taken: disagrees 3, disobeys 2" in lines
    fill(tmp_path / "plain.duckdb", 5)
    with Store.open(tmp_path / "plain.duckdb") as other:
        plain = other.stats()
    assert "checks of new answers" not in printed(tables(plain))
    # Beside one that is checked, one that is not, and the other way round, and the paper.
    for one, another in ((stats, plain), (plain, stats), (stats, stats)):
        assert "other" in printed(tables(one, another, beside_paper=True))


def test_what_stands_beside_the_turns_and_what_was_mended_is_told(tmp_path):
    call = Turn("function_call", '{"name": "f", "arguments": {}}', "Look it up.", f"Wait. {EVIL}")
    result = Turn("observation", "rain", "", "", "a1", "f")
    thought = Turn("assistant", "Yes.", "Rain is wet.")
    repairs = (Repair("greeting", f"Hello! {EVIL}"), Repair("joined", "Q2"))
    turns = (Turn("user", "Q"), call, result, thought)
    plain = Conversation((Turn("user", "Q"), Turn("assistant", "A")), 2, repairs=repairs[1:])
    with Store.open(tmp_path / "t.duckdb") as store:
        rows = [Conversation(turns, 1, None, None, "yes", repairs), plain]
        store.ingest(Source("x", "x", "0"), rows)
        waiting = told(store, 1)
        assert store.row(1).conversation == rows[0]
        stats = store.stats()
        said = printed(tables(stats))
        for phase, made in (
            ("generate", Generated()),
            ("filter", Filtered()),
            ("verify", Verified((), "S")),
            ("respond", Responded((*turns[:3], Turn("assistant", "New.")))),
        ):
            store.commit([(1, phase, made)])
        answered = told(store, 1)
    for text in (waiting, answered):
        for part in ("Look it up.", f"Wait. {EVIL}", "Rain is wet.", f"Hello! {EVIL}", "rain"):
            assert part in text
        assert f"mended: it {REPAIRS['greeting']}" in text
    assert "result it came with" in waiting
    assert (stats["repairs"], stats["reasoning"]) == ({"joined": 2, "greeting": 1}, 1)
    words = " ".join(said.replace("│", " ").split())
    assert f"2 {REPAIRS['joined']} 1 {REPAIRS['greeting']}" in words
    assert "1 came with reasoning before answers, which is kept apart from them" in words
