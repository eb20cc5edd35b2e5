"""Work that is broken off leaves an engine that can go on."""

import itertools
import signal
from pathlib import Path

import gguf
import llama_cpp
import numpy as np
import pytest
from test_llama import TOPICS, answers, ask
from tiny import make

from sysgen_local.core.errors import SysgenError
from sysgen_local.engine.llama.engine import LlamaEngine
from sysgen_local.engine.llama.grammar import GrammarMatcher
from sysgen_local.engine.options import Options
from sysgen_local.engine.request import Choice, Json


@pytest.fixture(params=[False, True], ids=["", "overlap"])
def endless(request, tmp_path: Path):
    """A model that writes noise, and seldom comes to an end."""
    options = Options(slots=3, threads=1, overlap=request.param)
    engine = LlamaEngine(make(tmp_path / "tiny.gguf", "llama"), options)
    yield engine
    engine.close()


def test_a_signal_ends_the_work_between_two_steps(endless):
    """As Ctrl-C does: whatever runs is abandoned, and the slots are free again."""
    want = answers(endless, [ask(0, "tea", max_tokens=30)])
    steps = []

    def stop(*_):
        endless.cancel()
        steps.append(endless.steps)

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, 0.1)
    try:
        for _ in endless.complete(ask(i, "rain", max_tokens=400) for i in itertools.count()):
            pass
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert endless.steps <= steps[0] + 1
    assert endless._kv_cache.free_slots == 3
    assert answers(endless, [ask(0, "tea", max_tokens=30)])["0"].text == want["0"].text


def test_a_model_that_computes_no_numbers_is_called_damaged(tmp_path):
    path = make(tmp_path / "tiny.gguf", "llama", spread=np.inf)
    engine = LlamaEngine(path, Options(slots=2, threads=1))
    with pytest.raises(SysgenError, match=r"tiny\.gguf computes no numbers"):
        answers(engine, [ask(0, "tea", max_tokens=30)])
    engine.close()


def test_closing_abandons_what_runs(endless):
    want = answers(endless, [ask(0, "tea", max_tokens=30)])
    completions = endless.complete(ask(i, t, max_tokens=9 * i + 1) for i, t in enumerate(TOPICS))
    next(completions)
    completions.close()
    assert endless._kv_cache.free_slots == 3
    assert answers(endless, [ask(0, "tea", max_tokens=30)])["0"].text == want["0"].text


def failing(monkeypatch, engine, whether):
    """`llama_decode` of this engine fails where `whether` says so of the tokens of a batch."""
    decode = llama_cpp.llama_decode

    def odd(context, batch):
        tokens = [batch.token[i] for i in range(batch.n_tokens)]
        return -3 if whether(tokens) else decode(context, batch)

    monkeypatch.setattr(llama_cpp, "llama_decode", odd)
    monkeypatch.setattr("sysgen_local.engine.llama.engine.RECOVERY_PAUSES", (0.01, 0.01))


def test_a_batch_that_cannot_be_decoded_costs_the_one_request_that_is_at_fault(
    endless, monkeypatch
):
    requests = [ask(i, topic, max_tokens=20) for i, topic in enumerate(TOPICS[:6])]
    want = answers(endless, requests)
    [poison] = endless.tokenizer._tokenize(" xylophone")[-1:]
    failing(monkeypatch, endless, lambda tokens: poison in tokens)
    got = answers(endless, [requests[0], ask(9, "a xylophone"), *requests[1:]])
    assert (got["9"].finish, got["9"].tokens_out) == ("failed", 0)
    assert "could not decode" in got["9"].text
    assert {i: c.text for i, c in got.items() if i != "9"} == {i: c.text for i, c in want.items()}


def test_a_model_that_decodes_nothing_for_a_while_goes_on_and_at_last_ends(endless, monkeypatch):
    want = answers(endless, [ask(0, "tea", max_tokens=20)])
    left = [2]

    def whether(tokens):
        left[0] -= 1
        return left[0] >= 0

    failing(monkeypatch, endless, whether)
    got = answers(endless, [ask(0, "tea", max_tokens=20)])
    assert got["0"].text == want["0"].text
    left[0] = 99
    with pytest.raises(SysgenError, match="could not decode a batch"):
        answers(endless, [ask(0, "tea", max_tokens=20)])
    left[0] = 0
    assert answers(endless, [ask(0, "tea", max_tokens=20)])["0"].text == want["0"].text


def test_numbers_that_one_request_lacks_are_its_own_failure(endless, monkeypatch):
    requests = [ask(i, topic, max_tokens=10) for i, topic in enumerate(TOPICS[:3])]
    want = answers(endless, requests)
    process = endless._process_logits

    def odd(decoded):
        for sequence, row in decoded:
            if sequence.request.id == "1" and sequence.generated_tokens > 3:
                row[:] = np.nan
        return process(decoded)

    monkeypatch.setattr(endless, "_process_logits", odd)
    got = answers(endless, requests)
    assert (got["1"].finish, got["1"].text) == ("failed", "the model computes no numbers for it")
    assert {i: got[i].text for i in "02"} == {i: want[i].text for i in "02"}


@pytest.mark.parametrize("slots", [1, 2, 4])
def test_no_numbers_for_one_request_spoil_none_that_comes_after_it(tmp_path, slots):
    """What the model computed for it stays in the cells of its slot until they are overwritten."""
    path = make(tmp_path / "tiny.gguf", "llama")
    engine = LlamaEngine(path, Options(slots=slots, threads=1))
    [poison] = engine.tokenizer._tokenize(" xylophone")[-1:]
    judge = Choice(("good", "bad"))
    requests = [ask(i, topic, constraint=judge) for i, topic in enumerate(TOPICS)]
    want = answers(engine, requests)
    engine.close()
    reader = gguf.GGUFReader(path, "r+")
    [embeddings] = [of for of in reader.tensors if of.name == "token_embd.weight"]
    embeddings.data[poison] = np.nan
    reader.data.flush()
    engine = LlamaEngine(path, Options(slots=slots, threads=1))
    for i in (1, 2, 7):
        requests.insert(i, ask(20 + i, "a xylophone", constraint=judge))
    got = answers(engine, requests)
    engine.close()
    assert {got[f"{i}"].finish for i in (21, 22, 27)} == {"failed"}
    for i, of in want.items():
        assert got[i].probabilities == pytest.approx(of.probabilities, rel=1e-4)


def test_what_breaks_over_one_request_is_its_own_failure(endless, monkeypatch):
    """A grammar that is stuck, a schema that is none, text that cannot be tokenised."""
    want = answers(endless, [ask(0, "tea", max_tokens=10)])
    tokenize = endless.tokenizer._tokenize

    def odd(text):
        if "xylophone" in text:
            raise ValueError("text of 9 bytes cannot be tokenised")
        return tokenize(text)

    def stuck(*_):
        raise ValueError("the grammar is stuck: nothing fits")

    monkeypatch.setattr(endless.tokenizer, "_tokenize", odd)
    monkeypatch.setattr(GrammarMatcher, "accept_or_resample", stuck)
    got = answers(endless, [
        ask(1, "rain", constraint=Json('{"type": "object"}')), ask(0, "tea", max_tokens=10),
        ask(2, "a xylophone"), ask(3, "ants", constraint=Json('{"type": 3}')),
    ])  # fmt: skip
    assert {i: c.finish for i, c in got.items() if i != "0"} == dict.fromkeys("123", "failed")
    assert "stuck" in got["1"].text
    assert "tokenised" in got["2"].text
    assert "grammar" in got["3"].text
    assert got["0"].text == want["0"].text
    assert endless._kv_cache.free_slots == 3
