"""The engine over servers that do less than they should: scripted ones, for what the real one of
`test_server.py` never does."""

from __future__ import annotations

import json
import ssl
import subprocess
import sys
import time
from threading import Timer
from types import SimpleNamespace
from typing import Any

import openai
import pytest
from servers import (
    SCHEMA,
    Answer,
    Reply,
    able,
    ask,
    examines,
    refused,
    said,
    serving,
    text_of,
)

from sysgen_local.core.errors import SysgenError, UsageError
from sysgen_local.core.server import Address, Server
from sysgen_local.engine.openai import errors
from sysgen_local.engine.openai.engine import ServerEngine
from sysgen_local.engine.request import Choice, Message, Request, Segment
from sysgen_local.workflows.models import find_model


@pytest.fixture(autouse=True)
def _at_once(monkeypatch):
    """No long pauses."""
    monkeypatch.setattr("sysgen_local.engine.openai.governor.LONGEST_PAUSE", 0.01)
    monkeypatch.setattr("sysgen_local.engine.openai.engine.RETRY_PAUSE", 0.001)
    monkeypatch.setattr("sysgen_local.engine.openai.engine.LONGEST_RETRY_PAUSE", 0.01)


def test_a_server_that_tells_no_probabilities_writes_a_label():
    def thinks(body: dict[str, Any]) -> Reply:
        return said('{"label": "B"}' if "response_format" in body else "Well")

    found = ask(thinks, Choice(("A", "B")))
    assert (found.text, found.finish) == ("B", "stop")
    assert found.probabilities == {"A": 0, "B": 1}
    assert (found.tokens_in, found.tokens_out) == (20, 4)


def test_an_answer_in_which_no_label_can_be_read_is_none():
    found = ask(lambda body: said("I would rather not"), Choice(("A", "B")))
    assert (found.finish, found.probabilities) == ("refused", None)


def test_a_prompt_that_is_too_long_does_not_change_how_schemas_are_sent():
    ways = []

    def strict(body: dict[str, Any]) -> Reply:
        ways.append(body["response_format"]["type"])
        if len(body["messages"][0]["content"]) > 100:
            return refused(400, "maximum context length is 10 tokens")
        return said("{}")

    with serving(strict) as url:
        engine = ServerEngine(Server.at(url), slots=1)
        requests = [
            Request(str(i), "g", (Message("user", (Segment("x" * n),)),), SCHEMA)
            for i, n in enumerate((200, 5))
        ]
        assert [c.finish for c in engine.complete(requests)] == ["too_long", "stop"]
        engine.close()
    assert ways[-1] == "json_schema"


@pytest.mark.parametrize(
    ("status", "kind", "words"),
    [
        (401, UsageError, "wants a key"),
        (404, UsageError, "has no model m"),
        (402, SysgenError, "answered 402"),
        (405, SysgenError, "answered 405"),
        (501, SysgenError, "answered 501"),
        (429, SysgenError, "no more requests"),
        (503, SysgenError, "answered 503"),
    ],
)
def test_what_is_wrong_is_one_sentence(status, kind, words):
    with pytest.raises(kind, match=words):
        ask(lambda body: refused(status, "no"), None)


def test_a_model_that_was_left_open_is_named_by_its_server():
    with serving(lambda body: said("")) as url:
        [address] = find_model(url).addresses
    assert address == Address(url, "m")


def test_a_process_ends_though_an_answer_never_comes():
    def never(body: dict[str, Any]) -> Reply:
        time.sleep(5)
        return said("late")

    code = """
import sys, threading
from sysgen_local.engine.request import Message, Request, Segment
from sysgen_local.core.server import Server
from sysgen_local.engine.openai.engine import ServerEngine
engine = ServerEngine(Server.at(sys.argv[1]))
threading.Timer(0.5, engine.cancel).start()
assert not list(engine.complete([Request("1", "g", (Message("user", (Segment("Hi"),)),))]))
engine.close()
"""
    with serving(never) as url:
        command = [sys.executable, "-c", code, url]
        subprocess.run(command, check=True, timeout=60)


