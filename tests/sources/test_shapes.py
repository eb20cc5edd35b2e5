"""Every shape that is understood, and the reason for every row that is not."""

from __future__ import annotations

import json
import math
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sysgen_local.core.errors import UsageError
from sysgen_local.core.records import REPAIRS, Conversation, Reject, Turn
from sysgen_local.sources import REASONS, parse_map, shape
from sysgen_local.sources.reasons import UnusableError
from sysgen_local.sources.shapes import convert


def said(row: object, mapping=None) -> list[tuple[str, str]]:
    found = shape(row, 5, mapping)
    assert isinstance(found, Conversation), found
    assert found.line == 5
    return [(turn.role, turn.content) for turn in found.turns]


QA = [("user", "Q"), ("assistant", "A")]


@pytest.mark.parametrize(
    "row",
    [
        {"instruction": "Q", "output": "A"},
        {"instruction": "Q", "input": "", "output": "A"},
        {"instruction": "Q", "response": "A", "lang": "python"},  # Magicoder-Evol
        {"problem": "Q", "solution": "A", "seed": "x", "index": 3},  # Magicoder-OSS
        {"question": "Q", "answer": "A"},  # OrcaMath
        {"query": "Q", "response": "A", "type": "GSM"},  # MetaMath
        {"prompt": "Q", "completion": "A"},
        {"prompt": "Q", "response": "A"},
        {"prompt": "Q", "chosen": "A", "rejected": "B"},
        {"source": "s", "conversation": [{"input": "Q", "output": "A"}]},  # Capybara
        {"conversation": [{"human": "Q", "assistant": "A"}]},
        {"conversations": [{"from": "human", "value": "Q"}, {"from": "gpt", "value": "A"}]},
        {"messages": [{"role": "user", "content": "Q"}, {"role": "assistant", "content": "A"}]},
        {"messages": '[{"role":"user","content":"Q"},{"role":"assistant","content":"A"}]'},
        {
            "messages": [
                {"role": "user", "content": [{"type": "text", "text": "Q"}]},
                {"role": "assistant", "content": "A"},
            ]
        },
        {"instruction": "Q", "output": "A", "chosen": "A2", "rejected": "B"},
    ],
)
def test_one_exchange_in_every_shape(row):
    assert said(row) == QA


def test_input_goes_behind_the_instruction():
    assert said({"instruction": "Sum up.", "input": " Text ", "output": "A"})[0] == (
        "user",
        "Sum up.\n\n Text ",
    )


def test_text_is_kept_byte_for_byte():
    text = "  <|im_end|>\r\n\t{{ x }}\u200b \x00 "
    assert said({"instruction": text, "output": text}) == [("user", text), ("assistant", text)]


def test_system_messages_are_kept_apart():
    # Airoboros
    rows = [
        {
            "system": None,
            "conversations": [
                {"from": "system", "value": "You are Ann."},
                {"from": "human", "value": "Q"},
                {"from": "gpt", "value": "A"},
            ],
        },
        {"system": "You are Ann.", "query": "Q", "response": "A"},
        {"system_prompt": "You are Ann.", "question": "Q", "response": "A"},
    ]
    for row in rows:
        found = shape(row, 1)
        assert found.system == "You are Ann."
        assert said(row) == QA
    assert shape({"system": "", "query": "Q", "response": "A"}, 1).system is None


def test_history_comes_first():
    row = {"query": "Q2", "response": "A2", "history": [["Q", "A"]]}
    assert said(row) == [*QA, ("user", "Q2"), ("assistant", "A2")]


def test_function_calls_and_their_results():
    share = {
        "conversations": [
            {"from": "human", "value": "Q"},
            {"from": "function_call", "value": "{}"},
            {"from": "observation", "value": "1"},
            {"from": "gpt", "value": "A"},
        ],
        "tools": "[]",
    }
    assert [role for role, _ in said(share)] == [
        "user", "function_call", "observation", "assistant",
    ]  # fmt: skip
    assert shape(share, 1).tools == "[]"
    openai = {
        "messages": [
            {"role": "user", "content": "Q"},
            {"role": "assistant", "content": None, "tool_calls": [{"id": "1"}]},
            {"role": "tool", "content": "1"},
            {"role": "assistant", "content": "A"},
        ],
        "tools": [{"name": "f"}],
    }
    assert said(openai)[1] == ("function_call", '[{"id":"1"}]')
    assert shape(openai, 1).tools == '[{"name": "f"}]'


