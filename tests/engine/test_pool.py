"""One model behind several servers, of which some fail: scripted ones, for what real ones do only
by chance. Real ones are in tests/cli/test_llama_servers.py."""

from __future__ import annotations

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
    examines,
    refused,
    requests,
    said,
    scripted,
    text_of,
)

from sysgen_local.core.errors import SysgenError, UsageError
from sysgen_local.core.server import Server
from sysgen_local.engine.openai import governor
from sysgen_local.engine.openai.engine import ServerEngine
from sysgen_local.engine.request import Message, Request, Segment


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch):
    monkeypatch.setattr(governor, "LONGEST_PAUSE", 0.3)


def test_requests_are_shared_and_each_is_answered_once():
    a, b = Counting(), Counting()
    with scripted({"a": a, "b": b}) as servers:
        engine = engine_of(servers, [], slots=3)
        found = [c.id for c in engine.complete(requests(60))]
        engine.close()
    assert sorted(found, key=int) == [str(n) for n in range(60)]
    assert set((a.asked + b.asked).values()) == {1}
    assert min(a.asked.total(), b.asked.total()) > 15
    assert max(a.most, b.most) <= 3


def test_requests_of_a_lost_server_go_to_the_others_and_it_is_used_again():
    a, b = Counting(0.02), Counting(0.02)
    lines: list[str] = []
    with scripted({"a": a, "b": b}) as servers:
        engine = engine_of(servers, lines, slots=2)
        found, before = [], 0
        for completion in engine.complete(requests(150)):
            found.append(completion)
            if len(found) == 20:
                servers["a"].stop()
            if len(found) == 60:
                before = a.asked.total()
                servers["a"].start()
        engine.close()
    assert {c.finish for c in found} == {"stop"}
    assert len({c.id for c in found}) == len(found) == 150
    assert a.asked.total() > before
    assert f"{servers['a'].url} cannot be reached; its requests go to the others" in lines
    assert f"{servers['a'].url} answers again" in lines


def test_a_server_with_another_model_is_refused_at_the_start_and_after_a_restart():
    lines: list[str] = []
    meta = {"n_params": 7, "n_vocab": 3}
    a = Counting()
    with scripted({"a": a, "b": Counting(0.02)}) as servers:
        servers["a"].models = [{"id": "/models/m.gguf", "meta": meta}]
        servers["b"].models = [{"id": "C:\\x\\m.gguf", "meta": meta | {"n_params": 8}}]
        with pytest.raises(
            UsageError, match=r"serves another model: m\.gguf with n_params 8 instead"
        ):
            engine_of(servers, lines)
        servers["b"].models[0]["meta"] = meta
        engine = engine_of(servers, lines, slots=2)
        assert engine.weights == 'm.gguf {"n_params": 7, "n_vocab": 3}'
        found = 0
        for completion in engine.complete(requests(80)):
            assert completion.finish == "stop"
            found += 1
            if found == 20:
                servers["a"].stop()
                servers["a"].models = [{"id": "other.gguf", "meta": meta}]
                asked = a.asked.total()
                servers["a"].start()
        engine.close()
        assert found == 80
        assert a.asked.total() <= asked + 4  # what it had when it stopped
        assert any("serves another model: other.gguf instead of m.gguf" in line for line in lines)


def test_the_only_server_with_another_model_ends_the_run():
    with scripted({"a": Counting()}) as servers:
        engine, found = engine_of(servers, [], slots=1), []

        def work() -> None:
            for completion in engine.complete(requests(50)):
                found.append(completion)
                if len(found) == 5:
                    servers["a"].stop()
                    servers["a"].models = [{"id": "n"}]
                    servers["a"].start()

        with pytest.raises(UsageError, match="serves another model: n instead of m"):
            work()
        engine.close()
        assert 5 <= len(found) < 50


def test_a_minute_of_429_costs_time_and_no_row():
    until = time.monotonic() + 1.5

    def busy(body: dict[str, Any]) -> Reply:
        if time.monotonic() < until and not examines(body):
            return refused(429, "slow down")
        return able(body) if examines(body) else said("Fine.")

    lines: list[str] = []
    with scripted({"a": busy}) as servers:
        engine = engine_of(servers, lines)
        found = list(engine.complete(requests(30)))
        engine.close()
    assert {c.finish for c in found} == {"stop"}
    assert len(found) == 30
    assert "lets through no more requests for now; asked again in" in lines[0]


def test_retry_after_is_obeyed():
    times: list[float] = []

    def busy(body: dict[str, Any]) -> Reply:
        times.append(time.monotonic())
        return refused(429, "slow down") if len(times) == 1 else said("Fine.")

    with scripted({"a": busy}) as servers:
        engine = engine_of(servers, [], slots=1)
        servers["a"].headers = {"Retry-After": "2"}
        assert len(list(engine.complete(requests(3)))) == 3
        engine.close()
    assert times[1] - times[0] >= 2