def test_a_line_break_within_a_string_of_json_is_read():
    found = ask(lambda _: said('{"reason":"one\ntwo","score":3}'), SCHEMA)
    assert json.loads(found.text) == {"reason": "one\ntwo", "score": 3}
    assert ask(lambda _: said("no\nJSON"), SCHEMA).text == "no\nJSON"


def ask_all(
    answer: Answer,
    texts: list[str],
    constraint=None,
    say=lambda line: None,
    patience: float = 5,
    examined: bool = False,
):
    """Completions by text, of a server that is asked one at a time."""
    with serving(answer, examined=examined) as url:
        engine = ServerEngine(Server.at(url), slots=1, patience=patience, say=say)
        requests = [
            Request(text, "g", (Message("user", (Segment(text),)),), constraint) for text in texts
        ]
        try:
            return {c.id: c for c in engine.complete(requests)}
        finally:
            engine.close()


@pytest.mark.parametrize(
    ("odd", "finish", "words"),
    [
        (lambda: refused(500, "CUDA error in one kernel"), "failed", "CUDA error in one kernel"),
        (lambda: refused(400, "invalid grammar"), "refused", "invalid grammar"),
        (lambda: refused(422, "not valid"), "refused", "not valid"),
        (lambda: refused(413, "request too large"), "too_long", ""),
        (lambda: (200, {"error": "slot unavailable"}), "failed", "slot unavailable"),
        (lambda: (200, {"choices": []}), "failed", "no message"),
    ],
)
@pytest.mark.parametrize("constraint", [None, SCHEMA, Choice(("yes", "no"))])
@pytest.mark.parametrize("texts", [["odd", "a", "b"], ["a", "odd", "b"]])
def test_what_a_server_makes_of_one_request_is_that_ones(odd, finish, words, constraint, texts):
    fine = '{"label": "yes"}' if constraint else "Fine."
    found = ask_all(lambda b: odd() if text_of(b) == "odd" else said(fine), texts, constraint)
    assert found["odd"].finish == finish
    assert words in found["odd"].text
    assert {found[x].finish for x in "ab"} == {"stop"}


@pytest.mark.parametrize("constraint", [None, SCHEMA])
def test_what_would_hit_every_request_is_said_at_the_first(constraint):
    asked = []

    def strict(body: dict[str, Any]) -> Reply:
        asked.append(text_of(body))
        return refused(400, "Unrecognized request argument supplied: seed")

    with pytest.raises(UsageError, match=r"refuses what it is asked.*argument supplied: seed"):
        ask_all(strict, [str(i) for i in range(50)], constraint)
    assert set(asked) == {"0", "Say yes."}


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_server_that_fails_for_a_while_is_waited_for(status):
    lines: list[str] = []
    left = [5]

    def recovers(body: dict[str, Any]) -> Reply:
        left[0] -= 1
        return refused(status, "loading") if left[0] >= 0 else said("Fine.")

    found = ask_all(recovers, ["a", "b"], say=lines.append)
    assert {c.finish for c in found.values()} == {"stop"}
    assert lines
    assert "asked again in" in lines[0]


def test_a_server_that_fails_for_good_ends_the_run_in_one_sentence():
    with pytest.raises(SysgenError, match=r"answered 500: .*out of memory"):
        ask_all(lambda _: refused(500, "out of memory"), ["a", "b"])


def test_a_server_may_name_how_long_to_wait():
    response: Any = SimpleNamespace(request=None, status_code=429, headers={"retry-after": "7"})
    error = openai.RateLimitError("slow down", response=response, body=None)
    assert errors.retry_after(error) == 7
    response.headers["retry-after"] = "Sun, 06 Nov 1994 08:49:37 GMT"
    assert errors.retry_after(error) == 0
    assert errors.retry_after(ValueError()) == 0


