"""Phase 4 without a model: the test answers its requests."""

from __future__ import annotations

import pytest

from sysgen_local.engine.request import Completion
from sysgen_local.phases.respond import Respond, looping
from sysgen_local.prompts import PromptSet
from sysgen_local.records import Conversation, Filtered, Generated, Row, Turn, Verified

PROMPTS = PromptSet.load("default")


def row(*turns: Turn) -> Row:
    row = Row(7, Conversation(turns, 1), Generated(), Filtered())
    return row.after("verify", Verified(system="You are a cook."))


SINGLE = row(Turn("user", "Q"), Turn("assistant", "old"))
CALLS = row(
    Turn("user", "Q1"),
    Turn("function_call", '{"name":"f"}'),
    Turn("observation", '{"x":1}'),
    Turn("assistant", "old 1"),
    Turn("user", "Q2"),
    Turn("assistant", "old 2"),
)


def drive(stage: Respond, row: Row, *answers: tuple[str, str]):
    """The result, and the requests that were made."""
    work, requests = stage.work(row), []
    [request] = next(work)
    for text, finish in answers:
        requests.append(request)
        try:
            [request] = work.send([Completion(request.id, text, finish, 5, 3, 0.1)])
        except StopIteration as end:
            return end.value, requests
    raise AssertionError("it asked for more")


def test_one_turn():
    result, [request] = drive(Respond(PROMPTS), SINGLE, (" A new answer. ", "stop"))
    assert result.turns == (Turn("user", "Q"), Turn("assistant", "A new answer."))
    assert result.dropped is None
    assert result.cost.tokens_out == 3
    assert [(m.role, m.text) for m in request.messages] == [
        ("system", "You are a cook."), ("user", "Q"),
    ]  # fmt: skip
    assert not any(s.trusted for m in request.messages for s in m.content)


def test_function_calls_stay_and_later_turns_see_the_new_answers():
    result, requests = drive(Respond(PROMPTS), CALLS, ("new 1", "stop"), ("new 2", "stop"))
    assert [t.content for t in result.turns if t.role == "assistant"] == ["new 1", "new 2"]
    assert result.turns[1:3] == CALLS.conversation.turns[1:3]
    assert [m.role for m in requests[1].messages] == [
        "system", "user", "assistant", "user", "assistant", "user",
    ]  # fmt: skip
    assert requests[1].messages[4].text == "new 1"
    assert len({r.seed for r in requests}) == 2


def test_only_the_first_turn():
    result, requests = drive(Respond(PROMPTS, turns="first"), CALLS, ("new 1", "stop"))
    assert [t.content for t in result.turns if t.role == "assistant"] == ["new 1", "old 2"]
    assert len(requests) == 1


@pytest.mark.parametrize(
    ("text", "finish", "reason"),
    [
        ("It goes on and", "length", "cut_off"),
        ("", "stop", "empty"),
        (" - ", "stop", "empty"),
        ("<think>hm</think>\n", "stop", "empty"),
        ("ok " * 50, "stop", "looping"),
        ("Keep the costs clear for a day. " * 3, "stop", "looping"),
        ("Fine.<|im_start|>user", "stop", "markup"),
        ("Fine. [INST] next", "stop", "markup"),
        ("<think>never done", "length", "cut_off"),
        ("", "too_long", "too_long"),
        ("why", "refused", "refused"),
    ],
)
def test_what_is_no_answer_drops_the_row(text, finish, reason):
    result, _ = drive(Respond(PROMPTS), SINGLE, (text, finish))
    assert result.dropped == reason


def test_a_cut_off_answer_may_be_kept():
    result, _ = drive(Respond(PROMPTS, keep_truncated=True), SINGLE, ("It goes on", "length"))
    assert result.dropped is None


def test_thoughts_never_reach_a_result():
    result, _ = drive(Respond(PROMPTS), SINGLE, ("<think>\nlet me see\n</think>\n\nYes.", "stop"))
    assert result.turns[-1].content == "Yes."


@pytest.mark.parametrize(
    "text",
    [
        "| a | b | c |\n| --- | --- | --- |\n" + "| 1 | 2 | 3 |\n| 4 | 5 | 6 |\n" * 3,
        "\n".join(f"{i}. Step number {i} is done." for i in range(1, 30)),
        "Row, row, row your boat,\nGently down the stream.\nMerrily, merrily, merrily, merrily,\n"
        "Life is but a dream.",
        ", ".join(str(n) for n in range(200)),
        "0 0 0 0 0 0 0 0 0 0 0 1",
        "for i in range(10):\n    print(i)\n" * 2,
        "The cat sat. The dog sat. The bird sat. The fish swam.",
        "",
    ],
)
def test_lists_tables_and_poems_do_not_loop(text):
    assert not looping(text)


@pytest.mark.parametrize(
    "text",
    [
        "the the " * 20,
        "and so on, " * 12,
        "啊" * 200,
        "I see the cat and the dog and " * 9,
        "x" * 400,
    ],
)
def test_what_loops(text):
    assert looping(text)
