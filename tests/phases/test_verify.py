"""Phase 3 without a model."""

from __future__ import annotations

import json
import math
import shutil

import pytest
from scripted import ScriptedEngine, plain

from sysgen_local.core.records import TAGS, Conversation, Filtered, Phrase, Row, Turn, Verdict
from sysgen_local.core.resources import resource
from sysgen_local.engine.request import Choice, Completion, Request
from sysgen_local.phases.verify import SHARE, Calibration, Verify
from sysgen_local.prompts import PromptSet

PHRASES = (
    Phrase("role", "You are a cook."),
    Phrase("style", "Be brief."),
    Phrase("format", "Use a list."),
)
ROW = Row(3, Conversation((Turn("user", "Q"), Turn("assistant", "A")), 1)).after(
    "filter", Filtered(PHRASES)
)


def judge(stage: Verify, *good: float, finish="stop"):
    """The result, and the requests it took; `good` are the probabilities in turn."""
    work = stage.work(ROW)
    asked = next(work)
    requests = []
    for p in good:
        [request] = asked
        requests.append(request)
        assert request.constraint == Choice(("good", "bad", "none"))
        shares = {"good": p, "bad": 0.9 - p, "none": 0.1}
        try:
            asked = work.send([Completion(request.id, "", finish, 9, 0, 0.1, shares)])
        except StopIteration as end:
            return end.value, requests
    pytest.fail("it asks for more than there are phrases")


def test_good_phrases_make_the_system_message():
    result, requests = judge(Verify(PromptSet.load("compact")), 0.8, 0.2, 0.6)
    assert result.system == "You are a cook. Use a list."
    assert [v.label for v in result.verdicts] == ["good", "bad", "good"]
    assert all(v.good + v.bad + v.none == pytest.approx(1) for v in result.verdicts)
    assert requests[1].messages[-1].text == "Instruction: Q\nPhrase: Be brief.\nTag: style"
    assert result.cost.tokens_in == 27


def test_a_threshold_can_be_set():
    result, _ = judge(Verify(PromptSet.load("compact"), min_p_good=0.7), 0.8, 0.2, 0.6)
    assert result.system == "You are a cook."
    assert result.verdicts[2].label == "good"  # the verdict is kept as it was


def test_without_good_phrases_the_row_is_dropped():
    result, _ = judge(Verify(PromptSet.load("compact")), 0.1, 0.2, 0.3)
    assert (result.system, result.dropped) == (None, "no_good_phrases")


def test_what_cannot_be_judged_is_dropped():
    result, requests = judge(Verify(PromptSet.load("compact")), 0.8, 0.8, 0.8, finish="too_long")
    assert result.dropped == "too_long"
    assert len(requests) == 1


def asked_about_nothing(verify: Verify, answer=plain, slots: int = 4):
    """The requests that calibrating took, and the facts it noted."""
    engine = ScriptedEngine(answer, slots)
    facts: list[str] = []
    verify.calibrate(engine, facts.append)
    return engine.seen, facts


def by_tag(request: Request) -> Completion:
    """For roles nearly always good, for all else rather bad."""
    p = 0.95 if "You are" in request.messages[-1].text else 0.25
    shares = {"good": p, "bad": 0.9 * (1 - p), "none": 0.1 * (1 - p)}
    return Completion(request.id, "", "stop", 10, 0, 0.1, shares)


def test_a_judge_is_asked_about_nothing_once():
    verify = Verify(PromptSet.load("default"))
    seen, facts = asked_about_nothing(verify, by_tag)
    nothing = verify.prompts.content_free
    pairs = [(r, p) for of in nothing.phrases.values() for p in of for r in nothing.requests]
    said = [request.messages[-1].text for request in seen]
    assert sorted(said) == sorted(f"Request: {r}\nPhrase: {p}" for r, p in pairs)
    assert len({request.id for request in seen}) == len(pairs) == 48
    assert {request.constraint for request in seen} == {Choice(("good", "bad", "none"))}
    [fact] = facts
    assert set(json.loads(fact)) == set(TAGS)
    assert json.loads(fact)["role"] == pytest.approx(math.log(0.95 / 0.05), abs=0.005)
    assert json.loads(fact)["style"] == pytest.approx(math.log(0.25 / 0.75), abs=0.005)
    assert asked_about_nothing(verify) == ([], [])
    # What the recipe holds is as good as asking.
    again = Verify(PromptSet.load("default"))
    again.calibration.read(fact)
    assert asked_about_nothing(again) == ([], [])
    assert again.calibration.log_odds == pytest.approx(verify.calibration.log_odds, abs=1e-3)


