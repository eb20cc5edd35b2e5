"""What a person decides stands beside what the model did, and wins in what leaves."""

from __future__ import annotations

import json

import pytest

from sysgen_local.export import export
from sysgen_local.records import (
    Conversation,
    Filtered,
    Generated,
    Phrase,
    Responded,
    Source,
    Turn,
    Verdict,
    Verified,
)
from sysgen_local.store import Choice, Store

TURNS = (Turn("user", "q"), Turn("assistant", "a"))
ROLE = Phrase("role", "You are a cook.")
ANSWERED = Responded((TURNS[0], Turn("assistant", "b")))
JUDGED = Verified((Verdict("role", ROLE.text, "good", 0.9, 0.1, 0.0),), ROLE.text)


@pytest.fixture
def store(tmp_path):
    with Store.open(tmp_path / "s.duckdb") as store:
        store.ingest(Source("x", "x", "0"), [Conversation(TURNS, n) for n in (1, 2, 3)])
        for n in (1, 2, 3):
            done = {"generate": Generated((ROLE,)), "filter": Filtered((ROLE,))}
            done |= {"verify": JUDGED, "respond": ANSWERED}
            store.commit([(n, phase, result) for phase, result in done.items()])
        yield store


def systems(store, path):
    export(store, path)
    return [json.loads(line)["messages"][0]["content"] for line in path.read_text().splitlines()]


def test_decisions_win_in_what_leaves_and_change_nothing_else(store, tmp_path):
    store.review(1, "rejected")
    edited = (Phrase("role", "You are a baker."), Phrase("format", "Use a list."))
    store.review(2, "accepted", edited)
    assert systems(store, tmp_path / "o.jsonl") == ["You are a baker. Use a list.", ROLE.text]
    assert store.row(2).verified == JUDGED
    assert store.reviewed(2).phrases == edited
    assert store.reviewed(3) is None
    assert store.stats()["reviews"] == {"accepted": 1, "rejected": 1, "edited": 1}
    assert [row.row for row in store.find(Choice(where="review = 'rejected'"))] == [1]
    assert store.counts().rows()["final"] == 3


def test_the_last_word_counts_and_can_be_taken_back(store, tmp_path):
    store.review(1, "accepted", (Phrase("role", "You are a baker."),))
    store.review(1, "rejected")
    assert len(systems(store, tmp_path / "o.jsonl")) == 2
    store.forget_review(1)
    assert systems(store, tmp_path / "o.jsonl") == [ROLE.text] * 3


def test_rows_made_anew_are_to_be_looked_at_anew(store):
    store.review(1, "rejected")
    store.redo("respond")
    assert store.reviewed(1) is None
