"""What the prompts of a group share is decoded once, and changes no number."""

from pathlib import Path
from typing import Any

import llama_cpp
import pytest
from tiny import ARCHITECTURES, make

from sysgen_local.engine.llama.engine import LlamaEngine
from sysgen_local.engine.llama.plan import MIN_PREFIX_SLOTS
from sysgen_local.engine.llama.prefixes import MOST_SAVED, SavedPrefixes
from sysgen_local.engine.options import Options
from sysgen_local.engine.request import Choice, Message, Request, Segment

WINDOWED = "gemma2", "gemma3"
RULES = {
    "tides": "You know all about the sea, its tides and the boats that wait for them. " * 4,
    "bread": "You know all about ovens, flour and the patience that bread takes to rise. " * 4,
    "both": "You know all about the sea, its tides and the ovens of those who live there. " * 4,
}
"""Two begin alike."""


def ask(i: int, group: str) -> Request:
    system = Message("system", (Segment(RULES[group]),))
    user = Message("user", (Segment(f"Is it true, number {i}?", trusted=False),))
    return Request(f"{i}", group, (system, user), constraint=Choice(("yes", "no", "maybe")))


def numbers(engine: LlamaEngine, requests: list[Request]) -> dict[str, Any]:
    return {c.id: c.probabilities for c in engine.complete(requests)}


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_prefix_that_was_kept_gives_the_same_numbers(tmp_path, architecture):
    """Groups alternate in one slot, so that prefixes are put where others were."""
    path = make(tmp_path / "tiny.gguf", architecture)
    requests = [ask(i, list(RULES)[i % 3]) for i in range(9)]
    engine = LlamaEngine(path, Options(slots=1, threads=1))
    found = numbers(engine, requests)
    decoded = engine.decoded_tokens
    streams = llama_cpp.llama_n_seq_max(engine._runner.context)
    assert streams == 1 + MIN_PREFIX_SLOTS * (architecture in WINDOWED)
    engine.close()
    alone: dict[str, Any] = {}
    costs = 0
    for request in requests:
        fresh = LlamaEngine(path, Options(slots=1, threads=1))
        alone |= numbers(fresh, [request])
        costs += fresh.decoded_tokens
        fresh.close()
    assert found == alone
    assert len({str(of) for of in found.values()}) == len(requests)
    assert decoded < costs / 2


@pytest.mark.parametrize("flash", [False, True])
def test_a_kept_prefix_changes_no_number_of_a_real_model(smollm2: Path, flash):
    requests = [ask(i, list(RULES)[i % 3]) for i in range(6)]
    engine = LlamaEngine(smollm2, Options(slots=1, context=512, flash=flash))
    found = numbers(engine, requests)
    engine.close()
    for request in requests[3:]:  # those for which the prefix was there
        fresh = LlamaEngine(smollm2, Options(slots=1, context=512, flash=flash))
        assert found[request.id] == numbers(fresh, [request])[request.id]
        fresh.close()


def test_prefixes_that_were_not_used_for_longest_are_forgotten(tmp_path):
    engine = LlamaEngine(make(tmp_path / "tiny.gguf", "llama"), Options(slots=2, threads=1))
    kept = SavedPrefixes(engine._runner.context, 100)
    engine._runner.prefill(list(range(10, 50)), 0)
    kept.keep("a", list(range(10, 50)), 0)
    kept.keep("b", list(range(10, 50)), 0)
    assert kept.put("a", 1)
    kept.keep("c", list(range(10, 50)), 0)
    assert [len(kept.tokens(group)) for group in "abc"] == [40, 0, 40]
    assert (kept.has_room_for(100), kept.has_room_for(101)) == (True, False)
    for i in range(MOST_SAVED):
        kept.keep(f"{i}", [1], 0)
    assert not kept.tokens("a")
    assert all(kept.tokens(f"{i}") for i in range(MOST_SAVED))
    engine.close()


def test_a_state_that_does_not_fit_is_not_put(tmp_path):
    """As for a slot that is too small, whatever the plan was: the prompt is then decoded."""
    path = make(tmp_path / "tiny.gguf", "llama")
    large, small = (LlamaEngine(path, Options(slots=1, threads=1, context=c)) for c in (512, 256))
    kept = SavedPrefixes(large._runner.context, 10**6)
    large._runner.prefill([7] * 400, 0)
    kept.keep("a", [7] * 400, 0)
    kept._context = small._runner.context
    assert not kept.put("a", 0)
    memory = llama_cpp.llama_get_memory(small._runner.context)
    assert llama_cpp.llama_memory_seq_pos_max(memory, 0) == -1
    for engine in (large, small):
        engine.close()
