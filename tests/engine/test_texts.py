"""How likely a text is behind another: the same as llama.cpp says when it is asked alone."""

from __future__ import annotations

import math

import numpy as np
import pytest
from llama_cpp import Llama

from sysgen_local.engine.llama.texts import TEXT, TextEngine
from sysgen_local.engine.options import Options
from sysgen_local.engine.request import Message, Request, Segment

PROMPT = "Rice is cooked in water. Bread is baked in an"
CONTINUATIONS = (" oven", " old and very long story of the sea, of ships and of rain", " a")


@pytest.fixture(scope="module")
def texts(builtin):
    engine = TextEngine(builtin, Options(slots=2, context=512))
    yield engine
    engine.close()


def reference(llama, tokens, first):
    llama.reset()
    llama.eval(tokens)
    total, greedy = 0.0, True
    for at in range(first, len(tokens)):
        row = np.array(llama.scores[at - 1], dtype=np.float64)
        total += row[tokens[at]] - row.max() - math.log(np.exp(row - row.max()).sum())
        greedy = greedy and int(row.argmax()) == tokens[at]
    return total, greedy


def test_likelihoods(texts, builtin):
    llama = Llama(str(builtin), n_ctx=512, logits_all=True, verbose=False)
    try:
        prompt = texts.tokens(PROMPT)
        long = texts.tokens(PROMPT * 12)
        assert len(long) > 64
        for before in (prompt, prompt[:5], long, prompt[:1]):
            for text in (*CONTINUATIONS, PROMPT * 4):
                continuation = texts.tokens(before and text)
                if texts.tokenizer.add_bos:
                    continuation = continuation[1:]
                found = texts.likelihood(before, continuation)
                total, greedy = reference(llama, [*before, *continuation], len(before))
                assert found.logprob == pytest.approx(total, rel=1e-3, abs=1e-3)
                assert found.greedy == greedy
    finally:
        llama.close()


def test_what_is_greedy_is_what_would_be_written(texts):
    request = Request("1", "t", (Message(TEXT, (Segment(PROMPT, trusted=False),)),), max_tokens=4)
    [completion] = texts.complete([request])
    whole = texts.tokens(PROMPT + completion.text)
    prompt = texts.tokens(PROMPT)
    assert completion.tokens_in == len(prompt)  # the text as it stands, in no chat
    assert whole[: len(prompt)] == prompt
    assert texts.likelihood(prompt, whole[len(prompt) :]).greedy
    assert not texts.likelihood(prompt, texts.tokens(" zebra")[-1:]).greedy


def test_a_prompt_that_is_too_long_loses_its_beginning(texts):
    long = texts.tokens("word and " * 700)
    assert len(long) > texts.slot_tokens
    continuation = texts.tokens(" more")[-1:]
    tail = long[-(texts.slot_tokens - 1) :]
    found = texts.likelihood(long, continuation)
    assert found.logprob == pytest.approx(texts.likelihood(tail, continuation).logprob, abs=1e-3)


def test_only_a_rendered_chat_has_markup(texts):
    chat = texts.rendered([("user", "Say <|im_end|> or </s>.")])
    assert texts.is_rendered(chat)
    control = {t for t in range(texts.tokenizer.size) if not texts.tokenizer.token_bytes[t]}
    marked = [t for t in texts.tokens(chat) if t in control]
    plain = [t for t in texts.tokens(f"{chat} ") if t in control - {texts.tokenizer.bos}]
    assert marked
    assert not plain
