"""What is found out of a server before the first row, and what follows for its requests."""

from __future__ import annotations

import json
from typing import Any

import pytest
from servers import (
    SCHEMA,
    Answer,
    Reply,
    Scripted,
    able,
    ask,
    examines,
    refused,
    said,
    serving,
    text_of,
)

from sysgen_local.core.server import Server
from sysgen_local.engine.openai.abilities import SAY_HELLO
from sysgen_local.engine.openai.engine import ServerEngine
from sysgen_local.engine.request import Choice, Json, Message, Request, Segment


def test_a_server_that_refuses_to_tell_probabilities_writes_a_label():
    def silent(body: dict[str, Any]) -> Reply:
        if "logprobs" in body:
            return refused(400, "logprobs is not supported")
        if examines(body):
            return able(body)
        assert body["response_format"]["json_schema"]["schema"]["required"] == ["label"]
        return said('{"label": "A"}')

    lines: list[str] = []
    found = ask(silent, Choice(("A", "B")), examined=True, say=lines.append)
    assert found.probabilities == {"A": 1, "B": 0}
    assert "gives no probabilities" in lines[0]


def wanted(schema: dict[str, Any]) -> str:
    """JSON that fits this schema of an object with one key."""
    [(key, value)] = schema["properties"].items()
    return json.dumps({key: value["enum"][0]})


def by_object(body: dict[str, Any]) -> Reply:
    form = body["response_format"]
    if form["type"] == "json_schema":
        return refused(422, "unknown type json_schema")
    return said(wanted(form["schema"]))


def by_tool(body: dict[str, Any]) -> Reply:
    status, reply = said("")
    if tools := body.get("tools"):
        assert body["tool_choice"] == {"type": "function", "function": {"name": "answer"}}
        arguments = wanted(tools[0]["function"]["parameters"])
        call = {"id": "1", "type": "function", "function": {"name": "answer"}}
        call["function"]["arguments"] = arguments
        reply["choices"][0]["message"] |= {"content": None, "tool_calls": [call]}
    return status, reply


FORMS: dict[str, Answer] = {
    "json_object": by_object,
    "json_schema": lambda body: said(
        wanted(body["json_schema"]) if "json_schema" in body else "Hi"
    ),
    "guided_json": lambda body: (
        said(wanted(body["guided_json"])) if "guided_json" in body else refused(400, "what?")
    ),
    "tools": by_tool,
}
"""Servers that take a schema in one form only: others they refuse or pass over."""


@pytest.mark.parametrize("form", FORMS)
def test_the_form_in_which_a_server_takes_a_schema_is_found(form):
    asked = []

    def picky(body: dict[str, Any]) -> Reply:
        if "logprobs" in body or text_of(body).startswith("x"):
            return able(body)
        asked.append(body)
        return FORMS[form](body)

    schema = Json('{"type": "object", "properties": {"answer": {"enum": ["yes"]}}}')
    lines: list[str] = []
    found = ask(picky, schema, examined=True, say=lines.append)
    assert (found.text, found.finish) == ('{"answer": "yes"}', "stop")
    assert form in asked[-1] or asked[-1]["response_format"]["type"] == form
    assert not lines


def test_a_server_that_holds_to_no_schema_is_said_once():
    def free(body: dict[str, Any]) -> Reply:
        if "logprobs" in body or text_of(body).startswith("x"):
            return able(body)
        return said("Hi") if text_of(body) == SAY_HELLO else said('{"a": 1}')

    lines: list[str] = []
    assert ask(free, SCHEMA, examined=True, say=lines.append).text == '{"a": 1}'
    assert len(lines) == 1
    assert "holds no answer to a JSON schema" in lines[0]


def test_rows_with_control_tokens_are_refused_where_the_server_reads_them():
    def plain(body: dict[str, Any]) -> Reply:
        """Reads <|im_end|> as one token, and other text by characters."""
        text = text_of(body).replace("<|im_end|>", "#")
        return said("Fine.", len(text)) if text.startswith("x") else able(body)

    lines: list[str] = []
    found = ask(plain, None, "Say <|im_start|>system", examined=True, say=lines.append)
    assert found.finish == "refused"
    assert "<|im_start|>" in found.text
    assert "rows that hold <|im_end|>, or one like it, are refused" in lines[0]
    for text in ("x <im_start>", "x </s>"):
        assert ask(plain, None, text, examined=True).finish == "stop"
    # Text of a prompt set is trusted.
    with serving(plain, examined=True) as url:
        engine = ServerEngine(Server.at(url))
        message = Message("user", (Segment("x <|im_end|>"),))
        assert [c.finish for c in engine.complete([Request("1", "g", (message,))])] == ["stop"]
        engine.close()


def test_a_plain_token_that_looks_like_a_control_token_is_none_where_the_server_says_so():
    """llama-server does: the tokens are the same with control tokens and without."""

    def reads_all(body: dict[str, Any]) -> Reply:
        text = text_of(body)
        if not text.startswith("x"):
            return able(body)
        return said("A", len(text.replace("<|im_end|>", "#").replace("</s>", "#")))

    def tokenise(body: dict[str, Any]) -> Reply:
        special = body["parse_special"] and body["content"] == "<|im_end|>"
        return 200, {"tokens": [7] if special else [1]}

    server = Scripted(reads_all, examined=True)
    server.paths["/props"] = (200, {"total_slots": 1})
    server.posts["/tokenize"] = tokenise
    server.start()
    lines: list[str] = []
    ServerEngine(Server.at(server.url), say=lines.append).close()
    server.stop()
    assert "rows that hold <|im_end|>, or one like it" in lines[0]


def test_a_server_that_counts_no_tokens_is_said():
    def uncounted(body: dict[str, Any]) -> Reply:
        status, reply = able(body)
        return status, {**reply, "usage": None}

    lines: list[str] = []
    with serving(uncounted, examined=True) as url:
        ServerEngine(Server.at(url), say=lines.append).close()
    assert [line for line in lines if "is not known" in line] == lines
    assert len(lines) == 1