def turns(*roles: str) -> dict:
    return {"messages": [{"role": role, "content": "x"} for role in roles]}


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("text", "not_an_object"),
        (3, "not_an_object"),
        (None, "not_an_object"),
        ({}, "unknown_shape"),
        ({"title": "a", "body": "b"}, "unknown_shape"),
        ({"response": "A"}, "no_instruction"),
        ({"instruction": "Q"}, "no_answer"),
        ({"instruction": "Q", "output": ""}, "no_answer"),
        ({"instruction": "Q", "output": None}, "no_answer"),
        ({"instruction": " \n", "output": "A"}, "no_instruction"),
        ({"instruction": 3, "output": "A"}, "not_text"),
        ({"instruction": "Q", "output": {"a": 1}}, "not_text"),
        ({"instruction": "Q", "output": ["a"]}, "not_text"),
        ({"instruction": "Q", "output": True}, "not_text"),
        ({"query": "Q", "response": "A", "history": ["x"]}, "not_text"),
        ({"query": "<img>a.png</img>What?", "response": "A"}, "not_text"),
        ({"query": "Q", "response": "A", "images": ["a.png"]}, "not_text"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url"}]}]},
            "not_text",
        ),
        ({"messages": []}, "unknown_shape"),
        ({"messages": ["x"]}, "no_answer"),
        ({"messages": [3]}, "not_text"),
        (["Q", "A", "Q"], "not_an_object"),
        (["Q", 3], "not_an_object"),
        ([["Q", "A"], "Q"], "not_an_object"),
        ([None, None], "not_an_object"),
        (["Q", None], "no_answer"),
        (["Q", " "], "no_answer"),
        (["", "A"], "no_instruction"),
        ([None, "A"], "no_instruction"),
        ({"messages": "x"}, "not_text"),
        ({"messages": [{"text": "x"}]}, "unknown_shape"),
        ({"messages": [{"role": "narrator", "content": "x"}]}, "unknown_role"),
        (turns("user"), "no_answer"),
        (turns("assistant"), "bad_order"),
        (turns("user", "assistant", "assistant"), "bad_order"),
        (turns("system"), "no_instruction"),
    ],
)
def test_what_cannot_be_used_has_its_reason(row, reason):
    found = shape(row, 9)
    assert isinstance(found, Reject)
    assert (found.line, found.reason) == (9, reason)
    assert found.detail


ODD = [
    None, math.nan, "", "  ", [], {}, [None], {"a": None}, {"a": {"b": math.nan}}, [[], {}],
    Decimal("NaN"), Decimal("sNaN"), b"",
]  # fmt: skip
"""What pandas, Arrow and DuckDB put where there is nothing."""

PAIRED = [("instruction", "output"), ("instruction", "response"), ("question", "answer"),
          ("problem", "solution"), ("query", "response"), ("prompt", "completion"),
          ("prompt", "chosen"), ("user", "assistant"), ("human", "bot"), ("input", "output"),
          ("inputs", "targets"), ("Prompt", " Completion ")]  # fmt: skip


@pytest.mark.parametrize("nothing", ODD, ids=repr)
@pytest.mark.parametrize(("ask", "reply"), PAIRED)
def test_a_question_or_an_answer_with_nothing_in_it_is_named(ask, reply, nothing):
    for row, reason in (
        ({ask: "Q", reply: nothing}, "no_answer"),
        ({ask: nothing, reply: "A"}, "no_instruction"),
        ({ask: nothing, reply: nothing}, "no_instruction"),
        ({"id": 1, reply: nothing}, "no_answer"),
        ({ask: "Q", reply: nothing, "system": "S", "history": nothing}, "no_answer"),
    ):
        found = shape(row, 1)
        assert isinstance(found, Reject)
        assert found.reason == reason, row
    assert shape({"text": "T", "input": nothing}, 1).reason == "unknown_shape"
    assert shape({"text": "T", "prompt": nothing}, 1).detail == "prompt is empty"


def test_unknown_shapes_name_their_keys():
    assert shape({"title": 1, "body": 2}, 1).detail == "its keys are title, body"


def test_a_map_finds_what_keys_do_not_tell():
    row = {"ask": "Q", "data": {"reply": "A"}, "persona": "You are Ann."}
    mapping = parse_map("instruction=ask, answer=data.reply,system=persona")
    assert said(row, mapping) == QA
    assert shape(row, 1, mapping).system == "You are Ann."
    other = shape({"ask": "Q"}, 1, mapping)
    assert (other.reason, other.detail) == ("unknown_shape", "no data.reply; its keys are ask")
    assert said({"chatlog": [{"input": "Q", "output": "A"}]}, parse_map("messages=chatlog")) == QA


@pytest.mark.parametrize(
    "text", ["", "x", "instruction=a", "answer=b", "foo=a,answer=b", "answer="]
)
def test_a_map_that_says_nothing_is_refused(text):
    with pytest.raises(UsageError, match="--map"):
        parse_map(text)


OPTIONAL = {
    "pair": (
        {"instruction": "Q", "output": "A"},
        ["input", "context", "passage", "choices", "history", "system", "tools", "functions",
         "images", "answer", "solution", "reasoning", "chosen", "messages", "data", "question"],
    ),
    "question": (
        {"question": "Q", "answer": "A"},
        ["context", "choices", "options", "history", "system", "tools", "article", "solution",
         "rationale", "cot", "final_answer", "thinking", "audio", "rejected"],
    ),
    "list": (
        {"messages": [{"role": "user", "content": "Q"}, {"role": "assistant", "content": "A"}]},
        ["system", "tools", "functions", "images", "chosen", "completion", "conversation",
         "instruction", "weight", "context"],
    ),
}  # fmt: skip
TURN_KEYS = ["from", "value", "weight", "tool_calls", "function_call", "reasoning_content", "name",
             "thinking", "tool_call_id", "text", "words", "input", "output", "human"]  # fmt: skip