def test_a_wait_ends_when_the_work_is_broken_off(monkeypatch):
    monkeypatch.setattr("sysgen_local.engine.openai.governor.LONGEST_PAUSE", 60)
    started = time.monotonic()
    with serving(lambda _: refused(503, "loading")) as url:
        engine = ServerEngine(Server.at(f"{url}#m"), slots=2)
        Timer(0.5, engine.cancel).start()
        message = Message("user", (Segment("Hi"),))
        assert not list(engine.complete([Request("1", "g", (message,))]))
        engine.close()
    assert time.monotonic() - started < 30  # it would have waited for an hour


def test_a_thought_before_json_or_a_label_is_none_of_it():
    thought = "<think>Let me see: {1}.</think>"
    assert json.loads(ask(lambda _: said(f"{thought}\n{{}}"), SCHEMA).text) == {}

    def thinks(body: dict[str, Any]) -> Reply:
        return said(f'{thought}{{"label": "B"}}' if "response_format" in body else "<think>")

    assert ask(thinks, Choice(("A", "B"))).text == "B"


@pytest.mark.parametrize("constraint", [None, SCHEMA, Choice(("A", "B"))])
def test_thinking_is_switched_off_and_a_schema_is_strict(constraint):
    bodies = []

    def fine(body: dict[str, Any]) -> Reply:
        bodies.append(body)
        return said('{"label": "A"}')

    lines: list[str] = []
    ask_all(fine, ["a", "b"], constraint, lines.append)
    assert len(bodies) >= 2
    assert all(b["chat_template_kwargs"] == {"enable_thinking": False} for b in bodies)
    schemas = [b["response_format"] for b in bodies if "response_format" in b]
    assert bool(schemas) == (constraint is not None)
    assert all(s["type"] == "json_schema" and s["json_schema"]["strict"] is True for s in schemas)
    assert not lines


@pytest.mark.parametrize("status", [400, 422])
@pytest.mark.parametrize("also", ["nothing", "schemas", "probabilities", "a long row"])
@pytest.mark.parametrize("constraint", [None, SCHEMA, Choice(("A", "B"))])
def test_a_server_that_refuses_the_switch_is_asked_without_it(status, also, constraint):
    """Whatever else it refuses: found at the first request, said once, left out from then on."""
    bodies = []

    def strict(body: dict[str, Any]) -> Reply:
        bodies.append(body)
        if "chat_template_kwargs" in body:
            return refused(status, "Unrecognized request argument: chat_template_kwargs")
        if also == "schemas" and body.get("response_format", {}).get("type") == "json_schema":
            return refused(422, "unknown type json_schema")
        if also == "probabilities" and "logprobs" in body:
            return refused(400, "logprobs is not supported")
        if also == "a long row" and text_of(body) == "a":
            return refused(400, "maximum context length is 10 tokens")
        return able(body) if examines(body) else said('{"label": "A"}')

    lines: list[str] = []
    found = ask_all(strict, ["a", "b", "c"], constraint, lines.append, examined=True)
    ended = {name: completion.finish for name, completion in found.items()}
    first = "too_long" if also == "a long row" else "stop"
    assert ended == {"a": first, "b": "stop", "c": "stop"}
    assert len(lines) == 1 + (also == "probabilities")
    assert "chat_template_kwargs" in lines[0]
    assert not any("chat_template_kwargs" in b for b in bodies if text_of(b) == "c")


def test_what_is_refused_for_another_reason_does_not_cost_the_switch():
    bodies = []

    def picky(body: dict[str, Any]) -> Reply:
        bodies.append(body)
        return refused(400, "not this one") if text_of(body) == "odd" else said("Fine.")

    lines: list[str] = []
    found = ask_all(picky, ["odd", "a", "odd too", "b"], None, lines.append)
    assert found["odd"].finish == "refused"
    assert "chat_template_kwargs" in bodies[-1]
    assert not lines


