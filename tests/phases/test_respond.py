"""Phase 4 without a model: the test answers its requests."""

from __future__ import annotations

import pytest

from sysgen_local.core.records import Conversation, Filtered, Generated, Row, Turn, Verified
from sysgen_local.engine.request import Completion, Request
from sysgen_local.phases.respond import Respond, looping
from sysgen_local.prompts import PromptSet

PROMPTS = PromptSet.load("default")
COMPACT = PromptSet.load("compact")


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
        ("Fine.<｜User｜>next", "stop", "markup"),
        ("Fine.<|turn>user", "stop", "markup"),
        ("Fine.assistantfinalFine.", "stop", "markup"),
        ("Fine.AssistantFinalFine.", "stop", "markup"),
        ("analysisWe need a number.", "stop", "empty"),
        ("Fine.</seed:think>", "stop", "markup"),
        ("<think>never done", "length", "cut_off"),
        ("", "too_long", "too_long"),
        ("why", "refused", "refused"),
        ("why", "failed", "failed"),
    ],
)
def test_what_is_no_answer_drops_the_row(text, finish, reason):
    result, _ = drive(Respond(PROMPTS), SINGLE, (text, finish))
    assert result.dropped == reason


@pytest.mark.parametrize(
    "text",
    [
        "analysisThe user wants a number. Four.assistantfinalFour.",
        "<seed:think>Twice two.</seed:think>Four.",
        "Here are my reasoning steps: twice two. [BEGIN FINAL RESPONSE] Four.",
        "[THINK]Twice two.[/THINK]Four.",
        "<|channel>thought\nTwice two.<channel|>Four.",
        "Twice two.\n</think>\n\nFour.",
    ],
)
def test_of_a_thought_nothing_gets_into_an_answer(text):
    result, _ = drive(Respond(PROMPTS), SINGLE, (text, "stop"))
    assert (result.turns[-1].content, result.dropped) == ("Four.", None)


@pytest.mark.parametrize("keep", [False, True])
@pytest.mark.parametrize("text", ["<think>Twice", "analysisThe user wants", "[THINK]Twice two"])
@pytest.mark.parametrize("finish", ["stop", "length"])
def test_a_thought_without_an_end_is_never_an_answer(keep, text, finish):
    result, _ = drive(Respond(PROMPTS, keep_truncated=keep), SINGLE, (text, finish))
    assert result.dropped == ("cut_off" if finish == "length" and not keep else "empty")
    assert result.turns[-1].content == text  # `show` tells what went wrong


def test_what_went_wrong_with_a_request_is_kept():
    result, _ = drive(Respond(PROMPTS), SINGLE, ("the server broke", "failed"))
    assert (result.dropped, result.why) == ("failed", "the server broke")


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


EGGS = (Turn("user", "She has 48 eggs and sells half of them. How many are left?"),
        Turn("assistant", "She sells 48/2 = <<48/2=24>>24, so 24 are left.\n#### 24"))  # fmt: skip
TALK = (Turn("user", "Why does it rain?"), Turn("assistant", "Drops fall down from clouds."))
CODE = (Turn("user", "How do I print 1?"), Turn("assistant", "So:\n```python\nprint(1)\n```"))


def shows_original(request: Request) -> bool:
    return "written without your instructions" in request.messages[-1].text


@pytest.mark.parametrize(
    ("shown", "seen"),
    [
        ("never", [False, False, False]),
        ("exact", [True, False, True]),
        ("always", [True, True, True]),
    ],
)
def test_where_the_original_answer_is_in_view(shown, seen):
    stage = Respond(PROMPTS, shown=shown)
    requests = [drive(stage, row(*turns), ("new", "stop"))[1][0] for turns in (EGGS, TALK, CODE)]
    assert [shows_original(request) for request in requests] == seen
    # A set that cannot show it does not.
    [request] = drive(Respond(COMPACT, shown=shown), row(*EGGS), ("new", "stop"))[1]
    assert [m.text for m in request.messages] == ["You are a cook.", EGGS[0].content]


def test_the_prompt_with_the_original_in_view():
    _, [request] = drive(Respond(PROMPTS, shown="exact"), row(*EGGS), ("new", "stop"))
    system, last = request.messages
    assert (system.role, system.text) == ("system", "You are a cook.")
    assert last.role == "user"
    # A calculator's notes are not shown.
    shown = "She sells 48/2 = 24, so 24 are left.\n#### 24"
    assert last.text.startswith(f"{EGGS[0].content}\n\n(A correct answer, written without")
    assert f":\n{shown}\n\n" in last.text
    assert last.text.endswith("You are a cook.)")
    trusted = "".join(segment.text for segment in last.content if segment.trusted)
    assert "cook" not in trusted
    assert "eggs" not in trusted


def test_what_was_said_before_stands_before_the_prompt_with_the_original():
    result, [_, request] = drive(
        Respond(PROMPTS, shown="exact"), row(*TALK, *EGGS), ("new 1", "stop"), ("new 2", "stop")
    )
    system, *before, last = request.messages
    assert system.role == "system"
    assert [(m.role, m.text) for m in before] == [
        ("user", TALK[0].content), ("assistant", "new 1"),
    ]  # fmt: skip
    assert last.text.startswith(EGGS[0].content)
    assert "#### 24" in last.text
    assert [turn.content for turn in result.turns[1::2]] == ["new 1", "new 2"]


def test_behind_a_tools_output_the_original_is_not_in_view():
    stage = Respond(PROMPTS, shown="always")
    _, requests = drive(stage, CALLS, ("new 1", "stop"), ("new 2", "stop"))
    assert [shows_original(request) for request in requests] == [False, True]


def test_the_recipe_knows_what_was_in_view():
    facts = [Respond(PROMPTS, shown=shown).facts() for shown in ("never", "exact", "always")]
    assert "shown" not in facts[0]  # as the recipes of 0.1.0
    assert "rewrite" not in facts[0]
    assert [f["shown"] for f in facts[1:]] == ["exact", "always"]
    assert facts[1]["rewrite"] == PROMPTS.fingerprint("rewrite") != ""


def test_a_row_that_does_not_fit_with_the_original_in_view_is_answered_without():
    stage = Respond(PROMPTS, shown="always")
    result, [first, second] = drive(stage, row(*EGGS), ("", "too_long"), ("24 eggs.", "stop"))
    assert [shows_original(request) for request in (first, second)] == [True, False]
    assert result.dropped is None
    assert result.turns[-1] == Turn("assistant", "24 eggs.")
    result, _ = drive(stage, row(*EGGS), ("", "too_long"), ("", "too_long"))
    assert result.dropped == "too_long"


def test_words_beside_calls_are_told_and_thoughts_are_not():
    call = Turn("function_call", '{"name":"f"}', thought="Which tool?", words="One moment.")
    answer = Turn("assistant", "old", thought="Now I know.")
    result, requests = drive(
        Respond(PROMPTS, shown="always"),
        row(Turn("user", "Q"), call, Turn("observation", "1", call="a1", name="f"), answer),
        ("new", "stop"),
    )
    told = "\n".join(message.text for message in requests[0].messages)
    assert 'One moment.\n{"name":"f"}' in told
    assert "Which tool?" not in told
    assert "Now I know." not in told
    assert result.turns[1] == call
    assert result.turns[-1] == Turn("assistant", "new")
