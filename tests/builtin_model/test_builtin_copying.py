"""What a wired model can copy before any training. Needs the extra `builtin-model`."""

from __future__ import annotations

from random import Random

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("tokenizers")

from builtin_model.copying import CLEARING, POINTING, codes, forms, joined  # noqa: E402
from builtin_model.layout import Entries  # noqa: E402
from builtin_model.model import Model  # noqa: E402
from builtin_model.tokenizer import Encoder  # noqa: E402


class Words:
    """Random tokens of texts."""

    def __init__(self, encoder: Encoder) -> None:
        self._rng = Random(0)
        self._all = range(encoder.first_text_id + 256, encoder.size)

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


def test_words_that_come_a_second_time_are_copied(encoder, model, words):
    hits = 0
    for _ in range(4):
        text = words(100)
        ids = asked_and_answering(encoder, text, text)
        hits += sum(a == b for a, b in zip(predicted(model, ids)[-100:-1], text[1:], strict=True))
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


def test_of_what_is_pointed_at_only_the_loudest_is_copied(encoder, model, words):
    """A sum of codes is like those of words that are nowhere."""
    entries, vectors = Entries.of(model.config), codes(encoder)
    hits = 0
    for _ in range(20):
        text = words(30)
        while len(set(text)) < len(text):
            text = words(30)
        pointed = 0.8 * vectors[text[4]] + 0.5 * vectors[text[11]] + 0.5 * vectors[text[17]]

        def point(_block, told, pointed=pointed):
            told[0][0, -1, entries.past] += pointed

        handle = model.blk[CLEARING[0]].register_forward_pre_hook(point)
        hits += predicted(model, asked_and_answering(encoder, text, words(3)))[-1] == text[4]
        handle.remove()
    assert hits > 17


def test_where_nothing_is_pointed_at_nothing_is_copied(encoder, model, words):
    ids = asked_and_answering(encoder, words(40), words(10))
    streams: list[torch.Tensor] = []
    norm = model.blk[CLEARING[0]].ffn_norm
    handle = norm.register_forward_pre_hook(lambda _norm, told: streams.append(told[0]))
    predicted(model, ids)
    handle.remove()
    copied = streams[0][0, -10:, Entries.of(model.config).copied]
    assert copied.square().mean(1).sqrt().median() < 0.1


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


def test_every_token_knows_whether_the_assistant_speaks(encoder, model):
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
        handle = model.blk[0].register_forward_hook(lambda *told: streams.append(told[2]))  # noqa: B023
        predicted(model, ids)
        handle.remove()
        speaks = float(streams[0][0, -1, answering])
        speaker, text = turns[-1]
        answers = speaker == "assistant" or "Answer" in text
        assert (speaks > 0.7) if answers else (speaks < 0.3), turns[-1]


def test_a_pointing_head_looks_at_no_piece_within_a_word(encoder, model, words):
    """However the rest of the stream has grown: what a topic starts with is the start of a word."""
    entries, size = Entries.of(model.config), model.config.head_size
    inputs = []
    [number] = {number for number, _ in POINTING}
    block = model.blk[number]
    handle = block.register_forward_pre_hook(lambda _block, told: inputs.append(told))
    predicted(model, asked_and_answering(encoder, words(60), words(3)))
    handle.remove()
    stream, rotation = inputs[0]
    torch.manual_seed(2)
    stream = stream.clone()
    stream[..., entries.free] += torch.randn_like(stream[..., entries.free])
    joined = stream[0, :, entries.joined] > 1
    assert 5 < joined.sum() < 60
    with torch.no_grad():
        normal = block.attn_norm(stream)
        query, key = (
            rotation(layer(normal).unflatten(-1, (-1, size)))
            for layer in (block.attn_q, block.attn_k)
        )
    for _, head in POINTING:
        looks = (query[0, -1, head] @ key[0, :, head].t() / size**0.5).softmax(-1)
        assert looks[joined].sum() < 0.01


def test_the_form_of_a_token(encoder):
    by_id = forms(encoder)

    def form(text: str) -> int:
        return by_id[encoder.ids(text)[0]]

    assert form(" the") == form(" house") != form("the")
    assert form(' \\"') == form('\\"')
    assert len({form(text) for text in ("the", "The", " the", " The", " 7", "!", ' \\"')}) == 7