def thinking(**message: Any) -> Reply:
    status, body = said("")
    body["choices"][0]["message"] |= message
    top = [{"token": "A", "logprob": 0.0, "bytes": None}]
    first = {"token": "A", "logprob": 0.0, "bytes": None, "top_logprobs": top}
    body["choices"][0]["logprobs"] = {"content": [first]}
    return status, body


@pytest.mark.parametrize(
    "message",
    [
        {"content": None, "reasoning_content": "A user"},
        {"content": "", "reasoning": "A user"},
        {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "A user"}]}]},
    ],
)
def test_a_thought_in_a_place_of_its_own_is_no_answer_and_no_label(message):
    assert ask(lambda _: thinking(**message), None).text == ""

    def thinks(body: dict[str, Any]) -> Reply:
        return said('{"label": "B"}') if "response_format" in body else thinking(**message)

    found = ask(thinks, Choice(("A", "B")))
    assert (found.text, found.probabilities) == ("B", {"A": 0, "B": 1})


@pytest.mark.parametrize("key", ["reasoning_content", "reasoning"])
def test_an_answer_beside_a_thought_is_the_answer_alone(key):
    message = {"content": "Four.", key: "Twice two."}
    assert ask(lambda _: thinking(**message), None).text == "Four."
    parts = [{"type": "thinking", "thinking": []}, {"type": "text", "text": "Four."}]
    assert ask(lambda _: thinking(content=parts), None).text == "Four."


@pytest.mark.parametrize("text", ["<think>", "analysis", "Analysis", "An", "<|channel|>", "Both"])
def test_the_beginning_of_a_thought_is_no_label(text):
    def thinks(body: dict[str, Any]) -> Reply:
        return said('{"label": "B"}' if "response_format" in body else text)

    assert ask(thinks, Choice(("A", "B"))).text == "B"


@pytest.mark.parametrize("usage", [{}, {"total_tokens": 3}, {"prompt_tokens": None}])
def test_a_count_of_tokens_that_is_missing_costs_no_row(usage):
    def uncounted(body: dict[str, Any]) -> Reply:
        status, reply = said("Fine.")
        return status, {**reply, "usage": usage}

    found = ask(uncounted, None)
    assert (found.finish, found.tokens_in, found.tokens_out) == ("stop", 0, 0)


@pytest.mark.parametrize(
    ("details", "decoded"),
    [
        (None, None),
        ({}, None),
        ({"cached_tokens": None}, None),
        ({"cached_tokens": 0}, 10),
        ({"cached_tokens": 7}, 3),
        ({"cached_tokens": 99}, 0),
        ({"cached_tokens": -1}, 10),
    ],
)
def test_what_the_server_had_in_its_cache_is_not_counted_as_decoded(details, decoded):
    def counted(text: str) -> Reply:
        status, reply = said(text, tokens=10)
        return status, {**reply, "usage": {**reply["usage"], "prompt_tokens_details": details}}

    assert ask(lambda _: counted("Fine."), None).tokens_decoded == decoded
    # A label that the first token does not tell takes a second request.
    found = ask(
        lambda body: counted('{"label": "B"}' if "response_format" in body else "Both"),
        Choice(("A", "B")),
    )
    assert (found.text, found.tokens_in) == ("B", 20)
    assert found.tokens_decoded == (None if decoded is None else 2 * decoded)


@pytest.mark.parametrize("url", ["http://one/" + "x" * 70_000, "http://one\x01/v1"])
def test_what_is_no_url_is_one_sentence(url):
    with pytest.raises(UsageError, match="is not the address of a server"):
        ServerEngine(Server.at(url))


def test_a_certificate_that_is_not_trusted_is_said():
    error = openai.APIConnectionError(request=None)
    error.__cause__ = ssl.SSLCertVerificationError(
        "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: self-signed certificate"
    )
    found = errors.to_sysgen_error("https://one/v1", "m", error, "KEY")
    assert isinstance(found, UsageError)
    assert "the certificate of https://one/v1 is not trusted" in found.message
    assert found.hint is not None
    assert "SSL_CERT_FILE" in found.hint