@pytest.mark.parametrize("nothing", ODD, ids=repr)
@pytest.mark.parametrize("kind", OPTIONAL)
def test_a_key_with_nothing_in_it_is_not_there(kind, nothing):
    row: Any
    row, keys = OPTIONAL[kind]
    padded = row | dict.fromkeys(keys, nothing)
    assert convert(padded, 5) == convert(row, 5)
    backwards = dict(reversed(padded.items()))
    assert convert(backwards, 5) == convert(row, 5)


@pytest.mark.parametrize("nothing", ODD, ids=repr)
def test_turns_padded_with_nothing_are_as_they_were(nothing):
    pads = dict.fromkeys(TURN_KEYS, nothing)
    theirs = dict.fromkeys(["role", "content", *TURN_KEYS[2:]], nothing)
    rows = [
        [pads | {"role": "user", "content": "Q"}, pads | {"role": "assistant", "content": "A"}],
        [theirs | {"from": "human", "value": "Q"}, theirs | {"from": "gpt", "value": "A"}],
        [theirs | {"role": "user", "value": "Q"}, theirs | {"role": "assistant", "value": "A"}],
        [dict.fromkeys(("role", "content"), nothing), pads | {"human": "Q", "assistant": "A"}],
        [pads | {"role": "user", "content": [{"type": "text", "text": "Q", "image_url": nothing}]},
         pads | {"role": "assistant", "content": [{"type": nothing, "text": "A"}]}],
    ]  # fmt: skip
    for messages in rows:
        assert said({"messages": messages}) == QA


@pytest.mark.parametrize(
    "row",
    [
        {"Instruction": "Q", " OUTPUT ": "A"},
        {"Query": "Q", "response ": "A"},
        {"Messages": [{"Role": "User", "Content": "Q"}, {"ROLE": "Assistant", "content ": "A"}]},
        {"question": "Q", "Answer": None, "answer": "A", "ANSWER": ""},
        {"question": "Q", "Answer": "other", "answer": "A"},
    ],
)
def test_keys_are_known_whatever_their_case_and_blanks(row):
    assert said(row) == QA


def test_keys_that_differ_in_case_alone_are_not_guessed_at():
    found = shape({"question": "Q", "Answer": "A", "ANSWER": "B"}, 1)
    assert (found.reason, "no text under answer" in found.detail) == ("no_answer", True)
    blank = shape({"Title ": "x", "body": None}, 1)
    assert blank.detail == "its keys are 'Title ', body (empty)"


USER, REPLY = {"role": "user", "content": "Q"}, {"role": "assistant", "content": "A"}
LIST = [USER, REPLY]


@pytest.mark.parametrize(
    "row",
    [
        LIST,
        ["Q", "A"],
        ("Q", "A"),
        [["Q", "A"]],
        [{"from": "human", "value": "Q"}, {"from": "gpt", "value": "A"}],
        {"conversation": json.dumps({"messages": LIST})},
        {"messages": " \n" + json.dumps(LIST)},
        {"messages": "\ufeff" + json.dumps(LIST)},
        {"messages": repr(LIST)},
        {"messages": repr(LIST).replace("}, {", "}\n {")},  # as NumPy prints it
        {"messages": f"array({LIST!r}, dtype=object)"},
        {"messages": repr(LIST).replace("'Q'", "'Q', 'weight': nan, 'at': Timestamp('2024')")},
        {"messages": [json.dumps(turn) for turn in LIST]},
        {"messages": tuple(LIST)},
        {"conversations": ["Q", "A"], "source": "x"},  # LIMA
        {"id": "1", "data": ["Q", "A"]},  # UltraChat
        {"dialog": ["Q", "A", "", None]},
        {"turns": LIST},
        {"conversation": [["Q", "A"]]},
        {"conversation": [{"user": "Q"}, {"assistant": "A"}]},
        {"prompt": [USER], "completion": [REPLY]},
        {"prompt": [USER], "chosen": [REPLY], "rejected": [USER]},
        {"prompt": "Q", "chosen": LIST, "rejected": [USER, USER]},  # UltraFeedback
        {"chosen": LIST, "rejected": LIST},
        {"prompt": "Q", "completion": [REPLY]},
        {"prompt": [USER], "completion": "A"},
        {"prompt": json.dumps([USER]), "completion": repr([REPLY])},
        {"conversations": [{"from": "human", "value": "Q"}],
         "chosen": {"from": "gpt", "value": "A"}, "rejected": {"from": "gpt", "value": "B"}},
        {"messages": [{"role": "user", "content": [{"type": "input_text", "text": "Q"}]},
                      {"role": "assistant", "content": [{"type": "output_text", "text": "A"}]}]},
        {"messages": [{"role": "user", "content": [{"text": "Q"}]},
                      {"role": "assistant", "content": ["A"]}]},
        {"input": "Q", "output": "A"},
        {"instruction": "", "input": "Q", "output": "A"},
        {"inputs": "Q", "targets": "A"},
        {"user": "Q", "assistant": "A"},
        {"question": "Q", "answers": {"text": ["A", "B"], "answer_start": [3, 9]}},  # SQuAD
        {"instruction": b"Q", "output": memoryview(b"A")},
    ],
)  # fmt: skip
def test_one_exchange_in_every_form(row):
    assert said(row) == QA


