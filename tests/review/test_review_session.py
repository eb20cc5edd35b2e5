"""What is decided in a session lands in the store at once, and can be taken back."""

from __future__ import annotations

from pathlib import Path

import pytest
from filled import ROLE, fill

from sysgen_local.core.errors import SysgenError, UsageError
from sysgen_local.core.records import Checked, Phrase
from sysgen_local.review.session import (
    ChangedError,
    Filter,
    NothingFoundError,
    RowDecision,
    RowNote,
    Session,
)
from sysgen_local.store import RowQuery, Store

ACCEPT, REJECT = RowDecision(decision="accepted"), RowDecision(decision="rejected")


def edited(*phrases):
    said = [{"tag": tag, "text": text} for tag, text in phrases]
    return RowDecision.model_validate({"decision": "accepted", "phrases": said})


@pytest.fixture
def store(tmp_path):
    fill(tmp_path / "s.duckdb", 6)
    with Store.open(tmp_path / "s.duckdb") as store:
        yield store


@pytest.fixture
def session(store):
    return Session(store, RowQuery("final", limit=None))


def test_only_finished_rows_are_gone_through_and_each_leads_to_the_next(session):
    assert session.rows == [1, 2, 3, 4, 6]  # the fifth was dropped
    assert session.start() == 0
    assert session.decide(0, ACCEPT)["next"] == 1
    assert session.decide(2, REJECT)["next"] == 3
    view = session.view(4)
    assert (view["row"], view["next"], view["decided"], view["rows"]) == (6, 1, 2, 5)
    for position in range(5):
        session.decide(position, ACCEPT)
    assert session.view(4)["next"] is None
    assert session.decided() == {"accepted": 5}


def test_decisions_of_another_session_are_passed_over(session, store):
    session.decide(0, ACCEPT)
    again = Session(store, RowQuery("final", limit=None))
    assert again.start() == 1
    assert again.view(0)["decision"] == "accepted"


def test_an_edit_is_put_in_order_and_told_to_be_stale_and_a_later_word_keeps_it(session, store):
    view = session.decide(1, edited(("format", " Use a list. "), ("role", "You bake.")))
    assert view["edited_system"] == "You bake. Use a list."
    assert view["stale"]
    assert view["system"] == ROLE.text
    assert session.decide(1, REJECT)["edited"] == [["role", "You bake."], ["format", "Use a list."]]
    back = RowDecision.model_validate({"decision": "accepted", "phrases": None})
    assert session.decide(1, back)["edited"] is None
    assert store.reviewed(2).phrases is None


def test_what_the_model_wrote_is_no_edit_but_another_tag_is_one(session):
    assert session.decide(0, edited(("role", ROLE.text)))["edited"] is None
    assert session.decide(0, edited(("background", ROLE.text)))["edited"] == [
        ["background", ROLE.text]
    ]


def test_undo_goes_back_step_by_step(session, store):
    session.decide(0, edited(("role", "You bake.")))
    session.decide(0, REJECT)
    session.decide(1, ACCEPT)
    assert session.made == 3
    assert session.undo()["position"] == 1
    assert store.reviewed(2) is None
    assert session.undo()["decision"] == "accepted"
    assert store.reviewed(1).phrases == (Phrase("role", "You bake."),)
    assert session.undo()["decision"] is None
    assert store.reviewed(1) is None
    assert session.undo() is None
    assert session.made == 0


def test_an_earlier_decision_stays_an_earlier_one_when_another_is_undone(session, store):
    session.decide(0, ACCEPT)
    store.set_recipe("check", "f", {})
    better = store.row(1).answers[:1] + store.row(2).answers[1:]
    store.commit([(1, "check", Checked(better)), (2, "check", Checked())])
    again = Session(store, RowQuery("final", limit=None))
    assert again.rows == [1, 2]
    view = again.view(0)
    assert (view["decision"], view["earlier"]) == (None, "accepted")
    assert view["new"][1] == ["assistant", better[1].content]
    assert again.decide(0, REJECT)["decision"] == "rejected"
    assert again.undo()["decision"] is None
    assert Session(store, RowQuery("final", limit=None)).view(0)["decision"] is None


def test_what_cannot_be(session, store):
    for position in (-1, 5, 10**9):
        with pytest.raises(IndexError):
            session.decide(position, ACCEPT)
    for phrases in ([], [("mood", "x")], [("role", " ")], [("role", "x" * 5000)]):
        with pytest.raises(ValueError):
            edited(*phrases)
    with pytest.raises(UsageError, match="nonsense"):
        Session(store, RowQuery("final", where="nonsense = 1"))
    session.close()
    with pytest.raises(SysgenError, match="ended"):
        session.decide(0, ACCEPT)


