"""What the circuits can copy before any training."""

from __future__ import annotations

import copy
from random import Random

import pytest
import torch

from builtin_recipe.codes import LEARNING_WAY, codes, forms, joined
from builtin_recipe.copying import CHOOSING, CLEARING, ENDING, POINTING
from builtin_recipe.layout import CODE, FORMS, Entries
from builtin_recipe.model import Model
from builtin_recipe.rotary import FREQUENCIES
from builtin_recipe.tokenizer import Encoder


class Words:
    """Random tokens of texts, but for those behind which nothing is copied: who speaks."""

    def __init__(self, encoder: Encoder) -> None:
        self._rng = Random(0)
        speakers = {*encoder.asking, *encoder.answering}
        texts = range(encoder.first_text_id + 256, encoder.size)
        self._all = [token for token in texts if token not in speakers]

    def __call__(self, count: int) -> list[int]:
        return [self._rng.choice(self._all) for _ in range(count)]


@pytest.fixture
def words(encoder: Encoder) -> Words:
    return Words(encoder)


def predicted(model: Model, ids: list[int]) -> list[int]:
    with torch.no_grad():
        return model(torch.tensor([ids]))[0].argmax(-1).tolist()


def asked_and_answering(encoder: Encoder, asked: list[int], answer: list[int]) -> list[int]:
    user, assistant = (encoder.ids(f"{speaker}\n") for speaker in ("user", "assistant"))
    return [encoder.turn, *user, *asked, encoder.turn, *assistant, *answer]


def test_ways_to_write_a_word_have_codes_that_are_alike_but_for_who_speaks(encoder):
    found = codes(encoder)

    def alike(*texts: str) -> float:
        one, other = (found[encoder.ids(text)[0]] for text in texts)
        return float(torch.cosine_similarity(one, other, dim=0))

    assert min(alike(" dog", "dog"), alike(" The", " the"), alike("Write", " write")) > 0.75
    assert max(alike(" dog", " cat"), alike(" user", "user"), alike(" answer", "Answer")) < 0.5


def test_words_that_come_a_second_time_are_copied(encoder, grown, words):
    hits = 0
    for _ in range(4):
        text = words(100)
        ids = asked_and_answering(encoder, text, text)
        hits += sum(a == b for a, b in zip(predicted(grown, ids)[-100:-1], text[1:], strict=True))
    assert hits > 0.95 * 4 * 99


def test_after_one_word_its_place_is_found_often(encoder, model, words):
    hits = 0
    for _ in range(40):
        text = words(40)
        ids = asked_and_answering(encoder, text, [*words(6), text[20]])
        hits += predicted(model, ids)[-1] == text[21]
    assert hits > 12


def test_a_word_that_one_token_began_is_ended(encoder, model, words):
    """A topic of which a pointing head brought only the start."""
    going_on = joined(encoder)
    rng, hits = Random(1), 0
    for _ in range(40):
        text = words(40)
        text[20:22] = encoder.ids(" nurs")[0], rng.choice(going_on)
        ids = asked_and_answering(encoder, text, [*words(6), text[20]])
        hits += predicted(model, ids)[-1] == text[21]
    assert hits > 34


def test_behind_a_closing_quote_no_word_is_ended(encoder, model, words):
    """Though the opening one has nearly the same code, and a word of the quote stands behind it."""
    opening, closing, first = (encoder.ids(text)[0] for text in (" '", "'", "I"))
    seen = {opening: 0.0, closing: 0.0}
    for _ in range(20):
        text = [*words(10), opening, first, *words(3), closing, *words(10)]
        place = 3 + text.index(first)
        for last in seen:
            ids = asked_and_answering(encoder, text, [*words(6), last])
            seen[last] += float(looks(model, ENDING, ids)[place])
    assert seen[opening] > 17
    assert seen[closing] < 3


def test_the_start_of_a_turn_is_like_nothing(encoder, model, words):
    entries, streams = Entries.of(model.config), []
    handle = model.blk[0].register_forward_hook(lambda *seen: streams.append(seen[2]))
    ids = asked_and_answering(encoder, words(30), words(3))
    predicted(model, ids)
    handle.remove()
    past = streams[0][0, :, entries.past].norm(dim=1)
    starts = torch.tensor(ids) == encoder.turn
    assert past[starts].max() < 0.1 * past[~starts].median()


def test_of_what_is_pointed_at_only_the_largest_is_copied_mostly(encoder, model, words):
    """A sum of codes is like those of words that are nowhere."""
    entries, vectors = Entries.of(model.config), codes(encoder, LEARNING_WAY)
    found = 0
    for _ in range(100):
        text = words(30)
        pointed = 0.8 * vectors[text[4]] + 0.5 * vectors[text[11]] + 0.5 * vectors[text[17]]

        def point(stream: torch.Tensor, pointed=pointed) -> torch.Tensor:
            stream = stream.clone()
            stream[0, -1, entries.past] += pointed
            return stream

        ids = asked_and_answering(encoder, text, words(3))
        found += int(looks(model, CHOOSING, ids, point)[3 + 4] > 0.9)
    assert found > 80