def test_images_in_a_turn_are_no_text():
    turn = {"role": "user", "content": "What is it?", "images": ["a.png"], "audio": None}
    found = shape({"messages": [turn, REPLY]}, 1)
    assert (found.reason, found.detail) == ("not_text", "turn 1 comes with images or sound")
    assert said({"messages": [turn | {"images": []}, REPLY]})[0] == ("user", "What is it?")


def test_text_that_looks_like_turns_stays_text():
    chat = json.dumps(LIST)
    assert said({"instruction": "Write a chat as JSON.", "output": chat})[1] == ("assistant", chat)
    assert said({"instruction": chat, "input": "x", "output": chat})[1] == ("assistant", chat)
    assert said({"prompt": "Write a chat.", "completion": chat})[1] == ("assistant", chat)


def test_literals_have_bounds():
    for text in ("[" * 5000, "[" + "-" * 100_000 + "1]", "['x'] * 10**9", "[__import__('os')]",
                 "[" + "'x'," * 400_000 + "]", "{'a': 1", "[1 for x in y]", "[x.y()]"):  # fmt: skip
        found = shape({"messages": text}, 1)
        assert (found.reason, found.detail) == (
            "not_text", "messages is a string, no list of turns"
        )  # fmt: skip


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (date(2024, 5, 1), "2024-05-01"),
        (datetime(2024, 5, 1, 10, 30), "2024-05-01T10:30:00"),
        (time(10, 30), "10:30:00"),
        (Decimal("2.10"), "2.10"),
        (Decimal("1E+3"), "1000"),
        ("Grüße".encode(), "Grüße"),
    ],
)
def test_dates_decimals_and_bytes_are_text(value, shown):
    rows = [
        {"instruction": "Q", "output": value},
        {"instruction": "Q", "input": value, "output": "A"},
        {"messages": [USER, {"role": "assistant", "content": value}]},
    ]
    assert said(rows[0])[1] == ("assistant", shown)
    assert said(rows[1])[0] == ("user", f"Q\n\n{shown}")
    assert said(rows[2])[1] == ("assistant", shown)
    broken = shape({"instruction": "Q", "output": b"\xff"}, 1)
    assert (broken.reason, broken.detail) == ("not_text", "output holds bytes that are no UTF-8")


@pytest.mark.parametrize(
    ("more", "asked"),
    [
        ({"context": "Mount Velk."}, "Q\n\nMount Velk."),
        ({"passage": "Mount Velk.", "context": ""}, "Q\n\nMount Velk."),
        ({"context": ["One.", "Two."]}, "Q\n\nOne.\n\nTwo."),
        ({"context": {"title": "T", "n": [1]}}, 'Q\n\n{"title": "T", "n": [1]}'),
        ({"article": "It was a dark and stormy night."}, "Q\n\nIt was a dark and stormy night."),
        ({"document": "doc_12.pdf", "documents": None}, "Q"),
        ({"input": 42}, "Q\n\n42"),
        ({"input": ["pear", "fig"]}, 'Q\n\n["pear", "fig"]'),
        ({"input": False}, "Q\n\nfalse"),
        ({"context": "C.", "input": "I."}, "Q\n\nC.\n\nI."),
        ({"choices": ["red", "blue"]}, "Q\n\nA. red\nB. blue"),
        ({"options": '["red", "blue"]'}, "Q\n\nA. red\nB. blue"),
        ({"choices": ["A) red", "B) blue"]}, "Q\n\nA) red\nB) blue"),
        ({"choices": {"text": ["red", "blue"], "label": ["1", "2"]}}, "Q\n\n1. red\n2. blue"),
        ({"choices": {"A": "red", "B": 7, "C": None}}, "Q\n\nA. red\nB. 7"),
        ({"choices": [{"label": "X", "text": "red"}]}, "Q\n\nX. red"),
        ({"choices": "red or blue"}, "Q\n\nred or blue"),
    ],
)
def test_nothing_is_dropped_that_the_answer_depends_on(more, asked):
    for ask, reply in (("instruction", "output"), ("question", "answer"), ("prompt", "response")):
        assert said({ask: "Q", reply: "A", **more}) == [("user", asked), ("assistant", "A")]


def test_what_is_in_the_question_already_is_not_said_twice():
    row = {"question": "Q, of Mount Velk.", "context": "Mount Velk.", "answer": "A"}
    assert said(row)[0] == ("user", "Q, of Mount Velk.")
    both = {"instruction": "Answer.", "question": "How high?", "output": "A"}
    assert said(both)[0] == ("user", "Answer.\n\nHow high?")


def test_a_number_as_answer_means_a_choice_where_there_are_choices():
    row = {"question": "Q", "choices": ["red", "blue"], "answer": 1}
    assert said(row)[1] == ("assistant", "B. blue")
    assert said({"question": "Q", "answer": 42})[1] == ("assistant", "42")


