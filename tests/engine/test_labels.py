"""Labels that the first token does not tell apart, as digits behind SentencePiece's blank."""

from __future__ import annotations

import math

import numpy as np
import pytest
from test_llama import answers, ask
from tiny import make

from sysgen_local.core.errors import UsageError
from sysgen_local.engine.llama.engine import LlamaEngine
from sysgen_local.engine.llama.labels import LabelScores, build_label_tree
from sysgen_local.engine.llama.texts import TextEngine
from sysgen_local.engine.options import Options
from sysgen_local.engine.request import Choice

# As Llama 2's and Mistral's, in our words.
INST = (
    "{{ bos_token }}{% for m in messages %}{% if m.role == 'user' %}[INST] {{ m.content }} [/INST]"
    "{% elif m.role == 'assistant' %} {{ m.content }} {{ eos_token }}"
    "{% else %}{{ raise_exception('user and assistant only') }}{% endif %}{% endfor %}"
)
RATINGS = Choice(("1", "2", "3", "4", "5"))
BLANK = 259


@pytest.fixture(scope="module", params=["llama", "mamba"])
def model(request, tmp_path_factory):
    path = tmp_path_factory.mktemp("spm") / f"{request.param}.gguf"
    return make(path, request.param, template=INST, sentencepiece=True, spread=1.0)


def test_digits_are_scored_by_all_their_tokens(model):
    """The shares are those of the probabilities of whole sequences, each asked alone."""
    engine = LlamaEngine(model, Options(slots=3, threads=1))
    root = engine.tokenizer.label_tree(RATINGS.labels)
    assert BLANK in root.children
    request = ask(0, "tea", constraint=RATINGS, max_tokens=1)
    prompt = engine.tokenizer.encode(engine.chat_template.render(request.messages)).tokens
    spellings = [
        engine.tokenizer._spellings(x) | engine.tokenizer._single_token_spellings(x)
        for x in RATINGS.labels
    ]
    [alone] = engine.complete([request])
    engine.close()
    assert alone.finish == "stop"
    assert alone.tokens_out == 0
    texts = TextEngine(model, Options(slots=1, threads=1))
    sums = [
        sum(math.exp(texts.likelihood(prompt, list(path)).logprob) for path in paths)
        for paths in spellings
    ]
    texts.close()
    want = {x: of / sum(sums) for x, of in zip(RATINGS.labels, sums, strict=True)}
    assert dict(alone.probabilities) == pytest.approx(want, abs=2e-3)


def test_neighbours_change_nothing_to_the_last_bit(builtin):
    """Labels that begin with the same word, beside others of their kind and beside free text."""
    labels = Choice(("in the morning", "in the evening", "in the night"))
    request = ask(0, "tea", constraint=labels, max_tokens=1)
    others = [ask(i, t, constraint=labels, max_tokens=1) for i, t in ((1, "rain"), (2, "ants"))]
    others += [ask(3, "the moon", max_tokens=8)]
    found = []
    for requests in ([request], [*others, request], [request, *others]):
        engine = LlamaEngine(builtin, Options(slots=4, threads=1))
        assert engine.tokenizer.label_tree(labels.labels).children
        found.append(dict(answers(engine, requests)["0"].probabilities))
        engine.close()
    assert found[0] == found[1] == found[2]
    assert sum(found[0].values()) == pytest.approx(1)


def test_words_with_tokens_of_their_own_are_told_by_the_first(model):
    engine = LlamaEngine(model, Options(slots=1, threads=1))
    for labels in (("good", "bad", "none"), ("yes", "no"), ("A", "B")):
        assert not engine.tokenizer.label_tree(labels).children
    with pytest.raises(UsageError, match="x, x cannot be told apart"):
        engine.tokenizer.label_tree(("x", "x"))
    engine.close()


def logits(**of: float) -> np.ndarray:
    """Logits over ten tokens, of these probabilities."""
    row = np.full(10, -np.inf, np.float32)
    for token, p in of.items():
        row[int(token[1:])] = math.log(p)
    return row


def test_labels_that_begin_alike_in_groups_of_their_own():
    """Two pairs that share a token each, and one label that is another's beginning."""
    root = build_label_tree([[(1, 2)], [(1, 3)], [(4, 2)], [(4,)]])
    scores = LabelScores(root, end_tokens=[9])
    assert scores.on_logits(logits(t1=0.6, t4=0.4)) == (1,)
    assert scores.on_logits(logits(t2=0.5, t3=0.5)) == (4,)
    assert scores.on_logits(logits(t2=0.25, t9=0.75)) is None
    assert scores.probabilities().tolist() == pytest.approx([0.3, 0.3, 0.1, 0.3])


def test_what_cannot_matter_is_not_looked_at():
    root = build_label_tree([[(1, 2), (5,)], [(1, 3)]])
    scores = LabelScores(root, end_tokens=[])
    assert scores.on_logits(logits(t5=0.99999, t1=0.00001)) is None
    assert scores.probabilities().tolist() == [1.0, 0.0]


def test_the_first_token_tells_where_it_can():
    root = build_label_tree([[(1, 2), (3,)], [(1, 4), (5,)]])
    assert root.own_tokens == ((3,), (5,))
    assert not root.children
    with pytest.raises(ValueError, match="label 0"):
        build_label_tree([[(1,)], [(1,)]])


def test_nothing_that_any_label_begins_with_is_no_verdict():
    scores = LabelScores(build_label_tree([[(1, 2)], [(1, 3)]]), end_tokens=[])
    assert scores.on_logits(logits(t1=1.0)) == (1,)
    assert scores.on_logits(logits(t7=1.0)) is None
    with pytest.raises(ValueError, match="no label"):
        scores.probabilities()
