"""What the model is asked and what the judge is shown, without a model: completions by hand."""

from __future__ import annotations

import json

from sysgen_local.engine.request import Completion, Json
from sysgen_local.evaluation.benchmarks.answer import Answer
from sysgen_local.evaluation.benchmarks.dialogues import Dialogue, DialogueTurn
from sysgen_local.evaluation.benchmarks.instances import Instance
from sysgen_local.evaluation.benchmarks.judging import AGAIN, TRIES, MultifacetJudge, SysBenchJudge
from sysgen_local.evaluation.benchmarks.questions import QuestionRecord
from sysgen_local.prompts import judge_prompt
from sysgen_local.store.evaluation import Answered

TURNS = (
    DialogueTurn("first question", "gold one", "aligned", (("role", "is a cook"),)),
    DialogueTurn("second question", "gold two", "misaligned", (("action", "a"), ("style", "b"))),
)
DIALOGUE = Dialogue("d", "dependent", "You are a cook.", TURNS)
INSTANCE = Instance.model_validate({
    "id": 7, "source": "koala", "system": "Be brief.", "prompt": "Why?", "reference_answer": "So.",
    "rubrics": [{"criteria": c, "score_descriptions": {"1": "bad", "5": "good"}} for c in "xy"],
})  # fmt: skip


def drive(work, answer):
    """Runs a stage's generator; returns its requests and its result."""
    seen = []
    try:
        requests = next(work)
        while True:
            seen += requests
            requests = work.send([answer(request) for request in requests])
    except StopIteration as end:
        return seen, end.value


def says(text, finish="stop"):
    return lambda request: Completion(request.id, text, finish, 5, 3, 0.1)


def spoken(request):
    return [(message.role, message.text) for message in request.messages]


def test_own_history_goes_on_with_what_the_model_said():
    seen, result = drive(
        Answer().work(QuestionRecord(1, DIALOGUE)), says("<think>hm</think> mine ")
    )
    assert result.replies == ("mine", "mine")
    assert spoken(seen[1]) == [
        ("system", "You are a cook."), ("user", "first question"), ("assistant", "mine"),
        ("user", "second question"),
    ]  # fmt: skip
    assert not any(segment.trusted for m in seen[1].messages for segment in m.content)


def test_gold_history_goes_on_with_what_the_dataset_says():
    seen, _ = drive(Answer(history="gold").work(QuestionRecord(1, DIALOGUE)), says("mine"))
    assert ("assistant", "gold one") in spoken(seen[1])


def test_the_system_message_in_the_user_turn():
    seen, _ = drive(Answer(system_in="user").work(QuestionRecord(1, DIALOGUE)), says("mine"))
    assert spoken(seen[1])[0] == ("user", "You are a cook.\n\nfirst question")
    assert spoken(seen[1])[2] == ("user", "second question")


def test_an_empty_or_cut_off_answer_is_judged_like_any_other():
    _, result = drive(Answer().work(QuestionRecord(1, DIALOGUE)), says("", "length"))
    assert result.replies == ("", "")
    assert result.finishes == ("length", "length")
    assert result.dropped is None


def test_a_dialogue_that_does_not_fit_ends_with_a_reason():
    _, result = drive(Answer().work(QuestionRecord(1, DIALOGUE)), says("", "too_long"))
    assert result.dropped == "too_long"


def verdict(request):
    properties = json.loads(request.constraint.schema)["properties"]
    if "score" in properties:
        return Completion(request.id, '{"reason":"r","score":"4"}', "stop", 5, 3, 0.1)
    marks = {name: "no" if name == "2" else "yes" for name in properties["verdicts"]["properties"]}
    text = json.dumps({"reason": "r", "verdicts": marks})
    return Completion(request.id, text, "stop", 5, 3, 0.1)


def test_every_turn_is_judged_with_what_was_said_before():
    case = QuestionRecord(1, DIALOGUE, Answered(("one", ""), ("stop", "stop")))
    judge = SysBenchJudge(judge_prompt("sysbench"))
    seen, result = drive(judge.work(case), verdict)
    assert result.marks == (("yes",), ("yes", "no"))
    assert result.reasons == ("r", "r")
    session = DIALOGUE.judged(result.marks)
    assert [turn.usable for turn in session.turns] == [True, False]
    assert len(seen) == 2
    shown = seen[1].messages[-1].text
    for text in ("You are a cook.", "first question", "one", "second question", "2. b | style"):
        assert text in shown
    assert isinstance(seen[1].constraint, Json)
    gold = SysBenchJudge(judge_prompt("sysbench"), gold_history=True)
    assert "gold one" in drive(gold.work(case), verdict)[0][1].messages[-1].text


def test_a_judge_that_is_cut_off_is_asked_again_and_then_counted():
    case = QuestionRecord(1, DIALOGUE, Answered(("one", "two"), ("stop", "stop")))
    judge = SysBenchJudge(judge_prompt("sysbench"))
    seen, result = drive(judge.work(case), says('{"reason":"and so on', "length"))
    assert len(seen) == 2 * TRIES
    assert [request.sampling for request in seen[2:]] == [AGAIN] * (2 * TRIES - 2)
    assert len({request.seed for request in seen}) == 2 * TRIES
    assert result.dropped == "judge_cut_off"
    assert result.reasons[0] == '{"reason":"and so on'


def test_one_reply_of_many_is_asked_again_alone():
    calls = []

    def answer(request):
        calls.append(request.id)
        return says("{", "length")(request) if len(calls) == 1 else verdict(request)

    case = QuestionRecord(1, DIALOGUE, Answered(("one", "two"), ("stop", "stop")))
    seen, result = drive(SysBenchJudge(judge_prompt("sysbench")).work(case), answer)
    assert len(seen) == 3
    assert result.dropped is None
    assert result.marks == (("yes",), ("yes", "no"))


def test_a_call_for_each_rubric_which_does_not_show_the_system_message():
    case = QuestionRecord(1, INSTANCE, Answered(("Because.",), ("stop",)))
    seen, result = drive(MultifacetJudge(judge_prompt("multifacet")).work(case), verdict)
    assert len(seen) == 2
    assert result.marks == (("4",), ("4",))
    assert "Be brief." not in seen[0].messages[-1].text
    rated = INSTANCE.judged(result.marks)
    assert (rated.id, rated.source, rated.mean) == ("7", "koala", 4)
    sees = MultifacetJudge(judge_prompt("multifacet"), sees_system=True)
    assert "Be brief.\nWhy?" in drive(sees.work(case), verdict)[0][0].messages[-1].text