WORKED = "Add the two numbers: $2+3=5$. So it is $\\boxed{5}$."


@pytest.mark.parametrize("result", ["5", "proof", "notfound", Decimal("5.0"), 5, "x = 5"])
@pytest.mark.parametrize(
    "keys",
    [("problem", "solution", "answer"), ("question", "rationale", "answer"),
     ("question", "response", "answer"), ("problem", "generated_solution", "expected_answer"),
     ("instruction", "output", "answer"), ("question", "cot", "answer"),
     ("question", "solution", "final_answer")],
)  # fmt: skip
def test_the_worked_solution_is_the_answer_and_the_result_is_kept(keys, result):
    ask, worked, short = keys
    found = shape({short: result, ask: "Q", worked: WORKED}, 1)
    assert [turn.content for turn in found.turns] == ["Q", WORKED]
    assert found.result == str(result)


def test_a_long_answer_stays_the_answer():
    long = "Two and three make five, as one sees by counting on the fingers of one hand, or so."
    found = shape({"question": "Q", "answer": long, "cot": WORKED}, 1)
    assert (found.turns[1].content, found.turns[1].thought, found.result) == (long, WORKED, None)
    other = shape({"problem": "Q", "solution": "5", "answer": long}, 1)
    assert other.turns[1].content == long


@pytest.mark.parametrize(
    ("roles", "kept", "repairs"),
    [
        ("assistant user assistant", "user assistant", ["greeting"]),
        ("system assistant user assistant", "user assistant", ["greeting"]),
        ("user user assistant", "user assistant", ["joined"]),
        ("user user user assistant", "user assistant", ["joined", "joined"]),
        ("user assistant system user assistant", "user assistant user assistant", ["system_amid"]),
        ("user system assistant", "user assistant", ["system_amid"]),
        ("user assistant system", "user assistant", ["system_last"]),
        ("user assistant user", "user assistant", ["unanswered"]),
        ("user assistant user user", "user assistant", ["joined", "unanswered"]),
        ("system developer user assistant", "user assistant", []),
        ("user assistant tool", None, "no_answer"),
        ("user assistant tool assistant", "user function_call observation assistant", []),
        ("user function_call tool", None, "no_answer"),
        ("user function_call user assistant", None, "bad_order"),
        ("user function_call tool user assistant", None, "bad_order"),
        ("user function_call system tool assistant", None, "bad_order"),
        ("user assistant assistant", None, "bad_order"),
        ("assistant", None, "bad_order"),
        ("assistant user", None, "no_answer"),
        ("system user", None, "no_answer"),
    ],
)
def test_conversations_as_people_have_them(roles, kept, repairs):
    messages = [{"role": r, "content": f"{r} {n}"} for n, r in enumerate(roles.split(), 1)]
    found = shape({"messages": messages}, 1)
    if kept is None:
        assert (found.reason, bool(found.detail)) == (repairs, True)
        return
    assert [turn.role for turn in found.turns] == kept.split()
    assert [repair.kind for repair in found.repairs] == repairs
    assert all(repair.kind in REPAIRS for repair in found.repairs)
    # Every text is in a turn, in the system message, or in what was said to be left out.
    left = [found.system or "", *(turn.content for turn in found.turns)]
    left += [repair.text for repair in found.repairs]
    for message in messages:
        assert any(message["content"] in text for text in left)


def test_where_what_was_mended_goes():
    joined = shape({"messages": [USER, {"role": "user", "content": "Q2"}, REPLY]}, 1)
    assert joined.turns[0].content == "Q\n\nQ2"
    order = [
        USER,
        REPLY,
        {"role": "system", "content": "S"},
        {"role": "user", "content": "Q2"},
        REPLY,
    ]
    assert shape({"messages": order}, 1).turns[2].content == "S\n\nQ2"
    again = [{"role": "system", "content": "S"}, *order]
    found = shape({"messages": again}, 1)
    assert (found.system, found.turns[2].content) == ("S", "Q2")
    assert [repair.kind for repair in found.repairs] == ["system_again"]
    both = [{"role": "system", "content": "S"}, {"role": "developer", "content": "D"}, *LIST]
    assert shape({"messages": both}, 1).system == "S\n\nD"
    assert shape({"system": "R", "messages": both}, 1).system == "R\n\nS\n\nD"
    long = [{"role": "assistant", "content": "x" * 301}, *LIST]
    assert (
        shape({"messages": long}, 1).detail == "the assistant speaks first, and it is no greeting"
    )


CALL = {"id": "a1", "type": "function", "function": {"name": "f", "arguments": '{"x": null}'}}
CALLED = '{"id": "a1", "name": "f", "arguments": {"x": null}}'