def test_training_can_close_what_clears(encoder, model, words):
    """By the only row of that head which it may move."""
    model = copy.deepcopy(model)
    number, head = CLEARING
    entries, size = Entries.of(model.config), model.config.head_size
    row = head * size + 2 * len(FREQUENCIES) + CODE
    text = words(30)
    ids = asked_and_answering(encoder, text, text[:10])
    large = copied(model, ids)[-1]
    with torch.no_grad():
        model.blk[number].attn_q.weight[row, entries.constant] = 1e3
    assert copied(model, ids)[-1] < 0.5 * large


def test_where_nothing_is_pointed_at_nothing_is_copied(encoder, grown, words):
    ids = asked_and_answering(encoder, words(40), words(10))
    assert copied(grown, ids)[-10:].median() < 0.7


def copied(model: Model, ids: list[int]) -> torch.Tensor:
    """Scale of the code to be copied at each token before training may change it."""
    streams: list[torch.Tensor] = []
    norm = model.blk[CLEARING[0]].ffn_norm
    handle = norm.register_forward_pre_hook(lambda _norm, seen: streams.append(seen[0]))
    predicted(model, ids)
    handle.remove()
    return streams[0][0, :, Entries.of(model.config).copied].norm(dim=1)


def test_of_two_places_the_earlier_is_copied(encoder, model, words):
    earlier = later = 0
    for _ in range(20):
        same, first, second = words(8), words(1), words(1)
        text = [*same, *first, *words(80), *same, *second, *words(5)]
        last = predicted(model, asked_and_answering(encoder, text, same))[-1]
        earlier += last == first[0]
        later += last == second[0]
    assert earlier > 15
    assert later < 3


def test_nothing_that_was_answered_is_copied(encoder, model, words):
    for _ in range(10):
        same, after = words(8), words(1)
        answer = [*same, *after, *words(10), *same]
        assert predicted(model, asked_and_answering(encoder, words(30), answer))[-1] != after[0]


@pytest.mark.parametrize("which", ["model", "shipped"])
def test_every_token_knows_whether_the_assistant_speaks(encoder, request, which):
    model = request.getfixturevalue(which)
    answering = Entries.of(model.config).answering
    chat = [("system", "Be kind."), ("user", "What is soup?" * 20), ("assistant", "A dish." * 30)]
    chat += [("user", "Go on."), ("assistant", "It is hot.")]
    shown = [("system", "Be kind."), ("user", "Instruction: What is soup?\nAnswer: A dish.")]
    for turns in (chat[:1], chat[:2], chat[:3], chat[:4], chat, shown):
        ids = [
            token
            for speaker, text in turns
            for token in (encoder.turn, *encoder.ids(f"{speaker}\n{text}"))
        ]
        streams = []
        handle = model.blk[0].register_forward_hook(lambda *seen: streams.append(seen[2]))  # noqa: B023
        predicted(model, ids)
        handle.remove()
        speaks = float(streams[0][0, -1, answering])
        speaker, text = turns[-1]
        answers = speaker == "assistant" or "Answer" in text
        assert (speaks > 0.7) if answers else (speaks < 0.3), turns[-1]


def test_a_pointing_head_looks_at_no_piece_within_a_word(encoder, model, words):
    """However the rest of the stream has grown: what a topic starts with is the start of a word."""
    entries = Entries.of(model.config)
    ids = asked_and_answering(encoder, words(60), words(3))
    within = torch.tensor([token in set(joined(encoder)) for token in ids])
    assert 5 < within.sum() < 60
    torch.manual_seed(2)

    def grown(stream: torch.Tensor) -> torch.Tensor:
        stream = stream.clone()
        stream[..., entries.free] += torch.randn_like(stream[..., entries.free])
        return stream

    for head in POINTING:
        assert looks(model, head, ids, grown)[within].sum() < 0.01


def looks(model: Model, where: tuple[int, int], ids: list[int], change=lambda stream: stream):
    """How much a head looks at each token from the last one; the stream may be changed before."""
    number, head = where
    block, seen = model.blk[number], []
    handle = block.register_forward_pre_hook(lambda _block, inputs: seen.append(inputs))
    predicted(model, ids)
    handle.remove()
    stream, rotation = seen[0]
    size = model.config.head_size
    with torch.no_grad():
        normal = block.attn_norm(change(stream))
        query, key = (
            rotation(layer(normal).unflatten(-1, (-1, size)))[0, :, head]
            for layer in (block.attn_q, block.attn_k)
        )
    return (query[-1] @ key.t() / size**0.5).softmax(-1)


def test_the_form_of_a_token(encoder):
    by_id = forms(encoder)

    def form(text: str) -> int:
        return by_id[encoder.ids(text)[0]]

    assert form(" the") == form(" house") != form("the")
    texts = ("the", "The", " the", " The", " 7", "'", " '", '\\"', ' \\"')
    assert {form(text) for text in texts} == set(range(FORMS))