def test_a_set_without_such_questions_asks_nothing():
    verify = Verify(PromptSet.load("compact"))
    assert asked_about_nothing(verify) == ([], [])
    assert verify.calibration.log_odds == {}


@pytest.mark.parametrize("answered", [1, 20, 47])
def test_cut_off_half_way_nothing_is_noted(answered):
    verify = Verify(PromptSet.load("default"))
    asked: list[Request] = []

    def answer(request: Request) -> Completion:
        asked.append(request)
        if len(asked) == answered:
            engine.cancel()
        return plain(request)

    engine = ScriptedEngine(answer)
    verify.calibrate(engine, pytest.fail)
    assert len(asked) == answered
    assert verify.calibration.log_odds == {}
    assert len(asked_about_nothing(verify)[0]) == 48  # by the next run


def test_what_does_not_fit_a_slot_is_no_answer():
    def answer(request: Request) -> Completion:
        if request.id == "nothing:3":
            return Completion(request.id, "", "too_long")
        return plain(request)

    verify = Verify(PromptSet.load("default"))
    verify.calibrate(ScriptedEngine(answer), pytest.fail)
    assert verify.calibration.log_odds == {}


def verdict(good: float, bad: float | None = None) -> Verdict:
    bad = 0.75 * (1 - good) if bad is None else bad
    return Verdict("role", "You are a cook.", "good", good, bad, 1 - good - bad)


@pytest.mark.parametrize(("said", "limit"), [(2.0, 0.7685), (-2.0, 0.2315), (0.5, 0.5744)])
def test_the_label_turns_where_nothing_would_be_even(said, limit):
    """`limit`: the probability whose log-odds are the share of what is said to nothing."""
    assert limit == pytest.approx(1 / (1 + math.exp(-SHARE * said)), abs=1e-4)
    calibration = Calibration({"role": said})
    below, above = (calibration.applied(verdict(limit + by)) for by in (-0.001, 0.001))
    assert (below.label, above.label) == ("bad", "good")
    assert below.good < 0.5 <= above.good
    assert calibration.applied(verdict(0.01, bad=0.1)).label == "none"


@pytest.mark.parametrize("said", [-20.0, -3.0, 3.0, 20.0])
def test_calibrated_probabilities_sum_to_one_and_keep_their_order(said):
    calibration = Calibration({"role": said})
    before = [0.0, 1e-9, 0.001, 0.2, 0.5, 0.8, 0.999, 1 - 1e-9, 1.0]
    after = [calibration.applied(verdict(p)) for p in before]
    assert [v.good + v.bad + v.none for v in after] == pytest.approx([1.0] * len(before))
    assert all(min(v.good, v.bad, v.none) >= 0 for v in after)
    good = [v.good for v in after]
    assert good == sorted(good)
    assert len(set(good)) >= 7  # beyond a millionth all are taken for equal
    some = calibration.applied(verdict(0.2))
    assert some.bad / some.none == pytest.approx(3)


def test_without_a_calibration_verdicts_stay():
    assert Calibration().applied(verdict(0.4)) == verdict(0.4)
    assert Calibration({"tool": 2.0}).applied(verdict(0.4)) == verdict(0.4)


def test_verdicts_are_calibrated_by_tag():
    verify = Verify(PromptSet.load("default"), calibration=Calibration({"role": 3.0}))
    result, _ = judge(verify, 0.8, 0.8, 0.6)
    assert [v.label == "good" for v in result.verdicts] == [False, True, True]
    assert result.verdicts[1].good == 0.8
    assert result.system == "Be brief. Use a list."


def test_the_recipe_knows_what_was_asked(tmp_path):
    own = tmp_path / "own"
    shutil.copytree(resource("prompts") / "default", own)
    before = Verify(PromptSet.load(str(own))).facts()
    text = (own / "nothing.toml").read_text().replace("N/A", "?")
    (own / "nothing.toml").write_text(text)
    assert Verify(PromptSet.load(str(own))).facts() != before
    assert "nothing" not in Verify(PromptSet.load("compact")).facts()