@pytest.mark.parametrize(
    ("turn", "content", "words"),
    [
        ({"tool_calls": [CALL]}, CALLED, ""),
        ({"tool_calls": CALL, "content": "Wait."}, CALLED, "Wait."),
        ({"tool_calls": json.dumps([CALL]), "content": [{"text": "Wait."}]}, CALLED, "Wait."),
        ({"tool_calls": repr([CALL])}, CALLED, ""),
        ({"tool_calls": [CALL, None, CALL]}, f"[{CALLED}, {CALLED}]", ""),
        ({"function_call": {"name": "f", "arguments": "{}"}}, '{"name": "f", "arguments": {}}', ""),
        ({"tool_calls": [{"name": "f", "arguments": {"x": None, "y": ""}}]},
         '{"name": "f", "arguments": {"y": ""}}', ""),
        ({"tool_calls": [{"name": "f", "at": datetime(2024, 6, 1, 19, 30)}]},
         '{"name": "f", "arguments": {"at": "2024-06-01T19:30:00"}}', ""),
        ({"tool_calls": [{"name": "f", "arguments": "not JSON"}]},
         '{"name": "f", "arguments": "not JSON"}', ""),
        ({"content": [{"type": "text", "text": "Wait."},
                      {"type": "tool_use", "id": "a1", "name": "f", "input": {"x": 1}}]},
         '{"id": "a1", "name": "f", "arguments": {"x": 1}}', "Wait."),
        ({"tool_calls": [{"id": "1"}]}, '[{"id":"1"}]', ""),
    ],
)  # fmt: skip
def test_calls_keep_ids_names_arguments_and_the_words_beside_them(turn, content, words):
    result = {"role": "tool", "content": "rain"}
    found = shape({"messages": [USER, {"role": "assistant", **turn}, result, REPLY]}, 1)
    _, call, answer, _ = found.turns
    assert (call.role, call.content, call.words) == ("function_call", content, words)
    assert answer == Turn("observation", "rain", "", "", *(
        ("a1", "f") if '"a1"' in content else ("", "f" if '"f"' in content else "")
    ))  # fmt: skip


def test_words_in_a_turn_of_their_own_stand_beside_the_call():
    wait = {"role": "assistant", "content": "One moment."}
    calls = {"role": "assistant", "content": "", "tool_calls": [CALL]}
    result = {"role": "tool", "tool_call_id": "a1", "content": {"sky": "grey"}}
    found = shape({"messages": [USER, wait, calls, result, REPLY]}, 1)
    assert [turn.role for turn in found.turns] == [
        "user",
        "function_call",
        "observation",
        "assistant",
    ]
    assert (found.turns[1].words, found.turns[2].content) == ("One moment.", '{"sky": "grey"}')
    assert found.repairs == ()


def test_results_are_those_of_the_calls_at_their_place():
    rows = ["function_call", "observation", "observation"]
    values = ['[{"name": "f"}, {"name": "g", "id": 7}]', "rain", ""]
    middle = [{"from": by, "value": value} for by, value in zip(rows, values, strict=True)]
    found = shape({"conversations": [USER, *middle, REPLY]}, 1)
    assert [(t.content, t.call, t.name) for t in found.turns[2:4]] == [
        ("rain", "", "f"),
        ("", "7", "g"),
    ]
    legacy = [USER, {"role": "assistant", "function_call": {"name": "f", "arguments": "{}"}},
              {"role": "function", "name": "f", "content": "fog"}, REPLY]  # fmt: skip
    row = {"messages": legacy, "functions": [{"name": "f", "parameters": None}]}
    found = shape(row, 1)
    assert found.turns[2] == Turn("observation", "fog", "", "", "", "f")
    assert found.tools == '[{"type": "function", "function": {"name": "f"}}]'


@pytest.mark.parametrize(
    ("tools", "kept"),
    [
        ([{"name": "f", "p": {"a": "x", "b": None}}], '[{"name": "f", "p": {"a": "x"}}]'),
        ([{"name": "f", "p": {"b": {"c": None}}}, None], '[{"name": "f"}]'),
        ([{"name": "f", "p": {}}], '[{"name": "f", "p": {}}]'),
        ([{"since": datetime(2024, 5, 1), "price": Decimal("2.50")}],
         '[{"since": "2024-05-01T00:00:00", "price": 2.5}]'),
        ('[{"name":"f","b":null}]', '[{"name": "f"}]'),
        ('[{"name":"f"}]', '[{"name":"f"}]'),
        ("[{'name': 'f', 'b': None}]", '[{"name": "f"}]'),
        ("f(x): says x", "f(x): says x"),
    ],
)  # fmt: skip
def test_tools_have_no_padding(tools, kept):
    assert shape({"messages": LIST, "tools": tools}, 1).tools == kept


THOUGHT = "They want a time.\n\nSeven."


