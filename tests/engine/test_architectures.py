"""The engine on other memories than the built-in model's: sliding windows, recurrent, hybrid."""

import pytest
from test_llama import TOPICS, answers, ask
from tiny import ARCHITECTURES, make

from sysgen_local.engine.llama.engine import LlamaEngine
from sysgen_local.engine.options import Options
from sysgen_local.engine.request import Choice

STATES = "mamba", "lfm2"
"""Of which no part can be taken away."""


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_batched_equals_one_at_a_time(tmp_path, architecture):
    engine = LlamaEngine(make(tmp_path / "tiny.gguf", architecture), Options(slots=3, threads=1))
    requests = [ask(i, topic, max_tokens=24) for i, topic in enumerate(TOPICS[:7])]
    together = answers(engine, requests)
    alone = {r.id: answers(engine, [r])[r.id] for r in reversed(requests)}
    assert {i: c.text for i, c in together.items()} == {i: c.text for i, c in alone.items()}
    judged = list(engine.complete(ask(9, t, constraint=Choice(("good", "bad"))) for t in TOPICS))
    assert len(judged) == len(TOPICS)
    assert all(sum(c.probabilities.values()) == pytest.approx(1) for c in judged)
    engine.close()


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_what_a_slot_still_holds_changes_no_answer(tmp_path, architecture):
    """Prompts longer than a sliding window, that go on where another one was left, against those
    of an engine that has seen nothing."""
    path = make(tmp_path / "tiny.gguf", architecture)
    story = "Once there was a small town by the sea. " * 12
    requests = [
        ask(i, story + end, max_tokens=12)
        for i, end in enumerate(("Who lived there?", "What did they eat, and when?", "Where?"))
    ]
    engine = LlamaEngine(path, Options(slots=1, threads=1))
    for request in requests:
        before = engine.decoded_tokens
        [completion] = engine.complete([request])
        fresh = LlamaEngine(path, Options(slots=1, threads=1))
        [alone] = fresh.complete([request])
        fresh.close()
        assert completion.text == alone.text
        assert completion.tokens_in > 64  # the windows of these models
        read = engine.decoded_tokens - before - completion.tokens_out
        if request.id != "0" and architecture not in STATES:
            assert read < 40 < completion.tokens_in / 2
    engine.close()
