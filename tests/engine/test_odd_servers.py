"""The engine over servers that do less than they should: scripted ones, for what the real one of
`test_server.py` never does."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Barrier, Thread
from typing import Any

import pytest

from sysgen_local import passes
from sysgen_local.engine.request import Choice, Completion, Json, Message, Request, Segment
from sysgen_local.engine.server import ServerEngine
from sysgen_local.errors import SysgenError, UsageError
from sysgen_local.models import Server, locate

Answer = Callable[[dict[str, Any]], tuple[int, dict[str, Any]]]
SCHEMA = Json('{"type": "object"}')


@contextmanager
def serving(answer: Answer) -> Iterator[str]:
    """Its address: a server that lists the model `m` and answers a chat as `answer` says."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._send(200, {"object": "list", "data": [{"id": "m", "object": "model"}]})

        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            self._send(*answer(json.loads(self.rfile.read(length))))

        def _send(self, status: int, body: dict[str, Any]) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(json.dumps(body).encode())

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/v1"
        server.shutdown()


def said(text: str) -> tuple[int, dict[str, Any]]:
    choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant"}}
    choice["message"]["content"] = text
    usage = {"prompt_tokens": 10, "completion_tokens": 2, "total_tokens": 12}
    return 200, {"id": "1", "object": "chat.completion", "choices": [choice], "usage": usage}


def refused(status: int, why: str) -> tuple[int, dict[str, Any]]:
    return status, {"error": {"message": why, "type": "x", "code": None}}


def ask(answer: Answer, constraint: Choice | Json | None, text: str = "Hello") -> Completion:
    with serving(answer) as url:
        engine = ServerEngine(url, slots=1)
        message = Message("user", (Segment(text),))
        [found] = engine.complete([Request("1", "g", (message,), constraint)])
        engine.close()
        return found


@pytest.fixture(autouse=True)
def _at_once(monkeypatch):
    monkeypatch.setattr("sysgen_local.engine.server.RETRIES", 0)


def test_a_server_that_tells_no_probabilities_writes_a_label():
    def thinks(body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        return said('{"label": "B"}' if "response_format" in body else "Well")

    found = ask(thinks, Choice(("A", "B")))
    assert (found.text, found.finish) == ("B", "stop")
    assert found.probabilities == {"A": 0, "B": 1}
    assert (found.tokens_in, found.tokens_out) == (20, 4)


def test_a_server_that_refuses_to_tell_probabilities_writes_a_label():
    def silent(body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        if "logprobs" in body:
            return refused(400, "logprobs is not supported")
        assert body["response_format"]["json_schema"]["schema"]["required"] == ["label"]
        return said('{"label": "A"}')

    assert ask(silent, Choice(("A", "B"))).probabilities == {"A": 1, "B": 0}


def test_an_answer_in_which_no_label_can_be_read_is_none():
    found = ask(lambda body: said("I would rather not"), Choice(("A", "B")))
    assert (found.finish, found.probabilities) == ("refused", None)


def test_the_older_way_to_send_a_schema_is_found_by_all_that_ask_at_once():
    together = Barrier(2, timeout=10)

    def older(body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        if body["response_format"]["type"] == "json_schema":
            together.wait()  # both are under way before either is refused
            return refused(422, "unknown type json_schema")
        return said("{}")

    with serving(older) as url:
        engine = ServerEngine(url, slots=2)
        message = Message("user", (Segment("Hello"),))
        requests = [Request(str(i), "g", (message,), SCHEMA) for i in range(2)]
        assert [c.finish for c in engine.complete(requests)] == ["stop", "stop"]
        engine.close()


def test_a_prompt_that_is_too_long_does_not_change_how_schemas_are_sent():
    ways = []

    def strict(body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        ways.append(body["response_format"]["type"])
        if len(body["messages"][0]["content"]) > 100:
            return refused(400, "maximum context length is 10 tokens")
        return said("{}")

    with serving(strict) as url:
        engine = ServerEngine(url, slots=1)
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
        (429, SysgenError, "no more requests"),
        (503, SysgenError, "answered 503"),
    ],
)
def test_what_is_wrong_is_one_sentence(status, kind, words):
    with pytest.raises(kind, match=words):
        ask(lambda body: refused(status, "no"), None)


def test_a_model_that_was_left_open_is_named_by_its_server():
    with serving(lambda body: said("")) as url:
        assert passes.named(locate(url)) == Server(url, "m")
    assert passes.named(locate(f"{url}#other")) == Server(url, "other")  # nobody is asked


def test_a_process_ends_though_an_answer_never_comes():
    def never(body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        time.sleep(5)
        return said("late")

    code = """
import sys, threading
from sysgen_local.engine.request import Message, Request, Segment
from sysgen_local.engine.server import ServerEngine
engine = ServerEngine(sys.argv[1])
threading.Timer(0.5, engine.cancel).start()
assert not list(engine.complete([Request("1", "g", (Message("user", (Segment("Hi"),)),))]))
engine.close()
"""
    with serving(never) as url:
        command = [sys.executable, "-c", code, url]
        subprocess.run(command, check=True, timeout=4)


def test_a_line_break_within_a_string_of_json_is_read():
    found = ask(lambda _: said('{"reason":"one\ntwo","score":3}'), SCHEMA)
    assert json.loads(found.text) == {"reason": "one\ntwo", "score": 3}
    assert ask(lambda _: said("no\nJSON"), SCHEMA).text == "no\nJSON"
