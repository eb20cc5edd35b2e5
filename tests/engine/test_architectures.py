"""The engine on other memories than the built-in model's: sliding windows, recurrent, hybrid."""

import pytest
from test_llama import TOPICS, answers, ask
from tiny import ARCHITECTURES, make

from sysgen_local.engine.llama import LlamaEngine
from sysgen_local.engine.plan import Options
from sysgen_local.engine.request import Choice


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_batched_equals_one_at_a_time(tmp_path, architecture):
    engine = LlamaEngine(make(tmp_path / "tiny.gguf", architecture), Options(slots=3, threads=1))
    requests = [ask(i, topic, max_tokens=24) for i, topic in enumerate(TOPICS[:7])]
    together = answers(engine, requests)
    alone = {r.id: answers(engine, [r])[r.id] for r in reversed(requests)}
    assert {i: c.text for i, c in together.items()} == {i: c.text for i, c in alone.items()}
    judged = list(engine.complete(ask(9, t, constraint=Choice(("good", "bad"))) for t in TOPICS))
    assert all(sum(c.probabilities.values()) == pytest.approx(1) for c in judged)
    engine.close()
