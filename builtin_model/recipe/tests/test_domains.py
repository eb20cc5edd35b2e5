"""What words tell of domains, and the heads that hear it."""

from __future__ import annotations

import copy
from random import Random

import pytest
import torch

from builtin_recipe import domains
from builtin_recipe.circuits import _SCORE, build_circuits
from builtin_recipe.domains import DomainVectors, learn_domain_vectors
from builtin_recipe.layout import Entries, Limits, mask_gradients, scale_shared_steps
from builtin_recipe.model import Config, Model
from builtin_recipe.muon import Muon
from builtin_recipe.tokenizer import Encoder
from builtin_recipe.topics import Topics, vocabulary_pieces
from builtin_recipe.words import WORDS

SOUP = "My soup in the oven tastes of garlic."
BED = "The leaves of my tomato plant turn yellow in this soil."
COURT = "My lawyer lost in court and I want to appeal."


@pytest.fixture(scope="module")
def domain_vectors(encoder: Encoder) -> DomainVectors:
    patch = pytest.MonkeyPatch()
    patch.setattr(domains, "_TEXTS", 60_000)  # enough for words as common as these
    torch.manual_seed(0)
    found = learn_domain_vectors(encoder, Topics(pieces=vocabulary_pieces()), Random(0))
    patch.undo()
    return found


@pytest.fixture(scope="module")
def built(encoder: Encoder, domain_vectors: DomainVectors) -> tuple[Model, Limits]:
    """A model, and what training is held to."""
    torch.manual_seed(0)
    model = Model(Config(vocabulary=encoder.size)).eval()
    return model, build_circuits(model, domain_vectors, encoder)


@pytest.fixture(scope="module")
def model(built) -> Model:
    return built[0]


def test_words_of_one_domain_point_alike(encoder, domain_vectors):
    """On the whole: a word that several domains use may point between them."""

    def things(domain: str) -> torch.Tensor:
        ids = [encoder.ids(f" {word}") for word in WORDS.domains[domain].things]
        whole = [token for token, *more in ids if not more]
        return torch.nn.functional.normalize(domain_vectors.vectors[whole], dim=1)

    assert domain_vectors.vectors.shape == (encoder.size, domains.SIZE)
    cooking, law = things("cooking"), things("law")
    assert min(len(cooking), len(law)) > 30
    apart = (cooking @ law.t()).mean()
    assert (cooking @ cooking.t()).mean() > apart + 0.2
    assert (law @ law.t()).mean() > apart + 0.2


def test_words_that_tell_count_for_more(encoder, domain_vectors):
    def score(text: str) -> float:
        return float(domain_vectors.scores[encoder.ids(f" {text}")].max())

    assert min(score("recipe"), score("lawyer")) > max(score("the"), score("is"))


def seen(model: Model, ids: list[int], block: int) -> torch.Tensor:
    """The stream behind a block, [time, width]."""
    streams = []
    handle = model.blk[block].register_forward_hook(lambda *seen: streams.append(seen[2]))
    with torch.no_grad():
        model(torch.tensor([ids]))
    handle.remove()
    return streams[0][0]


def test_an_untrained_model_knows_in_its_answer_what_the_question_was_about(
    encoder, domain_vectors, model
):
    """Whatever the answer says: each of its words hears the turns before."""
    mean = Entries.of(model.config).mean
    answer = [encoder.turn, *encoder.ids("assistant\nYou are a")]
    cook, sue = (
        seen(model, [encoder.turn, *encoder.ids(f"user\n{text}"), *answer], 1)[-1, mean]
        for text in (SOUP, COURT)
    )
    chef, lawyer = (
        domain_vectors.vectors[encoder.ids(f" {role}")[0]] for role in ("chef", "lawyer")
    )
    assert cook @ (chef - lawyer) > sue @ (chef - lawyer)


def test_an_answer_that_is_shown_does_not_change_what_was_told(encoder, domain_vectors, model):
    mean = Entries.of(model.config).mean
    role = [encoder.turn, *encoder.ids("assistant\nYou are a")]
    told = [
        seen(model, [encoder.turn, *encoder.ids(f"user\n{SOUP}\nAnswer: {shown}"), *role], 1)[
            -1, mean
        ]
        for shown in ("Stir it.", COURT)
    ]
    assert torch.cosine_similarity(*told, dim=0) > 0.95


