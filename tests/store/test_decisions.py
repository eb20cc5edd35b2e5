"""Decisions move between stores: they find their rows by content, and never push out newer ones."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from sysgen_local.core.records import (
    Check,
    Checked,
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
from sysgen_local.store import RowQuery, Store

ROLE = Phrase("role", "You are a cook.")
JUDGED = Verified((Verdict("role", ROLE.text, "good", 0.9, 0.1, 0.0),), ROLE.text)
EDIT = (Phrase("role", "You are a baker."),)
NOON = datetime(2026, 1, 1, 12)
LATER = NOON + timedelta(hours=1)


def conversation(text: str, line: int) -> Conversation:
    return Conversation((Turn("user", text), Turn("assistant", "a")), line)


def made(path: Path, *questions: str, source: str = "x.jsonl", answer: str = "b") -> Store:
    """A store of finished rows."""
    store = Store.open(path)
    rows = [conversation(text, line) for line, text in enumerate(questions, 1)]
    store.ingest(Source(source, source, source), rows)
    for n, text in enumerate(questions, 1):
        new = (Turn("user", text), Turn("assistant", answer))
        done: dict[Any, Any] = {"generate": Generated((ROLE,)), "filter": Filtered((ROLE,))}
        done |= {"verify": JUDGED, "respond": Responded(new)}
        store.commit([(n, phase, result) for phase, result in done.items()])
    return store


def moved(here: Store, there: Store, *, overwrite: bool = False) -> tuple[int, ...]:
    """Merges all decisions of `here` into `there`: new, changed, same, kept, waiting."""
    decided = here.decided()
    rows = {row: of.review for row, of in zip(there.places(decided), decided, strict=True) if row}
    assert len(rows) == len(decided)
    return tuple(there.merge_decisions(rows, overwrite=overwrite))


def test_decisions_find_their_rows_by_content(tmp_path):
    with (
        made(tmp_path / "a.duckdb", "p", "q", "r") as here,
        made(tmp_path / "b.duckdb", "r", "s", "q", source="other.jsonl") as there,
    ):
        here.review(2, "rejected", note="why?", reviewer="ann", at=NOON)
        here.review(3, "accepted", EDIT, answers=["By hand."], reviewer="bob", at=NOON)
        assert moved(here, there) == (2, 0, 0, 0, 0)
        assert there.queue(RowQuery("final")) == [(1, "accepted"), (2, None), (3, "rejected")]
        assert there.reviewed(1) == here.reviewed(3)
        assert there.reviewed(3) == here.reviewed(2)
        assert moved(here, there) == (0, 0, 2, 0, 0)
        here.review(1, "accepted")
        assert there.places(here.decided()) == [None, 3, 1]


def test_rows_with_the_same_conversation_are_told_apart_by_their_place(tmp_path):
    with (
        made(tmp_path / "a.duckdb", "q", "q", "p") as here,
        made(tmp_path / "b.duckdb", "q", "q") as there,
    ):
        here.review(2, "accepted")
        assert there.places(here.decided()) == [2]
        there.ingest(
            Source("y.jsonl", "y", "y"), [conversation(t, n) for n, t in ((1, "z"), (2, "q"))]
        )
        assert there.places(here.decided()) == [2]
        [of] = here.decided()
        assert there.places([replace(of, source="elsewhere")]) == [None]
        assert there.places([replace(of, line=7)]) == [None]
        wrong = replace(of.review, answers=("x", "y"))
        assert there.places([replace(of, review=wrong)]) == [None]


def test_the_newer_decision_stays_unless_the_other_is_wanted(tmp_path):
    with made(tmp_path / "a.duckdb", "q") as here, made(tmp_path / "b.duckdb", "q") as there:
        here.review(1, "accepted", at=NOON, note="from here")
        there.review(1, "rejected", at=LATER)
        assert moved(here, there) == (0, 1, 0, 0, 0)  # the note alone
        assert (there.reviewed(1).decision, there.reviewed(1).note) == ("rejected", "from here")
        assert moved(here, there) == (0, 0, 0, 1, 0)
        assert moved(here, there, overwrite=True) == (0, 1, 0, 0, 0)
        assert there.reviewed(1).decision == "accepted"
        here.review(1, "rejected", at=LATER)
        assert moved(here, there) == (0, 1, 0, 0, 0)
        # A file that has no note does not delete one.
        assert (there.reviewed(1).decision, there.reviewed(1).note) == ("rejected", "from here")


def test_a_note_replaces_no_decision(tmp_path):
    with made(tmp_path / "a.duckdb", "q") as here, made(tmp_path / "b.duckdb", "q") as there:
        there.review(1, "accepted", EDIT, at=NOON, reviewer="ann")
        here.review(1, None, note="hm", at=LATER, reviewer="bob")
        assert moved(here, there, overwrite=True) == (0, 1, 0, 0, 0)
        review = there.reviewed(1)
        assert (review.decision, review.phrases, review.note) == ("accepted", EDIT, "hm")
        assert review.reviewer == "ann"
        # The other way round, an older decision joins a newer note.
        assert moved(there, here) == (0, 1, 0, 0, 0)
        assert (here.reviewed(1).decision, here.reviewed(1).note) == ("accepted", "hm")


def test_decisions_about_other_answers_wait_and_replace_none_that_holds(tmp_path):
    with (
        made(tmp_path / "a.duckdb", "p", "q", answer="c") as here,
        made(tmp_path / "b.duckdb", "p", "q") as there,
    ):
        here.review(1, "accepted", at=LATER)
        here.review(2, "rejected", at=LATER)
        there.review(2, "accepted", at=NOON)
        assert moved(here, there) == (1, 0, 0, 1, 1)
        assert there.queue(RowQuery("final")) == [(1, None), (2, "accepted")]
        assert there.reviewed(1).earlier
        there.redo("respond")
        new = (Turn("user", "p"), Turn("assistant", "c"))
        there.commit([(1, "respond", Responded(new))])
        assert there.queue(RowQuery("final")) == [(1, "accepted")]


def test_a_merge_is_all_or_nothing(tmp_path):
    with made(tmp_path / "a.duckdb", "p", "q") as store:
        store.review(1, "accepted")
        good = store.reviewed(1)
        store.forget_review(1)
        with pytest.raises(ValueError, match="row 2 has 1 answer"):
            store.merge_decisions({1: good, 2: replace(good, answers=("x", "y"))})
        assert store.decided() == []


def test_unsure_rows_and_words_in_rows(tmp_path):
    with made(tmp_path / "a.duckdb", "How tall? Ä", "100%_sure", "q", "q", "q") as store:
        low = Verified((Verdict("role", ROLE.text, "good", 0.6, 0.4, 0.0),), ROLE.text)
        store.redo("verify")
        rows = range(1, 6)
        store.commit([(n, "verify", low if n == 1 else JUDGED) for n in rows])
        new = [(Turn("user", "q"), Turn("assistant", f"New {n}")) for n in rows]
        store.commit([(n, "respond", Responded(new[n - 1])) for n in rows])
        unsure = RowQuery("final", unsure=True, limit=None)
        assert store.queue(unsure) == [(1, None)]
        agrees = [Check(1, "agrees", "", "model", p, "") for p in (0.9, 0.6)]
        store.commit([(n, "check", Checked((), agrees[:1], (), True)) for n in (1, 2)])
        store.commit([(3, "check", Checked((), agrees[1:], (), True)), (4, "check", Checked())])
        store.commit([(5, "check", Checked((), (), (), None, 0.9))])
        assert [row for row, _ in store.queue(unsure)] == [1, 3, 4]
        store.review(5, "accepted", answers=["By HAND."], note="ask")
        assert store.having("tall? ä") == [1]
        assert store.having("%_") == [2]
        assert store.having("by hand") == store.having("ASK") == store.having("new 5") == [5]
        assert store.having("cook") == list(rows)
        assert store.having("nowhere") == []
