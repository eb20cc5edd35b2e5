"""What the filter removed is counted by reason and shown: `stats`, `show` and the report's rows."""

from __future__ import annotations

import pytest
from rich.console import Console

from sysgen_local.core.records import Conversation, Generated, Phrase, Row, Source, Turn
from sysgen_local.phases.filter import Filter, clean
from sysgen_local.report.page import page
from sysgen_local.report.page_row import page_row
from sysgen_local.report.row_view import row_view
from sysgen_local.report.tables import tables
from sysgen_local.store import Store

PHRASES = (
    Phrase("role", "You are a herb gardener."),
    Phrase("style", "Be clear and concise."),
    Phrase("style", "Use clear, concise language."),
    Phrase("format", "I hope this helps you!"),
    Phrase("format", "Use a table with the columns"),
    Phrase("tool", "You may use a moisture meter for pots."),
)
SHOWN = ("Use a moisture meter for pots.",)
GONE = {"addresses_user": 1, "lifted": 1, "near_duplicate": 1, "unfinished": 1}


def printed(*renderables) -> str:
    console = Console(width=200)
    with console.capture() as capture:
        for renderable in renderables:
            console.print(renderable)
    return capture.get()


def test_removed_phrases_are_counted_by_reason_and_shown(tmp_path):
    conversation = Conversation((Turn("user", "How do I grow mint?"), Turn("assistant", "So.")), 1)
    with Store.open(tmp_path / "s.duckdb") as store:
        store.ingest(Source("a.jsonl", "a.jsonl", "0"), [conversation])
        assert store.stats()["removed"] == {}
        filtered = clean(conversation, PHRASES, SHOWN)
        store.commit([(1, "generate", Generated(PHRASES)), (1, "filter", filtered)])
        stats = store.stats()
        row, origin = store.row(1), store.origin(1)
        report = page(store, title="mint")
    assert stats["removed"] == GONE
    assert "phrases the filter removed" in printed(*tables(stats))
    assert "phrases the filter removed" in printed(*tables(stats, stats))
    assert all(f"{reason} 1" in report for reason in GONE)
    shown = printed(*row_view(row, origin))
    assert [reason for reason in GONE if f"filter: {reason}" not in shown] == []
    assert {reason for _, _, reason in page_row(row, origin, None, stale=False)["removed"]} == set(
        GONE
    )


def test_the_filter_hands_the_demonstrations_on():
    conversation = Conversation((Turn("user", "How do I grow mint?"), Turn("assistant", "So.")), 1)
    work = Filter(demonstrations=SHOWN).work(Row(1, conversation, Generated(PHRASES)))
    with pytest.raises(StopIteration) as done:  # it asks no model
        next(work)
    assert {r.reason for r in done.value.value.removed} == set(GONE)