@pytest.mark.parametrize(
    "turn",
    [
        {"content": "A", "reasoning_content": THOUGHT},
        {"content": "A", "thinking": THOUGHT},
        {"content": "A", "reasoning": THOUGHT},
        {"content": [{"type": "thinking", "thinking": THOUGHT}, {"type": "text", "text": "A"}]},
        {"content": [{"type": "reasoning", "text": THOUGHT}, {"text": "A"}]},
        {"content": f"<think>\n{THOUGHT}\n</think>\n\nA"},
        {"content": f"\n<thinking>{THOUGHT}</thinking>A"},
        {"content": f"{THOUGHT}\n</think>\n\nA"},
        {"content": f"[THINK]{THOUGHT}[/THINK]A"},
        {"content": f"<|begin_of_thought|>\n{THOUGHT}\n<|end_of_thought|>\n\n"
                    "<|begin_of_solution|>\nA\n<|end_of_solution|>"},
    ],
)  # fmt: skip
def test_thoughts_are_kept_apart_from_answers(turn):
    found = shape({"messages": [USER, {"role": "assistant", **turn}]}, 1)
    assert found.turns[1] == Turn("assistant", "A", THOUGHT)
    if isinstance(turn["content"], str):
        keys = {key: value for key, value in turn.items() if key != "content"}
        pair = shape({"question": "Q", "response": turn["content"], **keys}, 1)
        assert pair.turns == found.turns


@pytest.mark.parametrize(
    "turn",
    [{"content": "", "reasoning_content": THOUGHT}, {"content": f"<think>\n{THOUGHT}"},
     {"content": f"<think>{THOUGHT}</think>"}, {"content": None, "thinking": THOUGHT}],
)  # fmt: skip
def test_a_thought_alone_is_no_answer(turn):
    found = shape({"messages": [USER, {"role": "assistant", **turn}]}, 1)
    assert (found.reason, found.detail) == ("no_answer", "turn 2 holds a thought and no answer")


def test_tags_that_are_talked_of_are_no_thoughts():
    for text in ("Write <think> first.", "The tag <think>x</think> is read so.", "a < b"):
        assert said({"instruction": "Q", "output": text})[1] == ("assistant", text)


@pytest.mark.parametrize("value", [LIST, json.dumps(LIST), " " + repr(LIST)])
def test_a_map_leads_to_turns_in_any_form(value):
    mapping = parse_map("messages=log,system=sys,input=doc")
    found = shape({"log": value, "sys": None, "doc": "Text."}, 1, mapping)
    assert [t.content for t in found.turns] == ["Q\n\nText.", "A"]
    assert found.system is None


@pytest.mark.parametrize(
    ("value", "reason", "detail"),
    [(None, "no_instruction", "log is empty"), ("", "no_instruction", "log is empty"),
     (4, "not_text", "log is a number, no list of turns"),
     ("hello", "not_text", "log is a string, no list of turns")],
)  # fmt: skip
def test_a_map_to_no_turns_says_so(value, reason, detail):
    found = shape({"log": value}, 1, parse_map("messages=log"))
    assert (found.reason, found.detail) == (reason, detail)


def test_a_map_names_what_the_answer_depends_on():
    mapping = parse_map("instruction=q,answer=a,input=i,context=c,choices=o,history=h,reasoning=r")
    row = {"q": "Q", "a": "A", "i": 42, "c": "C", "o": ["x", "y"], "h": [["H", "G"]], "r": "T"}
    found = shape(row, 1, mapping)
    assert [t.content for t in found.turns] == ["H", "G", "Q\n\nC\n\n42\n\nA. x\nB. y", "A"]
    assert found.turns[-1].thought == "T"
    assert said({"q": "Q", "a": "A"}, mapping) == QA
    assert shape({"Q": "Q", "a": ""}, 1, mapping).detail == "a is empty"


json_like = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(
        st.sampled_from(
            ["messages", "role", "content", "from", "value", "instruction", "output", "input",
             "system", "history", "tools", "images", "conversation", "x"]
        ) | st.text(max_size=4),
        inner,
        max_size=5,
    ),
    max_leaves=20,
)  # fmt: skip


odd = st.one_of(
    json_like,
    st.sampled_from(ODD),
    st.sampled_from(["[", "[{", "{'a':", "[nan]", "[[1]]", "<think>", "<image>", "null", "NaN",
                     '["x"]', "[{'role': 'user'}]", '{"role": "tool"}', "array([])"]),
    st.binary(max_size=3), st.decimals(), st.dates(), st.datetimes(), st.times(),
    st.timedeltas(), st.uuids(), st.complex_numbers(), st.sets(st.integers(), max_size=2),
    st.dictionaries(st.integers() | st.none() | st.tuples(st.text(max_size=2)),
                    st.text(max_size=2), max_size=2),
    st.integers(min_value=10**30, max_value=10**31),
)  # fmt: skip


@given(json_like)
def test_no_row_is_too_odd(row):
    same(row)


@settings(deadline=None)
@given(st.sampled_from(sorted(OPTIONAL)), st.data())
def test_odd_values_in_optional_keys_end_no_run(kind, data):
    row, keys = OPTIONAL[kind]
    more = data.draw(st.dictionaries(st.sampled_from(keys), odd, max_size=3))
    same(row | more)
    if kind == "list":
        keys = [*TURN_KEYS, "role", "content"]
        turn = data.draw(st.dictionaries(st.sampled_from(keys), odd, max_size=3))
        same({"messages": [USER, turn, REPLY]})
        same({"messages": [USER, REPLY | turn]})


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(["a", "b", "c", "d"]), odd))
def test_odd_values_under_a_map_end_no_run(row):
    same(row, parse_map("instruction=a,answer=b,input=c,choices=d,system=d"))
    same(row, parse_map("messages=a.b,tools=c,context=d"))