def test_an_edited_answer_is_kept_by_a_later_word_and_restored_by_none(session, store):
    own = [turn.content for turn in store.row(1).answers if turn.role == "assistant"]
    by_hand = RowDecision.model_validate({"decision": "accepted", "answers": ["By hand. \n"]})
    view = session.decide(0, by_hand)
    assert (view["answers"], view["stale"]) == (["By hand. \n"], False)
    assert session.decide(0, REJECT)["answers"] == ["By hand. \n"]
    assert session.undo()["decision"] == "accepted"
    as_it_was = RowDecision.model_validate({"decision": "accepted", "answers": own})
    assert session.decide(0, as_it_was)["answers"] is None
    session.undo()
    back = RowDecision.model_validate({"decision": "accepted", "answers": None})
    assert session.decide(0, back)["answers"] is None
    for wrong in ([], ["  "], ["a", " "]):
        with pytest.raises(ValueError):
            RowDecision.model_validate({"decision": "accepted", "answers": wrong})
    two = RowDecision.model_validate({"decision": "accepted", "answers": ["a", "b"]})
    with pytest.raises(ChangedError, match="row 1 has 1 answer, not 2"):
        session.decide(0, two)


def test_an_edit_of_an_earlier_answer_is_told_and_holds_no_more(session, store):
    session.decide(0, RowDecision.model_validate({"decision": "accepted", "answers": ["By hand."]}))
    store.set_recipe("check", "f", {})
    better = (store.row(1).answers[0], store.row(1).answers[1]._replace(content="Better."))
    store.commit([(1, "check", Checked(better))])
    view = Session(store, RowQuery("final", limit=None)).view(0)
    assert (view["answers"], view["earlier_answers"]) == (None, ["By hand."])
    assert view["new"][1][1] == "Better."


def test_notes_stay_with_their_rows(store):
    session = Session(store, RowQuery("final", limit=None), "ann")
    assert session.note(0, RowNote(note="  hm  "))["note"] == "hm"
    assert session.decided() == {}
    assert (store.reviewed(1).decision, store.reviewed(1).reviewer) == (None, "ann")
    session.decide(0, ACCEPT)
    session.note(0, RowNote(note="later"))
    session.undo()
    assert (store.reviewed(1).decision, store.reviewed(1).note) == (None, "later")
    session.note(0, RowNote(note=""))
    assert store.reviewed(1) is None
    session.decide(1, RowDecision(decision="accepted", note="with it"))
    assert session.decide(1, REJECT)["note"] == "with it"
    session.note(1, RowNote(note=""))
    assert (store.reviewed(2).decision, store.reviewed(2).note) == ("rejected", None)


def test_only_what_was_shown_is_decided(session):
    shown = session.view(0)["shown"]
    assert session.view(0)["shown"] == shown != session.view(1)["shown"]
    session.decide(0, RowDecision(decision="accepted", shown=shown))
    with pytest.raises(ChangedError, match="row 1 was changed in another window"):
        session.decide(0, RowDecision(decision="rejected", shown=shown))
    with pytest.raises(ChangedError):
        session.note(0, RowNote(note="x", shown=shown))
    assert session.decided() == {"accepted": 1}
    session.undo()
    session.decide(0, RowDecision(decision="rejected", shown=shown))


def test_a_filter_narrows_what_is_gone_through(session):
    some = Filter(words="question")
    assert session.view(0, some)["found"] == 5
    one = Filter(words="NEW 3")
    assert session.find(4, one)["position"] == 2  # it goes on at the start
    view = session.find(0, one)
    assert (view["place"], view["found"]) == (1, 1)
    assert (view["previous"], view["following"], view["next"]) == (None, None, None)
    outside = session.view(3, one)
    assert (outside["place"], outside["previous"], outside["following"]) == (None, 2, None)
    assert session.view(3)["found"] is None
    assert session.unsure == 3  # the tool phrase, of which the judge is not sure, is not in 3 and 6
    assert session.find(2, Filter(unsure=True))["position"] == 3
    with pytest.raises(NothingFoundError, match="no unsure row with the words “new 3”"):
        session.find(0, Filter(unsure=True, words="new 3"))
    assert session.jump(6)["position"] == 4
    for number in (0, 5, 99):
        with pytest.raises(NothingFoundError, match=f"row {number} is not in this review"):
            session.jump(number)


def test_the_end_counts_every_row_once(session, store):
    session.view(0)
    session.decide(0, ACCEPT)
    session.decide(1, edited(("role", "You bake.")))
    session.decide(2, REJECT)
    session.view(3)
    ending = session.ending()
    assert (ending.accepted, ending.rejected, ending.skipped, ending.left) == (2, 1, 1, 1)
    assert (ending.edited, ending.stale) == (1, 1)
    said = dict(ending.commands(store.path))
    assert f"sysgen respond --db {store.path} --edited" in said.values()
    assert f"sysgen review --db {store.path}" in said["Review the 2 rows without a decision"]
    session.decide(1, RowDecision.model_validate({"decision": "accepted", "phrases": None}))
    session.decide(3, ACCEPT)
    session.decide(4, ACCEPT)
    rest = " ".join(command for _, command in session.ending().commands(Path("a b.duckdb")))
    assert "--edited" not in rest
    assert "sysgen export --db 'a b.duckdb' -o 'a b.jsonl'" in rest
