"""What words tell of domains, and the heads that hear it. Needs the extra `builtin-model`."""

from __future__ import annotations

from random import Random

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("tokenizers")

from builtin_model import domains  # noqa: E402
from builtin_model.domains import Telling, told_domains  # noqa: E402
from builtin_model.model import Config, Model  # noqa: E402
from builtin_model.tokenizer import Encoder  # noqa: E402
from builtin_model.topics import Topics, vocabulary_pieces  # noqa: E402
from builtin_model.wiring import Entries, spare, wire  # noqa: E402

SOUP = "My soup in the oven tastes of garlic."
BED = "The leaves of my tomato plant turn yellow in this soil."
COURT = "My lawyer lost in court and I want to appeal."


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return Encoder()


@pytest.fixture(scope="module")
def telling(encoder: Encoder) -> Telling:
    patch = pytest.MonkeyPatch()
    patch.setattr(domains, "_TEXTS", 60_000)  # enough for words as common as these
    torch.manual_seed(0)
    found = told_domains(encoder, Topics(pieces=vocabulary_pieces()), Random(0))
    patch.undo()
    return found


@pytest.fixture(scope="module")
def model(encoder: Encoder, telling: Telling) -> Model:
    torch.manual_seed(0)
    model = Model(Config(vocabulary=encoder.size)).eval()
    wire(model, telling, encoder.phrase, encoder.tag)
    return model


def test_words_of_one_domain_point_alike(encoder, telling):
    def vector(text: str) -> torch.Tensor:
        return telling.vectors[encoder.ids(f" {text}")].mean(0)

    def alike(one: str, other: str) -> float:
        return float(torch.cosine_similarity(vector(one), vector(other), dim=0))

    assert telling.vectors.shape == (encoder.size, domains.SIZE)
    assert alike("recipe", "soup") > alike("recipe", "lawyer") + 0.3
    assert alike("court", "lawyer") > alike("court", "guitar") + 0.3


def test_words_that_tell_count_for_more(encoder, telling):
    def score(text: str) -> float:
        return float(telling.scores[encoder.ids(f" {text}")].max())

    assert min(score("recipe"), score("lawyer")) > max(score("the"), score("is"))


def test_a_wired_model_hears_them_wherever_they_stand(encoder, model):
    ends = " What can I do? You are a"
    with torch.no_grad():
        cook, sue = (
            model(torch.tensor([encoder.ids(text + ends)]))[0, -1] for text in (SOUP, COURT)
        )
    chef, lawyer = (encoder.ids(f" {role}")[0] for role in ("chef", "lawyer"))
    assert cook[chef] - cook[lawyer] > sue[chef] - sue[lawyer]


@pytest.mark.parametrize("growth", [0, 0.3, 1.0])
def test_a_wired_model_marks_a_role_that_fits_however_much_the_stream_grows(encoder, model, growth):
    free = Entries.of(model.config).free

    def grow(_block, _inputs, stream):
        stream[..., 1:free] += growth * torch.randn_like(stream[..., 1:free])
        return stream

    @torch.no_grad()
    def mark(instruction: str, role: str) -> float:
        before = encoder.ids(f"user\nInstruction: {instruction}\n")
        phrase = encoder.ids(f"Phrase: You are a {role}")
        after = encoder.ids(".\nTag: role")
        ids = torch.tensor([[encoder.turn, *before, *phrase, *after]])
        streams = []
        handles = [block.register_forward_hook(grow) for block in model.blk[:2]]
        handles += [model.blk[2].register_forward_hook(lambda *seen: streams.append(seen[2]))]
        model(ids)
        for handle in handles:
            handle.remove()
        return float(streams[0][0, -1, Entries.of(model.config).verdict])

    torch.manual_seed(1)
    assert mark(SOUP, "chef") > mark(SOUP, "gardener") + 0.1
    assert mark(BED, "gardener") > mark(BED, "chef") + 0.1


def test_training_leaves_alone_what_is_wired(encoder, model):
    ids = torch.tensor([encoder.ids(f"{SOUP}\nPhrase: You are a chef.")])
    model.hidden(ids).pow(3).sum().backward()
    size, free = model.config.head_size, Entries.of(model.config).free
    queries, written = model.blk[1].attn_q.weight.grad, model.blk[1].ffn_down.weight.grad
    embedded = model.token_embd.weight.grad
    assert all(grad.any() for grad in (queries[2 * size :], written[free:], embedded[:, free:]))
    spare(model)
    assert not any(grad.any() for grad in (queries[2 * size :], written[free:], embedded[:, free:]))
    assert all(grad.any() for grad in (queries[: 2 * size], written[1:free], embedded[:, 1:free]))
    model.zero_grad(set_to_none=True)
