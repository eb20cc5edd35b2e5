"""What a person decides stands beside what the model did, and wins in what leaves."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sysgen_local.core.records import (
    PHASES,
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
from sysgen_local.exporting import export
from sysgen_local.store import RowQuery, Store

TURNS = (Turn("user", "q"), Turn("assistant", "a"))
ROLE = Phrase("role", "You are a cook.")
ANSWERED = Responded((TURNS[0], Turn("assistant", "b")))
JUDGED = Verified((Verdict("role", ROLE.text, "good", 0.9, 0.1, 0.0),), ROLE.text)


@pytest.fixture
def store(tmp_path):
    with Store.open(tmp_path / "s.duckdb") as store:
        store.ingest(Source("x", "x", "0"), [Conversation(TURNS, n) for n in (1, 2, 3)])
        for n in (1, 2, 3):
            done: dict[Any, Any] = {"generate": Generated((ROLE,)), "filter": Filtered((ROLE,))}
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
    assert store.stats()["reviews"] == {
        "accepted": 1, "rejected": 1, "edited": 1, "earlier": 0, "stale": 1
    }  # fmt: skip
    assert [row.row for row in store.find(RowQuery(where="review = 'rejected'"))] == [1]
    assert store.counts().rows()["final"] == 3


def test_the_last_word_counts_and_can_be_taken_back(store, tmp_path):
    store.review(1, "accepted", (Phrase("role", "You are a baker."),))
    store.review(1, "rejected")
    assert len(systems(store, tmp_path / "o.jsonl")) == 2
    store.forget_review(1)
    assert systems(store, tmp_path / "o.jsonl") == [ROLE.text] * 3


def test_edited_phrases_are_put_in_canonical_order_and_their_tags_are_known_ones(store):
    store.review(1, "accepted", (Phrase("format", "Use a list."), Phrase("role", "You bake.")))
    assert store.reviewed(1).system == "You bake. Use a list."
    with pytest.raises(ValueError):
        store.review(1, "accepted", (Phrase("mood", "Be merry."),))
    assert store.reviewed(1).system == "You bake. Use a list."


def test_edited_rows_are_answered_anew_under_what_the_person_wrote(store, tmp_path):
    for n in (1, 2, 3):
        store.review(n, "rejected" if n == 3 else "accepted", (Phrase("role", f"You are {n}."),))
    store.forget_review(2)
    assert [store.stale(n) for n in (1, 2, 3)] == [True, False, True]
    assert store.reopen() == 1
    assert store.counts().rows() == {
        "input": 3, "final": 2, "dropped": 0, "rejected": 0, "pending": 1
    }  # fmt: skip
    [due] = store.due("respond")
    assert (due.row, due.verified.system) == (1, "You are 1.")
    other = Responded((TURNS[0], Turn("assistant", "c")))
    store.commit([(1, "respond", other)])
    assert not store.stale(1)
    assert store.row(1).verified == JUDGED
    assert store.stats()["reviews"]["stale"] == 0
    assert store.reopen() == 0
    finished = RowQuery(state="final", limit=None)
    assert store.queue(finished) == [(1, None), (2, None), (3, "rejected")]
    store.review(1, "accepted", (Phrase("role", "You are 1."),))
    assert store.queue(RowQuery(where="stale = false", seed=0)) == [(1, "accepted"), (2, None)]
    store.forget_review(1)
    assert store.stale(1)


def test_edited_phrases_outlive_new_answers_and_wait_for_their_system_message(store):
    edited = (Phrase("role", "You are a baker."),)
    store.review(1, "accepted", edited)
    store.redo("respond")
    assert next(row.verified.system for row in store.due("respond")) == "You are a baker."
    store.redo("verify")
    assert store.reviewed(1).phrases == edited
    assert store.reviewed(1).outdated
    other = Verified((Verdict("role", "You sew.", "good", 0.9, 0.1, 0.0),), "You sew.")
    store.commit([(1, "verify", other)])
    assert next(row.verified.system for row in store.due("respond")) == "You sew."
    assert store.stats()["reviews"]["edited"] == 0
    store.redo("verify")
    store.commit([(1, "verify", JUDGED)])
    assert next(row.verified.system for row in store.due("respond")) == "You are a baker."
    assert not store.reviewed(1).outdated


@pytest.mark.e2e  # ten whole runs, each done again, take seconds
@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("decision", ["accepted", "rejected"])
def test_a_redo_deletes_no_decision_and_it_holds_where_the_row_comes_out_the_same(
    store, tmp_path, phase, decision
):
    for n in (1, 2, 3):
        store.commit([(n, "check", Checked(answered("c")))])
    edited = (Phrase("role", "You are a baker."),)
    store.review(1, decision)
    store.review(2, decision, edited)
    store.review(3, decision)
    before = [store.reviewed(n) for n in (1, 2, 3)]
    assert store.losses(phase).reviews == 3
    store.redo(phase)
    assert [store.reviewed(n).decision for n in (1, 2, 3)] == [decision] * 3
    assert store.reviewed(2).phrases == edited
    assert all(store.reviewed(n).earlier for n in (1, 2, 3))
    assert store.stats()["reviews"][decision] == 0
    assert store.stats()["reviews"]["earlier"] == 3
    made = {"generate": Generated((ROLE,)), "filter": Filtered((ROLE,)), "verify": JUDGED}
    made |= {"respond": ANSWERED, "check": Checked(answered("c"))}
    for later in PHASES[PHASES.index(phase) :]:
        other = {"respond": Responded(answered("d")), "check": Checked(answered("d"))}
        store.commit([(n, later, made[later]) for n in (1, 2)])
        store.commit([(3, later, other.get(later, made[later]))])
    assert [store.reviewed(n) for n in (1, 2)] == before[:2]
    assert store.reviewed(3).earlier
    queue = dict(store.queue(RowQuery("final", limit=None)))
    assert queue == {1: decision, 2: decision, 3: None}
    assert [row.row for row in store.find(RowQuery(where=f"review = '{decision}'"))] == [1, 2]
    assert [row.row for row in store.find(RowQuery(where="earlier_review IS NOT NULL"))] == [3]
    kept = [] if decision == "rejected" else [ROLE.text, "You are a baker."]
    assert systems(store, tmp_path / "o.jsonl") == [*kept, ROLE.text]


def answered(text):
    return (TURNS[0], Turn("assistant", text))


def test_a_decision_holds_for_the_answer_that_the_person_saw(store):
    for n in (1, 2, 3):
        store.review(n, "accepted")
    store.commit([(1, "check", Checked(answered("c"))), (2, "check", Checked())])
    store.commit([(3, "check", Checked(answered("c"), dropped="disagrees"))])
    assert store.queue(RowQuery("final", limit=None)) == [(1, None), (2, "accepted")]
    assert [store.reviewed(n).earlier for n in (1, 2, 3)] == [True, False, True]
    store.review(1, "rejected")
    assert store.queue(RowQuery("final", limit=None)) == [(1, "rejected"), (2, "accepted")]
    assert not store.reviewed(1).earlier


def test_a_decision_of_an_answer_that_the_checks_chose_ends_with_them(store):
    store.commit([(n, "check", Checked(answered("c") if n < 3 else ())) for n in (1, 2, 3)])
    edited = (Phrase("role", "You are a baker."),)
    store.review(1, "accepted", edited)
    store.review(2, "accepted")
    store.review(3, "accepted", edited)
    store.redo("check")
    assert store.reviewed(2).earlier
    assert store.reviewed(1).phrases == edited
    # Phase 4's answer is back: nobody saw it of the first row, somebody did of the third.
    assert store.queue(RowQuery("final", limit=None)) == [(1, None), (2, None), (3, "accepted")]
    store.commit([(n, "check", Checked()) for n in (1, 2, 3)])
    assert store.queue(RowQuery("final", limit=None)) == [(1, None), (2, None), (3, "accepted")]


def test_answers_are_checked_and_written_again_under_what_the_person_wrote(store):
    edited = (Phrase("role", "You are a baker."),)
    for n in (1, 2):
        store.review(n, "accepted", edited)
    assert [row.verified.system for row in store.due("check")] == [
        *["You are a baker."] * 2,
        ROLE.text,
    ]
    store.commit([(n, "check", Checked(answered("c") if n == 1 else ())) for n in (1, 2, 3)])
    # The first was answered under the edited message, the second was written before it.
    assert [store.stale(n) for n in (1, 2, 3)] == [False, True, False]
    store.forget_review(1)
    assert store.stale(1)
    assert store.reopen() == 2
    assert [row.row for row in store.due("respond")] == [1, 2]
    assert store.counts().rows()["pending"] == 2
    store.commit([(n, "respond", ANSWERED) for n in (1, 2)])
    assert [row.row for row in store.due("check")] == [1, 2]
    store.commit([(n, "check", Checked()) for n in (1, 2)])
    assert [store.stale(n) for n in (1, 2, 3)] == [False] * 3


def test_a_conversation_is_stale_until_its_first_answer_is_new_too(tmp_path):
    turns = (*TURNS, Turn("user", "r"), Turn("assistant", "b"))
    with Store.open(tmp_path / "several.duckdb") as store:
        store.ingest(Source("y", "y", "0"), [Conversation(turns, n) for n in (1, 2)])
        for n in (1, 2):
            store.commit([(n, "generate", Generated((ROLE,))), (n, "filter", Filtered((ROLE,)))])
            store.commit([(n, "verify", JUDGED), (n, "respond", Responded(turns))])
            store.review(n, "accepted", (Phrase("role", "You are a baker."),))
        first = (TURNS[0], Turn("assistant", "x"), *turns[2:3], Turn("assistant", "y"))
        second = (*turns[:3], Turn("assistant", "y"))
        store.commit([(1, "check", Checked(first)), (2, "check", Checked(second))])
        assert [store.stale(n) for n in (1, 2)] == [False, True]


def test_edited_answers_win_in_what_leaves_and_the_checks_are_not_theirs(store, tmp_path):
    check = Check(1, "agrees", "", "model", 0.9, "")
    store.commit([(n, "check", Checked((), (check,), agrees=True, obeys=0.8)) for n in (1, 2, 3)])
    store.review(1, "accepted", answers=["  By hand.\n"], note="typo", reviewer="ann")
    out = tmp_path / "o.jsonl"
    export(store, out)
    told = [json.loads(line)["messages"][-1]["content"] for line in out.read_text().splitlines()]
    assert told == ["  By hand.\n", "b", "b"]
    sql = 'SELECT agrees, obeys, len(checks) FROM released ORDER BY "row" LIMIT 2'
    assert store.query(sql).fetchall() == [(None, None, 0), (True, 0.8, 1)]
    columns = 'new_answer, edited, note, reviewer, agrees FROM journey ORDER BY "row" LIMIT 2'
    assert store.query(f"SELECT {columns}").fetchall() == [
        ("  By hand.\n", True, "typo", "ann", True),
        ("b", False, None, None, True),
    ]
    assert store.row(1).answers == answered("b")
    assert store.stats()["reviews"]["edited"] == 1
    [decided] = [store.reviewed(1)]
    assert (decided.answers, decided.note, decided.reviewer) == (("  By hand.\n",), "typo", "ann")


def test_only_the_edited_turns_change_and_a_thought_leaves_with_its_answer(tmp_path):
    turns = (
        Turn("user", "q"), Turn("function_call", "f"), Turn("observation", "1"),
        Turn("assistant", "a", "Hm."), Turn("user", "r"), Turn("assistant", "b", "So."),
    )  # fmt: skip
    with Store.open(tmp_path / "several.duckdb") as store:
        store.ingest(Source("y", "y", "0"), [Conversation(turns, 1)])
        store.commit([(1, "generate", Generated((ROLE,))), (1, "filter", Filtered((ROLE,)))])
        store.commit([(1, "verify", JUDGED), (1, "respond", Responded(turns))])
        for wrong in ([], ["x"], ["x", "y", "z"]):
            with pytest.raises(ValueError, match="row 1 has 2 answers"):
                store.review(1, "accepted", answers=wrong)
        store.review(1, "accepted", answers=["a", "B"])
        found = 'SELECT [[t."role", t.content, t.thought] FOR t IN turns] FROM released'
        [(released,)] = store.query(found).fetchall()
        assert released == [
            ["user", "q", ""], ["function_call", "f", ""], ["observation", "1", ""],
            ["assistant", "a", "Hm."], ["user", "r", ""], ["assistant", "B", ""],
        ]  # fmt: skip


def test_a_new_answer_ends_an_edit_of_the_old_one_and_deletes_nothing(store, tmp_path):
    store.review(1, "accepted", answers=["By hand."], reviewer="ann")
    store.redo("respond")
    store.commit([(n, "respond", Responded(answered("c"))) for n in (1, 2, 3)])
    review = store.reviewed(1)
    assert (review.answers, review.earlier) == (("By hand.",), True)
    assert store.query("SELECT new_answer, edited FROM journey LIMIT 1").fetchall() == [
        ("c", False)
    ]
    assert store.stats()["reviews"]["edited"] == 0
    store.redo("respond")
    store.commit([(n, "respond", ANSWERED) for n in (1, 2, 3)])
    assert not store.reviewed(1).earlier
    assert [row for row, in store.query("SELECT new_answer FROM journey").fetchall()] == [
        "By hand.", "b", "b"
    ]  # fmt: skip


def test_edited_answers_are_not_written_anew_with_the_edited_system_messages(store):
    edited = (Phrase("role", "You are a baker."),)
    store.review(1, "accepted", edited, answers=["By hand."])
    store.review(2, "accepted", edited)
    assert [store.stale(n) for n in (1, 2)] == [False, True]
    assert (store.reopen(), store.kept_answers()) == (1, 1)
    assert [row.row for row in store.due("respond")] == [2]
    assert store.reviewed(1).answers == ("By hand.",)
    # Without the edit of the answer, the row is like any other again.
    store.review(1, "accepted", edited)
    assert (store.reopen(), store.kept_answers()) == (1, 0)


def test_a_note_is_of_the_row_and_decides_nothing(store):
    store.review(1, None, note="ask Ann", reviewer="bob")
    review = store.reviewed(1)
    assert (review.decision, review.note, review.reviewer) == (None, "ask Ann", "bob")
    assert not review.earlier
    assert store.queue(RowQuery("final", limit=None)) == [(1, None), (2, None), (3, None)]
    assert store.losses("respond").reviews == 0
    store.redo("respond")
    assert store.query("SELECT note, review, earlier_review FROM journey LIMIT 1").fetchall() == [
        ("ask Ann", None, None)
    ]
    for edit in ({"phrases": (ROLE,)}, {"answers": ["x"]}):
        with pytest.raises(ValueError, match="needs a decision"):
            store.review(1, None, **edit)
