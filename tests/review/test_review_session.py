"""What is decided in a session lands in the store at once, and can be taken back."""

from __future__ import annotations

import pytest
from filled import ROLE, fill

from sysgen_local.core.errors import SysgenError, UsageError
from sysgen_local.core.records import Checked, Phrase
from sysgen_local.review.session import RowDecision, Session
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
