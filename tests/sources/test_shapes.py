"""Every shape that is understood, and the reason for every row that is not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sysgen_local.errors import UsageError
from sysgen_local.records import Conversation, Reject
from sysgen_local.sources import REASONS, parse_map, shape


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
        ({"messages": ["x"]}, "not_text"),
        ({"messages": [{"text": "x"}]}, "unknown_shape"),
        ({"messages": [{"role": "narrator", "content": "x"}]}, "unknown_role"),
        (turns("user"), "no_answer"),
        (turns("assistant"), "bad_order"),
        (turns("user", "user", "assistant"), "bad_order"),
        (turns("user", "assistant", "assistant"), "bad_order"),
        (turns("user", "assistant", "system", "user", "assistant"), "bad_order"),
        (turns("system"), "no_instruction"),
    ],
)
def test_what_cannot_be_used_has_its_reason(row, reason):
    found = shape(row, 9)
    assert isinstance(found, Reject)
    assert (found.line, found.reason) == (9, reason)
    assert found.detail


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


@given(json_like)
def test_no_row_is_too_odd(row):
    found = shape(row, 1)
    assert isinstance(found, Conversation) or found.reason in REASONS