def same(row: object, mapping=None) -> None:
    """The row is read or refused, without the net that catches faults of ours, and what is read
    can be stored."""
    found: Conversation | UnusableError
    try:
        found = convert(row, 1, mapping)
    except UnusableError as reject:
        found = reject
    if isinstance(found, UnusableError):
        assert found.reason in REASONS
        assert found.detail
        assert shape(row, 1, mapping) == Reject(1, found.reason, found.detail)
        return
    assert shape(row, 1, mapping) == found
    assert all(type(text) is str for turn in found.turns for text in turn)
    assert found.turns[0].role == "user"
    assert found.turns[-1].role == "assistant"
    for text in (found.system, found.tools, found.result):
        assert text is None or type(text) is str


def test_a_row_nested_without_end_is_refused():
    deep: object = "x"
    for _ in range(100_000):
        deep = [deep]
    for row in ({"messages": deep}, {"instruction": "Q", "output": "A", "input": deep}, deep):
        found = shape(row, 1)
        assert isinstance(found, Reject)


@pytest.mark.parametrize(
    ("row", "turns"),
    [
        ({"problem": "P", "solution": "None.", "answer": "notfound"}, ("P", "None.")),
        ({"problem": "P", "solution": "It is 2 + 3.", "answer": "5"}, ("P", "It is 2 + 3.")),
        ({"problem": "P", "answer": "5"}, ("P", "5")),
        ({"question": "The noun of prove?", "answer": "proof"}, ("The noun of prove?", "proof")),
        ({"messages": "[]", "instruction": "Q", "output": "A"}, ("Q", "A")),
        ({"instruction": "Q", "output": "A", "history": "[[]]"}, ("Q", "A")),
        ({"instruction": "Q", "output": "A", "history": "null"}, ("Q", "A")),
        ({"question": "In 12 parts?", "context": "12", "answer": "No."},
         ("In 12 parts?\n\n12", "No.")),
        ({"question": "Which?", "choices": "['red' 'cat']", "answer": 0},
         ("Which?\n\nA. red\nB. cat", "A. red")),
        ({"question": "Which?", "A": "red", "B": "cat", "answer": "B"},
         ("Which?\n\nA. red\nB. cat", "B")),
        ({"question": "Which?", "choices": ["red", "cat"], "answer": 1.0},
         ("Which?\n\nA. red\nB. cat", "B. cat")),
        ({"question": "Which?", "a": "not a choice", "answer": "B"}, ("Which?", "B")),
        ({"instruction": "Sum up.", "background": "It rained for a whole week.", "output": "Wet."},
         ("Sum up.\n\nIt rained for a whole week.", "Wet.")),
        ({"instruction": "Q", "output": "Close it with `</think>` and go on."},
         ("Q", "Close it with `</think>` and go on.")),
        ({"instruction": "Q", "output": "<think> is a mark."}, ("Q", "<think> is a mark.")),
    ],
)  # fmt: skip
def test_nothing_of_a_row_is_lost_or_taken_for_another(row, turns):
    made = shape(row, 1)
    assert isinstance(made, Conversation), made
    assert tuple(turn.content for turn in made.turns) == turns


@pytest.mark.parametrize("thought", [["one", "two"], {"text": "one\ntwo"}, "one\ntwo"])
@pytest.mark.parametrize("form", ["pair", "messages"])
def test_a_thought_in_steps_or_in_an_object_is_kept(thought, form):
    row = {"instruction": "Q", "output": "A", "reasoning_content": thought}
    if form == "messages":
        turns = [{"role": "user", "content": "Q"}]
        turns += [{"role": "assistant", "content": "A", "reasoning_content": thought}]
        row = {"messages": turns}
    made = shape(row, 1)
    assert isinstance(made, Conversation), made
    assert made.turns[-1] == Turn("assistant", "A", "one\ntwo")


@pytest.mark.parametrize("row", [{"problem": "P", "answer": "notfound"},
                                 {"problem": "P", "solution": "", "answer": "proof"}])  # fmt: skip
def test_a_mark_in_place_of_a_result_is_no_answer(row):
    made = shape(row, 1)
    assert isinstance(made, Reject)
    assert made.reason == "no_answer"


@pytest.mark.parametrize(
    "marked",
    [
        "<|channel|>analysis<|message|>Twice two.<|end|><|start|>assistant"
        "<|channel|>final<|message|>",
        "analysisTwice two.assistantfinal",
        "AnalysisTwice two.AssistantFinal",
        "<mm:think>Twice two.</mm:think>",
        "<|START_THINKING|>Twice two.<|END_THINKING|><|START_RESPONSE|>",
        "Here are my reasoning steps:\nTwice two.\n[BEGIN FINAL RESPONSE]\n",
    ],
)
def test_thoughts_of_old_answers_are_those_of_every_family(marked):
    made = shape({"instruction": "Q", "output": f"{marked}Four.\n"}, 1)
    assert isinstance(made, Conversation), made
    answer = made.turns[-1]
    assert answer.content.strip() == "Four."
    assert answer.thought == "Twice two."
