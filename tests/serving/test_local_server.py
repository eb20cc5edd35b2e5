"""A server of the loopback waits at its end for what it is answering."""

from __future__ import annotations

import http.client
import json
import threading
from http import HTTPStatus

import pytest

from sysgen_local.core.errors import UsageError
from sysgen_local.serving.local_server import LocalHandler, LocalServer


class Slow(LocalServer):
    command = "sysgen slow"

    def __init__(self, port=0):
        super().__init__(Handler, port=port)
        self.begun, self.free = threading.Event(), threading.Event()


class Handler(LocalHandler):
    server: Slow
    statuses = ((UsageError, HTTPStatus.IM_A_TEAPOT),)

    def read(self, path, query):
        if path == ["refuse"]:
            raise UsageError("no", hint="later")
        self.server.begun.set()
        self.server.free.wait(30)
        return {"path": path, "query": query}

    def write(self, path, query, body):
        raise IndexError(path)


def ask(server, path, answers, method="GET"):
    con = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=30)
    body = "{}" if method == "POST" else None
    con.request(method, path, body, {"Authorization": f"Bearer {server.token}"})
    answer = con.getresponse()
    answers.append((answer.status, json.loads(answer.read())))


@pytest.fixture
def server():
    with Slow() as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield server
        server.free.set()
        server.shutdown()


def test_the_end_waits_for_an_answer(server):
    answers: list[tuple[int, object]] = []
    asking = threading.Thread(target=ask, args=(server, "/a/b?c=1", answers))
    asking.start()
    assert server.begun.wait(30)
    server.shutdown()
    closing = threading.Thread(target=server.server_close)
    closing.start()
    closing.join(0.3)
    assert closing.is_alive()
    server.free.set()
    closing.join(30)
    asking.join(30)
    assert not closing.is_alive()
    assert answers == [(200, {"path": ["a", "b"], "query": {"c": ["1"]}})]
    with server.answering() as answers_now:
        assert not answers_now


def test_errors_have_a_status_and_a_sentence(server):
    answers: list[tuple[int, object]] = []
    ask(server, "/refuse", answers)
    ask(server, "/gone", answers, "POST")
    assert answers == [
        (418, {"error": "no\n  -> later"}), (404, {"error": "there is nothing there"}),
    ]  # fmt: skip


def test_a_port_that_is_taken_is_a_sentence(server):
    with pytest.raises(UsageError, match=f"port {server.server_port} cannot be had"):
        Slow(server.server_port)
