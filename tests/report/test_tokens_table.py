"""Tokens by phase: in the statistics, in short and as a table, and on the page."""

from __future__ import annotations

from typing import Any

from sysgen_local.core.records import Conversation, Cost, Generated, Phrase, Source, Turn
from sysgen_local.report.digest import LINES, digest
from sysgen_local.report.page import page
from sysgen_local.report.tables import tables
from sysgen_local.report.tokens import tokens_a_row, tokens_table
from sysgen_local.store import Store

DECODED = "decoded: prompt tokens that were not in the KV cache and had to be computed"


def phase(done: int, read: int, decoded: int | None, written: int) -> dict[str, Any]:
    spent = {"tokens_in": read, "tokens_decoded": decoded, "tokens_out": written}
    return {"done": done, "kept": done, "dropped": {}, "pending": 0, **spent}


def state(verify: int | None = 3200) -> dict[str, Any]:
    return {
        "rows": {"input": 8, "final": 8, "dropped": 0, "rejected": 0, "pending": 0},
        "phases": {
            "generate": phase(8, 9600, 1200, 400),
            "filter": phase(8, 0, 0, 0),
            "verify": phase(8, 16000, verify, 0),
            "respond": phase(0, 0, 0, 0),
        },
    }


def test_a_phase_has_its_tokens_a_row() -> None:
    table = tokens_table(state())
    assert table is not None
    assert table.columns == ("phase", "rows", "read", "decoded", "written")
    assert table.rows == (
        ("generate", "8", "1,200", "150", "50"),
        ("verify", "8", "2,000", "400", "0"),
    )
    assert table.notes == (DECODED,)


def test_what_is_not_known_is_no_number() -> None:
    table = tokens_table(state(verify=None))
    assert table is not None
    assert [row[3] for row in table.rows] == ["150", "?"]
    assert table.notes[1] == "?: not known of every row (made by an older version or a server)"
    assert "verify 2,000 (?) + 0" in next(tokens_a_row(state(verify=None)))


def test_another_store_shows_what_was_saved() -> None:
    other = state(verify=8000)
    del other["phases"]["generate"]
    table = tokens_table(state(), other)
    assert table is not None
    assert table.columns[-1] == "decoded, other"
    assert [row[-2:] for row in table.rows] == [("50", ""), ("0", "1,000")]


def test_few_tokens_have_a_decimal() -> None:
    [line] = tokens_a_row({"phases": {"check": phase(3, 30, 10, 1)}})
    assert line == "tokens a row, read (of them decoded) + written: check 10 (3.3) + 0.3"


def test_where_no_model_was_asked_there_is_no_table() -> None:
    nothing = {**state(), "phases": {"filter": phase(8, 0, 0, 0)}}
    assert tokens_table(nothing) is None
    assert list(tokens_a_row(nothing)) == []
    assert "tokens" not in "\n".join(digest(nothing, 80))
    assert [str(table.title) for table in tables(nothing)] == [
        "rows", "rows left after each phase (table 2)"
    ]  # fmt: skip


def test_stats_have_them_in_short_where_there_is_room() -> None:
    lines = digest(state(), 80)
    assert "tokens a row, read (of them decoded) + written: generate 1,200 (150) + 50," in lines
    full = {**state(), "rows": dict.fromkeys(state()["rows"], 1000)}
    full["phases"]["verify"]["dropped"] = {f"reason {n} {'x' * 30}": n for n in range(1, 7)}
    full["advice"] = [{"name": str(n), "says": "Something is poor."} for n in range(9)]
    lines = digest(full, 60)
    assert len(lines) == LINES
    assert lines[-1].endswith("more notes with --all")
    assert not any(line.startswith("tokens") for line in lines)


def test_the_page_has_the_table() -> None:
    with Store.in_memory() as store:
        turns = (Turn("user", "How?"), Turn("assistant", "So."))
        store.ingest(Source("a.jsonl", "a", "0"), [Conversation(turns, n) for n in (1, 2)])
        assert DECODED not in page(store, title="t")
        known = Generated((Phrase("role", "x"),), cost=Cost(1000, 20, 1.0, 125))
        store.commit([(1, "generate", known)])
        assert '<td class="short">125<' in page(store, title="t")
        unknown = Generated((Phrase("role", "x"),), cost=Cost(1000, 20, 1.0))
        store.commit([(2, "generate", unknown)])
        written = page(store, title="t")
    assert '<td class="short">?<' in written
    assert DECODED in written
