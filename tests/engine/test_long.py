"""A long sequence beside short ones: in calls of its own, behind the others, and nobody waits."""

from pathlib import Path

import pytest
from test_llama import TOPICS, answers, ask
from tiny import make

from sysgen_local.engine.llama.engine import LlamaEngine
from sysgen_local.engine.options import Options
from sysgen_local.engine.request import Choice

LONG = "rain and snow " * 120
PADDING = 256


def engine_that_cuts(path: Path, **options: int) -> tuple[LlamaEngine, list[list[int]]]:
    """An engine for which a call more costs next to nothing, and its calls: the cells of each
    chunk. In each call, short sequences lie before long ones."""
    engine = LlamaEngine(path, Options(**options))
    engine._runner._call_cells = engine._kv_cache._call_cells = 1.0
    decode = engine._runner._decode_equal_lengths
    seen = []

    def watched(chunks):
        seen.append([of.sequence.position + of.length for of in chunks])
        held = sorted(engine._kv_cache._holders.items())
        are_long = [of.prompt_length > PADDING for _, of in held]
        assert are_long == sorted(are_long)
        assert all(of.slot == slot for slot, of in held)
        return decode(chunks)

    engine._runner._decode_equal_lengths = watched  # type: ignore[method-assign]
    return engine, seen


def test_long_ones_are_decoded_apart_and_change_no_answer(builtin: Path, engine):
    requests = [ask(i, topic, max_tokens=7 * (i % 4) + 8) for i, topic in enumerate(TOPICS)]
    for i in (1, 5, 6):
        requests.insert(i, ask(20 + i, LONG + TOPICS[i], max_tokens=30))
    whole = LlamaEngine(builtin, Options(slots=4, context=1024))
    alone = {r.id: answers(whole, [r])[r.id].text for r in requests}
    whole.close()
    apart, seen = engine_that_cuts(builtin, slots=4, context=1024)
    assert {i: c.text for i, c in answers(apart, requests).items()} == alone
    apart.close()
    assert 0 < sum(max(call) > PADDING for call in seen) < len(seen)
    assert all(len({-(-cells // PADDING) for cells in call}) == 1 for call in seen)


@pytest.mark.parametrize("architecture", ["qwen2", "gemma2", "lfm2"])
def test_it_is_so_with_any_memory(tmp_path, architecture):
    """Where long ones are moved behind the others by a state, by a copy, and a hybrid's."""
    path = make(tmp_path / "tiny.gguf", architecture)
    judge = Choice(("good", "bad", "maybe"))
    requests = [ask(i, topic, constraint=judge) for i, topic in enumerate(TOPICS)]
    for i in (1, 2, 5, 9):
        requests.insert(i, ask(20 + i, "rain, snow and " * 60 + TOPICS[i], constraint=judge))
    whole = LlamaEngine(path, Options(slots=4, threads=1))
    want = {r.id: answers(whole, [r])[r.id].probabilities for r in requests}
    whole.close()
    apart, seen = engine_that_cuts(path, slots=4, threads=1)
    got = answers(apart, requests)
    apart.close()
    assert {i: c.probabilities for i, c in got.items()} == {
        i: pytest.approx(of, rel=1e-4) for i, of in want.items()
    }
    assert any(max(call) > PADDING for call in seen)


def test_it_is_so_to_the_last_bit(smollm2: Path):
    """With weights in Q4_1, of which the same is promised whatever runs beside a row."""
    judge = Choice(("good", "bad"))
    requests = [ask(i, topic, constraint=judge) for i, topic in enumerate(TOPICS[:6])]
    requests += [ask(6 + i, topic, max_tokens=9) for i, topic in enumerate(TOPICS[6:])]
    for i in (1, 8):
        requests.insert(i, ask(20 + i, LONG + TOPICS[i], max_tokens=9))
    told, engines = [], []
    for slots in (1, 4):
        engine, seen = engine_that_cuts(smollm2, slots=slots, context=768)
        told.append({c.id: (c.text, c.probabilities) for c in engine.complete(requests)})
        engines.append(seen)
        engine.close()
    assert told[0] == told[1]
    assert any(max(call) > PADDING for call in engines[1])


def test_models_on_a_cpu_have_costs(builtin: Path, engine):
    """As `calls` says; on a GPU and without attention nothing is decoded apart."""
    assert engine._runner._call_cells == engine._kv_cache._call_cells
    assert 0 < engine._runner._call_cells < 10**6
