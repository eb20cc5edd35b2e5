"""The blind session: no verdict leaves before the decision, and nothing is decided knowing it."""

from __future__ import annotations

import json

import pytest
from filled import EVIL, fill

from sysgen_local.core.errors import SysgenError, UsageError
from sysgen_local.review.blind.session import BlindDecision, BlindSession
from sysgen_local.store import Judged, Store


@pytest.fixture
def store(tmp_path):
    fill(tmp_path / "s.duckdb", 9)
    with Store.open(tmp_path / "s.duckdb") as store:
        store.set_recipe("verify", "a" * 64, {"model": "the-verifier"})
        yield store


def judge(store, name="j", first=0.9, second=0.8):
    queue = store.judge_queue(name * 64, {"model": name}, pairs=100, aligned=0, seed=0)
    queue.commit([(of.row, "judge", Judged(first, second)) for of in queue.due("judge")])


def say(session, position, said):
    thing = session.view(position)["thing"]
    return session.decide(position, BlindDecision(said=said, thing=thing))


def test_nothing_of_a_verdict_is_shown_before_the_decision(store):
    session = BlindSession(store, "ann", ["phrase"])
    for position in range(session.asked):
        view = session.view(position)
        assert view["told"] is None
        assert not {"verdict", "p", "label", "good", "random"} & view.keys()
        assert "0.9" not in json.dumps(view)
        assert "the-verifier" not in json.dumps(view)
    with pytest.raises(IndexError):
        session.view(session.asked)


def test_the_verdict_is_told_one_decision_later_and_then_the_decision_stands(store):
    session = BlindSession(store, "ann", ["phrase"])
    first, second = (session.view(i)["text"] for i in (0, 1))
    after = say(session, 0, "bad")
    assert (after["position"], after["told"], after["undo"]) == (1, None, True)
    after = say(session, 1, "good")
    assert (after["told"]["what"], after["told"]["said"]) == (first, "bad")
    assert after["told"]["judge"] == "the-verifier"
    assert (after["told"]["verdict"], after["told"]["p"]) in {
        ("good", 0.9),
        ("good", 0.6),
        ("bad", 0.6),
    }
    back = session.undo()
    assert (back["position"], back["text"], back["undo"]) == (1, second, False)
    assert session.undo() is None  # the verdict on the first is known
    said = [(of.said, of.text) for of in store.latest_labels()]
    assert said == [("bad", first), (None, second)]
    with pytest.raises(SysgenError, match="decided already"):
        say(session, 0, "good")
    say(session, 1, "none")
    # Nothing is deleted: the log has every step.
    assert [row[0] for row in store.query("SELECT said FROM labels ORDER BY label").fetchall()] == [
        "bad", "good", None, "none"
    ]  # fmt: skip


def test_the_end_tells_everything_and_ends_undo(store):
    session = BlindSession(store, "ann", ["phrase"], limit=3)
    for position in range(3):
        after = say(session, position, "good")
    assert after["position"] is None
    ended = session.end()
    assert (ended["decided"], ended["asked"], len(ended["told"])) == (3, 3, 3)
    assert session.agreed() == sum(of["said"] == of["verdict"] for of in ended["told"])
    assert session.undo() is None
    session.close()
    with pytest.raises(SysgenError, match="ended"):
        session.view(0)


def test_a_pair_is_shown_in_an_order_that_differs_and_is_stored_as_what_it_is(store):
    judge(store)
    seen = set()
    for reviewer in ("ann", "bob", "cy", "dee"):
        session = BlindSession(store, reviewer, ["pair"])
        for position in range(session.asked):
            view = session.view(position)
            texts = store.pair_texts(session._queue[position].row)[1]
            assert {view["first"], view["second"]} == {texts.old, texts.new}
            swapped = view["first"] == texts.old
            seen.add(swapped)
            say(session, position, "first" if swapped else "second")
        assert {of["said"] for of in session.end()["told"]} == {"original"}
    assert seen == {True, False}
    assert {of.said for of in store.latest_labels()} == {"original"}
    assert {of.verdict for of in store.compared_labels()} == {"new"}


def test_a_word_for_the_other_kind_is_refused(store):
    judge(store)
    session = BlindSession(store, "ann", ["phrase", "pair"])
    with pytest.raises(SysgenError, match="of a phrase nobody can say first"):
        say(session, 0, "first")
    with pytest.raises(SysgenError, match="of a pair nobody can say good"):
        say(session, session.asked - 1, "good")
    with pytest.raises(SysgenError, match="not what was shown"):
        session.decide(0, BlindDecision(said="good", thing="other"))
    assert store.latest_labels() == []


def test_a_pair_whose_answer_was_edited_meanwhile_is_not_decided(store):
    judge(store)
    session = BlindSession(store, "ann", ["pair"])
    row = session._queue[0].row
    store.review(row, "accepted", answers=["By hand."])
    with pytest.raises(SysgenError, match="have changed"):
        session.view(0)


def test_reviewers_are_kept_apart_and_nobody_is_asked_twice(store):
    session = BlindSession(store, "ann", ["phrase"])
    for position in range(session.asked):
        say(session, position, "good")
    with pytest.raises(UsageError, match="ann has labelled all"):
        BlindSession(store, "ann", ["phrase"])
    assert BlindSession(store, "bob", ["phrase"]).asked == session.asked


def test_without_a_verdict_there_is_nothing_to_ask(store, tmp_path):
    with pytest.raises(UsageError, match="no verdict of a model") as error:
        BlindSession(store, "ann", ["pair"])
    assert "sysgen judge" in error.value.hint


def test_hostile_text_is_text(store):
    session = BlindSession(store, "ann", ["phrase"])
    assert any(EVIL in session.view(i)["text"] for i in range(session.asked))
