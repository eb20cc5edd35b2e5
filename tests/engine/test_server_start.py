"""Servers that load, hang, are off, or are none, when a run begins."""

from __future__ import annotations

import socket
import threading
import time
from typing import Any

import pytest
from servers import (
    Counting,
    Reply,
    Scripted,
    able,
    engine_of,
    refused,
    requests,
    said,
    scripted,
    serving,
    text_of,
)

from sysgen_local.core.errors import SysgenError, UsageError
from sysgen_local.core.server import Server
from sysgen_local.engine.openai import client, governor, pool
from sysgen_local.engine.openai.engine import ServerEngine
from sysgen_local.engine.openai.pool import look


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch):
    monkeypatch.setattr(governor, "LONGEST_PAUSE", 0.3)


def test_a_server_that_is_not_there_at_the_start_is_used_once_it_is(free_port):
    a, b = Counting(0.02), Counting(0.02)
    lines: list[str] = []
    with scripted({"a": a, "b": b}) as servers:
        servers["b"].stop()
        engine = engine_of(servers, lines, slots=2)
        assert "(does not answer)" in engine.description
        found = 0
        for _ in engine.complete(requests(120)):
            found += 1
            if found == 20:
                servers["b"].start()
        engine.close()
    assert found == 120
    assert b.asked.total() > 10


@pytest.mark.parametrize(
    ("models", "named", "said_of"),
    [
        ((404, {"error": "no"}), "", "is no OpenAI-compatible address"),
        ((200, b"<html>Welcome</html>"), "", "no OpenAI-compatible address"),
        ((200, {"data": []}), "", "lists no model"),
        ((200, {"data": [{"id": "qwen-7b"}, {"id": "phi-4"}]}), "#qwen-7", "it has qwen-7b"),
        ((401, {"error": "key"}), "", "wants a key"),
    ],
)
def test_an_address_that_cannot_be_used_is_one_sentence(models, named, said_of):
    server = Scripted(lambda body: said(""))
    server.paths["/v1/models"] = models
    server.start()
    with pytest.raises(UsageError) as caught:
        ServerEngine(Server.at(server.url + named))
    assert said_of in f"{caught.value.message} {caught.value.hint}"
    server.stop()


def llama_server(answer) -> Scripted:
    """One that is known by its weights and its file, as llama-server is."""
    server = Scripted(answer)
    server.models = [{"id": "m", "meta": {"n_params": 7}}]
    server.paths["/props"] = (200, {"model_path": "/m/m.gguf"})
    server.start()
    return server


LOADING = refused(503, "Loading model")


def test_a_server_that_loads_its_model_again_has_no_other_model():
    """llama-server lists the model at once, without what it tells of the weights later."""
    server, found = llama_server(Counting()), []
    lines: list[str] = []
    engine = ServerEngine(Server.at(server.url), slots=1, say=lines.append)

    def loaded() -> None:
        server.models = [{"id": "m", "meta": {"n_params": 7}}]
        server.paths["/props"] = (200, {"model_path": "/m/m.gguf"})

    for completion in engine.complete(requests(20)):
        found.append(completion)
        if len(found) == 5:
            server.stop()
            server.models = [{"id": "m", "meta": None}]
            server.paths["/props"] = LOADING
            server.start()
            threading.Timer(0.5, loaded).start()
    engine.close()
    server.stop()
    assert {c.finish for c in found} == {"stop"}
    assert len(found) == 20
    assert not any("another model" in line for line in lines)


def test_what_a_server_has_is_not_told_while_it_loads():
    server = llama_server(Counting())
    server.models = [{"id": "m", "meta": None}]
    server.paths["/props"] = LOADING
    with pytest.raises(SysgenError, match="Loading model"):
        look(Server.at(server.url))
    server.stop()


def test_a_server_that_never_answers_a_chat_is_looked_at_once(monkeypatch):
    monkeypatch.setattr(client, "TIMEOUT", 0.3)
    asked, over = [], threading.Event()

    def silent(body: dict[str, Any]) -> Reply:
        asked.append(text_of(body))
        over.wait(20)
        return said("late")

    with serving(silent, examined=True) as url:
        with pytest.raises(SysgenError, match="did not answer in time"):
            ServerEngine(Server.at(url), patience=0)
        over.set()
    assert len(asked) == 1


@pytest.fixture
def unreachable():
    """The address of a machine that answers no attempt to connect, as one that is off."""
    with socket.socket() as full, socket.socket() as first:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        first.connect(full.getsockname())
        yield f"http://127.0.0.1:{full.getsockname()[1]}/v1"


def test_a_machine_that_is_off_is_one_that_cannot_be_reached(unreachable, monkeypatch):
    monkeypatch.setattr(client, "LOOK_TIMEOUT", 0.3)
    monkeypatch.setattr(pool, "START", 0.5)
    started = time.monotonic()
    with pytest.raises(SysgenError, match="cannot be reached"):
        ServerEngine(Server.at(unreachable), patience=30)
    assert time.monotonic() - started < 15


def test_the_start_does_not_wait_for_a_server_where_another_one_answers():
    lines: list[str] = []
    with scripted({"a": Counting(0.02), "b": Counting(0.02)}) as servers:
        servers["a"].paths["/v1/models"] = LOADING
        started = time.monotonic()
        engine = engine_of(servers, lines, slots=1, patience=30)
        assert time.monotonic() - started < 15
        assert f"{servers['a'].url} (does not answer)" in engine.description
        del servers["a"].paths["/v1/models"]
        assert len(list(engine.complete(requests(150)))) == 150
        engine.close()
    assert f"{servers['a'].url} answers again" in lines


def test_a_server_that_gets_another_model_while_it_is_looked_at_is_refused():
    servers: list[Scripted] = []

    def changes(body: dict[str, Any]) -> Reply:
        servers[0].models = [{"id": "n"}]
        return able(body)

    servers.append(Scripted(changes, examined=True))
    servers[0].start()
    with pytest.raises(UsageError, match="serves another model: n instead of m"):
        ServerEngine(Server.at(servers[0].url))
    servers[0].stop()
