"""Phase 3 without a model."""

from __future__ import annotations

import pytest

from sysgen_local.engine.request import Choice, Completion
from sysgen_local.phases.verify import Verify
from sysgen_local.prompts import PromptSet
from sysgen_local.records import Conversation, Filtered, Phrase, Row, Turn

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
