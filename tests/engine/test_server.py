"""The engine over a server: the built-in model behind llama-cpp-python's own server."""

from __future__ import annotations

import json
import threading

import pytest

from sysgen_local.core.errors import SysgenError, UsageError
from sysgen_local.core.server import Server
from sysgen_local.engine.openai.engine import ServerEngine
from sysgen_local.engine.openai.replies import label_probabilities
from sysgen_local.engine.request import Choice, Json, Message, Request, Segment
from sysgen_local.prompts import PromptSet


@pytest.fixture
def engine(server):
    engine = ServerEngine(Server.at(server), slots=2)
    yield engine
    engine.close()


def request(number: int, *messages: Message, **more: object) -> Request:
    return Request(str(number), "g", messages, **more)


def asked(phase: str, **values: object) -> tuple[Message, ...]:
    return PromptSet.load("compact").messages(phase, **values)


def test_answers_come_back_each_to_its_request(engine):
    hello = Message("user", (Segment("How do I paint a chair?"),))
    found = {c.id: c for c in engine.complete(request(i, hello, max_tokens=8) for i in range(5))}
    assert set(found) == set("01234")
    assert all(c.text and c.finish == "length" for c in found.values())
    assert all(c.tokens_out == 8 and c.tokens_in > 5 for c in found.values())


def test_json_by_a_schema(engine):
    schema = {
        "type": "object", "properties": {"tag": {"enum": ["role", "style"]}}, "required": ["tag"],
    }  # fmt: skip
    constraint = Json(json.dumps(schema))
    hello = Message("user", (Segment("Give a tag."),))
    [found] = engine.complete([request(1, hello, constraint=constraint, max_tokens=64)])
    assert json.loads(found.text)["tag"] in ("role", "style")


def test_a_choice_is_read_off_the_probabilities_as_in_this_process(engine, builtin):
    from sysgen_local.engine.llama.engine import LlamaEngine
    from sysgen_local.engine.options import Options

    here = LlamaEngine(builtin, Options(slots=2))
    phrases = [("role", "You are a helpful baker."), ("format", "Answer in one paragraph.")]
    requests = [
        request(
            i,
            *asked("verify", instruction="How do I bake bread?", phrase=text, tag=tag),
            constraint=Choice(("good", "bad", "none")),
            max_tokens=1,
        )
        for i, (tag, text) in enumerate(phrases)
    ]
    there = {c.id: c for c in engine.complete(requests)}
    alike = list(here.complete(requests))
    assert {found.id for found in alike} == there.keys() == {"0", "1"}
    for found in alike:
        shares = there[found.id].probabilities
        assert there[found.id].text == max(shares, key=shares.get)  # of two nearly alike, either
        assert there[found.id].probabilities == pytest.approx(dict(found.probabilities), abs=0.02)
    here.close()


def test_what_does_not_fit_is_too_long_and_the_others_go_on(engine):
    long = Message("user", (Segment("word " * 3000),))
    short = Message("user", (Segment("How do I paint a chair?"),))
    found = engine.complete([request(1, long), request(2, short, max_tokens=4)])
    assert {c.id: c.finish for c in found} == {"1": "too_long", "2": "length"}


def test_closing_abandons_what_runs(engine):
    hello = Message("user", (Segment("How do I paint a chair?"),))
    taken = []

    def source():
        for i in range(100):
            taken.append(i)
            yield request(i, hello, max_tokens=4)

    for _ in engine.complete(source()):
        engine.cancel()
    assert len(taken) < 10
    engine.close()
    assert not [thread for thread in threading.enumerate() if thread.name == "server"]


def test_nobody_there_and_no_such_model_are_one_sentence(server, free_port):
    with pytest.raises(SysgenError, match="cannot be reached"):
        ServerEngine(Server.at(f"http://127.0.0.1:{free_port}/v1"))
    with pytest.raises(UsageError, match="no OpenAI-compatible address"):
        ServerEngine(Server.at(server.removesuffix("/v1") + "/elsewhere"))


def test_label_shares():
    labels = ("good", "bad", "none")
    tops = [("good", -0.1), (" b", -3.0), ("", -4.0), ("x", -5.0), ("No", -6.0)]
    shares = label_probabilities(labels, tops, "good")
    assert sum(shares.values()) == pytest.approx(1)
    assert shares["good"] > shares["bad"] > shares["none"] > 0
    assert label_probabilities(labels, [], " Bad.") == {"good": 0, "bad": 1, "none": 0}
    assert label_probabilities(labels, [], "perhaps") is None