@pytest.fixture(scope="module")
def knowing(encoder: Encoder, shipped: Model) -> Model:
    """Wired, and words tell what they do in the shipped file."""
    entries = Entries.of(shipped.config)
    own, scores = (shipped.token_embd.weight.detach()[:, e] for e in (entries.own, entries.score))
    torch.manual_seed(0)
    model = Model(Config(vocabulary=encoder.size)).eval()
    build_circuits(model, DomainVectors(own / own.square().mean().sqrt(), scores / _SCORE), encoder)
    return model


@pytest.mark.parametrize("growth", [0, 0.3, 0.6])  # 0.6: as in a trained model
def test_an_untrained_model_marks_a_role_that_fits_however_much_the_stream_grows(
    encoder, knowing, growth
):
    model = knowing
    free = Entries.of(model.config).free

    def grow(_block, _inputs, stream):
        stream[..., free] += growth * torch.randn_like(stream[..., free])
        return stream

    def marks(instruction: str, role: str) -> tuple[float, float]:
        """Of the word, and of the whole phrase where the verdict is given."""
        entries = Entries.of(model.config)
        before = encoder.ids(f"user\nInstruction: {instruction}\n")
        phrase = encoder.ids(f"Phrase: You are a {role}")
        after = encoder.ids(".\nTag: role")
        ids = [encoder.turn, *before, *phrase, *after]
        handles = [block.register_forward_hook(grow) for block in model.blk[:2]]
        word = seen(model, ids, 1)[-1 - len(after), entries.mark]
        whole = seen(model, ids, 2)[-1, entries.verdict]
        for handle in handles:
            handle.remove()
        return float(word), float(whole)

    torch.manual_seed(1)
    roles = {SOUP: "chef", BED: "gardener", COURT: "lawyer"}
    for text, role in roles.items():
        for other in {*roles.values()} - {role}:
            assert marks(text, role)[0] > marks(text, other)[0] + 0.1, (text, other)
    assert marks(SOUP, "chef")[1] > marks(SOUP, "gardener")[1] + 0.1


def test_training_leaves_alone_what_is_set_by_hand(encoder, built):
    model, limits = built
    ids = torch.tensor([encoder.ids(f"{SOUP}\nPhrase: You are a chef.")])
    model(ids).pow(3).sum().backward()
    entries = Entries.of(model.config)
    written, embedded = model.blk[1].ffn_down.weight.grad, model.token_embd.weight.grad
    assert all(grad.any() for grad in (written[entries.taken], embedded[:, entries.taken]))
    mask_gradients(model, limits)
    assert not any(grad.any() for grad in (written[entries.taken], embedded[:, entries.taken]))
    assert all(grad.any() for grad in (written[entries.free], embedded[:, entries.free]))
    model.zero_grad(set_to_none=True)


def test_who_speaks_is_of_one_norm_and_keeps_it(encoder, built):
    model, limits = built
    speakers = encoder.asking + encoder.answering
    norms = model.token_embd.weight[speakers].square().sum(1)
    assert (norms - norms.mean()).abs().max() < 1e-3
    assert limits.fixed["token_embd.weight"][speakers].all()


def test_a_step_of_muon_does_not_move_it_either(encoder, built):
    model, limits = built
    model = copy.deepcopy(model)
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    matrices = {name: p for name, p in model.named_parameters() if p.dim() == 2 and "blk" in name}
    optimizer = Muon(matrices.values(), lr=0.02)
    model(torch.tensor([encoder.ids(SOUP)])).pow(2).sum().backward()
    mask_gradients(model, limits)
    optimizer.step()
    for name, matrix in matrices.items():
        moved = matrix != before[name]
        held = limits.fixed.get(name, torch.zeros_like(moved))
        assert not moved[held].any()
        assert moved.any() or held.all()
    for name, rows in limits.shared:
        alike = matrices[name][rows]
        assert (alike != before[name][rows]).any()
        assert (alike - alike[0]).abs().max() < 1e-6


def test_rows_that_move_alike_take_a_step_as_long_as_one_row_alone(built):
    model, limits = copy.deepcopy(built)
    [(name, rows)] = limits.shared
    weight = model.get_parameter(name)
    before = weight.clone()
    count = rows.stop - rows.start
    with torch.no_grad(), scale_shared_steps(model, limits):
        weight[rows] += 1 / count**0.5  # what is one step in all
        weight[rows.stop] += 1
    moved = weight - before
    assert torch.allclose(moved[rows], torch.ones(count, moved.size(1)), atol=1e-5)
    assert torch.allclose(moved[rows.stop], torch.ones(moved.size(1)), atol=1e-5)
    assert not moved[rows.stop + 1 :].any()
