"""Sampling beside the decoding, and the choice of tokens on the device, change no answer."""

import itertools
import time
from pathlib import Path

import llama_cpp
import pytest
from test_llama import SCHEMA, TOPICS, answers, ask

from sysgen_local.engine.llama.engine import LlamaEngine
from sysgen_local.engine.llama.sampler import MOST_CANDIDATES, Candidates
from sysgen_local.engine.llama.sequence import Sequence
from sysgen_local.engine.llama.texts import TextEngine
from sysgen_local.engine.options import Options
from sysgen_local.engine.request import Choice, Json, Sampling

HOT = Sampling(temperature=1.0, top_k=64, top_p=0.9, min_p=0.01)
WHOLE = Sampling(temperature=1.0, top_p=0.95)  # every token may be drawn

KINDS = {
    "greedy": {},
    "sampled": {"sampling": HOT},
    "whole": {"sampling": WHOLE},
    "json": {"constraint": Json(SCHEMA), "sampling": HOT},
    "choice": {"constraint": Choice(("good", "goodness", "bad"))},
}


def mixed():
    """Requests of every kind, of unequal length; first some of each kind, then all kinds."""
    kinds = list(KINDS.values())
    apart = [(i, k) for k in range(len(kinds)) for i in range(len(TOPICS) // 2)]
    among = [(i, k) for i in range(len(TOPICS) // 2, len(TOPICS)) for k in range(len(kinds))]
    return [
        ask(10 * i + k, TOPICS[i], seed=i, **{"max_tokens": 5 + 7 * (i % 5), **kinds[k]})
        for i, k in apart + among
    ]


def told(completions):
    return {i: (c.text, c.finish, c.probabilities, c.tokens_out) for i, c in completions.items()}


@pytest.fixture(scope="module")
def wanted(builtin: Path):
    engine = LlamaEngine(builtin, Options(slots=8))
    found = told(answers(engine, mixed()))
    engine.close()
    return found


@pytest.mark.parametrize("slots", [1, 2, 7, 8])
@pytest.mark.parametrize(
    "ways",
    [{"overlap": True}, {"on_device": True}, {"overlap": True, "on_device": True}],
    ids=["overlap", "on the device", "both"],
)
def test_answers_are_the_same(builtin: Path, wanted, ways, slots):
    engine = LlamaEngine(builtin, Options(slots=slots, **ways))
    for _ in range(2):  # the slots were used before
        assert told(answers(engine, mixed())) == wanted
    assert engine._kv_cache.free_slots == slots
    engine.close()


@pytest.mark.parametrize("kind", KINDS)
def test_rows_of_logits_come_only_where_they_are_needed(builtin: Path, monkeypatch, kind):
    got: set[type] = set()
    given = Sequence.on_logits

    def watched(self, logits):
        got.add(type(logits))
        if isinstance(logits, Candidates):
            assert len(logits.tokens) == len(logits.logits) == MOST_CANDIDATES
            assert (logits.tokens[1:] > logits.tokens[:-1]).all()
        given(self, logits)

    monkeypatch.setattr(Sequence, "on_logits", watched)
    engine = LlamaEngine(builtin, Options(slots=4, on_device=True))
    answers(engine, [ask(i, topic, **KINDS[kind]) for i, topic in enumerate(TOPICS)])
    engine.close()
    assert (got == {Candidates}) is (kind in ("greedy", "sampled"))
    assert len(got) == 1


def test_where_the_device_cannot_choose_all_logits_come(builtin: Path, wanted, monkeypatch):
    asked = []

    def refuses(context, slot, sampler):
        asked.append(slot)
        return False

    monkeypatch.setattr(llama_cpp, "llama_set_sampler", refuses)
    engine = LlamaEngine(builtin, Options(slots=4, on_device=True))
    assert told(answers(engine, mixed())) == wanted
    assert len(asked) == 1
    engine.close()


def test_half_of_the_slots_are_decoded_while_the_others_are_sampled(builtin: Path, monkeypatch):
    engine = LlamaEngine(builtin, Options(slots=8, overlap=True))
    decode, process = engine._decode_timed, engine._process_logits
    decoded, processed = [], []

    def decoding(chunks):
        began = time.perf_counter()
        time.sleep(0.005)  # as a larger model would take
        found = decode(chunks)
        decoded.append((began, time.perf_counter(), {c.sequence for c in chunks}))
        return found

    def processing(found):
        began = time.perf_counter()
        time.sleep(0.003)  # as with a larger vocabulary
        yield from process(found)
        processed.append((began, time.perf_counter(), {sequence for sequence, _ in found}))

    monkeypatch.setattr(engine, "_decode_timed", decoding)
    monkeypatch.setattr(engine, "_process_logits", processing)
    answers(engine, [ask(i, topic, max_tokens=40) for i, topic in enumerate(2 * TOPICS)])
    engine.close()
    assert max(len(sequences) for *_, sequences in decoded) == 4
    beside = 0
    for began, ended, sequences in processed:
        others = [of for start, end, of in decoded if start < ended and began < end]
        assert not any(sequences & of for of in others)
        beside += any(others)
    assert beside > 0.8 * len(processed)


def test_a_copy_between_slots_is_followed_by_a_step(builtin: Path, monkeypatch):
    """llama.cpp makes the copy only then, over whatever was put into the slot meanwhile."""
    engine = LlamaEngine(builtin, Options(slots=6, overlap=True))
    events = []

    def noted(name, call):
        def also(*given):
            events.append(name)
            return call(*given)

        return also

    cache = engine._kv_cache
    monkeypatch.setattr(cache, "close_gaps", noted("copy", cache.close_gaps))
    monkeypatch.setattr(cache, "assign_slots", noted("assign", cache.assign_slots))
    monkeypatch.setattr(engine, "_decode_timed", noted("step", engine._decode_timed))
    answers(engine, mixed())
    engine.close()
    after = [second for first, second in itertools.pairwise(events) if first == "copy"]
    assert set(after) == {"step"}
    assert after.count("step") == events.count("step")


def test_a_few_sequences_are_decoded_together(builtin: Path):
    steps = []
    for overlap in (False, True):
        engine = LlamaEngine(builtin, Options(slots=8, overlap=overlap))
        requests = [ask(i, topic, max_tokens=8 if i < 5 else 60) for i, topic in enumerate(TOPICS)]
        requests = [*requests[:5], *requests[5:8]]  # three are left for long
        answers(engine, requests)
        steps.append(engine.steps)
        engine.close()
    assert steps[1] < 1.3 * steps[0]


@pytest.mark.parametrize("overlap", [False, True])
def test_an_answer_that_the_grammar_forces_takes_no_step(builtin: Path, overlap):
    engine = LlamaEngine(builtin, Options(slots=2, overlap=overlap))
    forced = Json('{"const": [1, 2, 3]}')
    got = answers(engine, [ask(i, topic, constraint=forced) for i, topic in enumerate(TOPICS)])
    assert {(c.text, c.finish) for c in got.values()} == {("[1,2,3]", "stop")}
    assert all(c.tokens_decoded <= c.tokens_in for c in got.values())
    plain = answers(engine, [ask(0, "tea")])
    assert answers(engine, [ask(0, "tea")])["0"].text == plain["0"].text
    engine.close()


def test_a_likelihood_needs_all_logits_of_a_slot_that_gave_candidates(builtin: Path):
    found = []
    for on_device in (False, True):
        engine = TextEngine(builtin, Options(slots=2, on_device=on_device))
        answers(engine, [ask(0, "tea"), ask(1, "rain")])
        tokens = engine.tokens("The moon is", " a rusty bicycle.")
        found.append(engine.likelihood(tokens[:3], tokens[3:]))
        engine.close()
    assert found[0] == found[1]