def test_the_wait_for_servers_ends_and_the_same_call_goes_on():
    lines: list[str] = []
    with scripted({"a": Counting(), "b": Counting()}) as servers:
        engine, found = engine_of(servers, lines, patience=1.0), []
        started = time.monotonic()

        def work() -> None:
            for completion in engine.complete(requests(500)):
                found.append(completion.id)
                if len(found) == 20:
                    servers["a"].stop()
                    servers["b"].stop()

        with pytest.raises(SysgenError, match="cannot be reached"):
            work()
        assert time.monotonic() - started < 20
        engine.close()
        servers["a"].start()
        engine = engine_of(servers, lines)
        rest = (of for of in requests(100) if of.id not in found)
        assert {*found, *(c.id for c in engine.complete(rest))} >= {str(n) for n in range(100)}
        engine.close()


def test_a_wait_that_a_server_asks_for_and_nobody_has_the_patience_for_ends_at_once():
    with scripted({"a": lambda body: refused(429, "tomorrow")}) as servers:
        engine = engine_of(servers, [], patience=30)
        servers["a"].headers = {"Retry-After": "600"}
        started = time.monotonic()
        with pytest.raises(SysgenError, match="lets through no more requests"):
            list(engine.complete(requests(3)))
        engine.close()
    assert time.monotonic() - started < 20


@pytest.mark.parametrize("body", [b'{"choices": [{"mess', b"<html>", b"", b"[1]"])
def test_a_reply_that_is_cut_off_costs_a_try_and_no_row(body):
    """From one of two servers, and for one row in three."""

    def odd(request: dict[str, Any]) -> Reply:
        return (200, body) if int(text_of(request).split()[1]) % 3 == 0 else said("Fine.")

    with scripted({"a": odd, "b": Counting()}) as servers:
        engine = engine_of(servers, [], slots=2)
        found = list(engine.complete(requests(30)))
        engine.close()
    assert {c.finish for c in found} == {"stop"}
    assert len(found) == 30


def test_a_row_that_every_server_fails_on_is_that_rows_failure():
    def odd(body: dict[str, Any]) -> Reply:
        return refused(500, "kernel panic") if text_of(body) == "Row 7" else said("Fine.")

    with scripted({"a": odd, "b": odd}) as servers:
        engine = engine_of(servers, [], slots=2)
        found = {c.id: c for c in engine.complete(requests(20))}
        engine.close()
    assert found["7"].finish == "failed"
    assert "kernel panic" in found["7"].text
    assert {c.finish for c in found.values() if c.id != "7"} == {"stop"}


def test_a_row_that_is_not_sent_is_no_answer_of_the_server():
    """It says nothing of how many requests the server can do at a time."""

    def plain(body: dict[str, Any]) -> Reply:
        text = text_of(body)
        assert "Row" not in text
        tokens = len(text.replace("<|im_end|>", "#"))
        return said("A", tokens) if text[0] == "x" else able(body)

    server = Scripted(plain, examined=True)
    server.start()
    engine = ServerEngine(Server.at(server.url))
    message = Message("user", (Segment("Row <|im_end|>", trusted=False),))
    found = list(engine.complete(Request(str(n), "g", (message,)) for n in range(50)))
    assert [c.finish for c in found] == ["refused"] * 50
    [member] = engine._pool.members
    assert (member.governor.limit, member.governor.running) == (governor.FIRST, 0)
    engine.close()
    server.stop()


def test_a_slow_server_gets_fewer_requests():
    quick, slow = Counting(0.01), Counting(0.3)
    with scripted({"quick": quick, "slow": slow}) as servers:
        engine = engine_of(servers, [], slots=2)
        assert len(list(engine.complete(requests(100)))) == 100
        engine.close()
    assert quick.asked.total() > 3 * slow.asked.total()


def test_what_the_server_says_it_can_do_is_the_limit():
    a = Counting(0.02)
    with scripted({"a": a}) as servers:
        servers["a"].paths["/props"] = (200, {"total_slots": 5, "model_path": "/m/m.gguf"})
        engine = engine_of(servers, [])
        assert "(5 requests at a time)" in engine.description
        assert len(list(engine.complete(requests(60)))) == 60
        engine.close()
    assert a.most == 5


def test_the_wait_for_servers_is_as_long_as_it_was_said(monkeypatch):
    """The last pause does not take half of it away."""
    monkeypatch.setattr(governor, "LONGEST_PAUSE", 60)
    lines: list[str] = []
    with scripted({"a": Counting()}) as servers:
        engine, found = engine_of(servers, lines, slots=1, patience=5), []
        for completion in engine.complete(requests(20)):
            found.append(completion)
            if len(found) == 5:
                servers["a"].stop()
                threading.Timer(3.5, servers["a"].start).start()
        engine.close()
    assert len(found) == 20


def test_answers_under_way_end_no_wait_that_the_server_asks_for():
    first = threading.Event()

    def full(body: dict[str, Any]) -> Reply:
        if text_of(body) == "Row 0":
            first.wait(20)
            return said("Fine.")
        threading.Timer(0.5, first.set).start()
        return refused(429, "tomorrow")

    with scripted({"a": full}) as servers:
        engine = engine_of(servers, [], slots=2, patience=5)
        servers["a"].headers = {"Retry-After": "600"}
        late = threading.Timer(20, engine.cancel)
        late.start()
        with pytest.raises(SysgenError, match="lets through no more requests"):
            list(engine.complete(requests(4)))
        late.cancel()
        engine.close()
