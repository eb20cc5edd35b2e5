"""A model written as GGUF is the same model in llama.cpp."""

from __future__ import annotations

from pathlib import Path
from random import Random

import numpy as np
import pytest
import torch
from llama_cpp import Llama
from weights import weights

from builtin_recipe.export import export
from builtin_recipe.model import Config, Model
from builtin_recipe.sample import Message
from builtin_recipe.tasks import draw
from builtin_recipe.topics import SHIPPED, Topics, vocabulary_pieces


@pytest.fixture(scope="module")
def exported(model: Model, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path: Path = tmp_path_factory.mktemp("export") / "untrained.gguf"
    export(model, path, SHIPPED)
    return path


@pytest.fixture(scope="module")
def llama(exported: Path) -> Llama:
    return Llama(str(exported), n_ctx=1024, n_threads=2, logits_all=True, verbose=False)


def written(messages: tuple[Message, ...]) -> str:
    return "".join(f"<|im_start|>{m.role}\n{m.content}<|im_end|>\n" for m in messages)


def test_llama_cpp_splits_conversations_as_training_does(llama, encoder):
    rng, topics = Random(1), Topics(pieces=vocabulary_pieces())
    for _ in range(50):
        sample = draw(rng, topics)
        text = written(sample.messages).encode()
        assert llama.tokenize(text, add_bos=False, special=True) == encoder.encode(sample).ids


@pytest.mark.parametrize("which", ["untrained", "shipped"])
def test_llama_cpp_predicts_as_the_model_does(exported, builtin, shipped, encoder, which):
    """In conversations as it is trained on, with the same weights, those of the file. Untrained
    heads hesitate at times between two places, and then the least difference decides."""
    rng, topics = Random(1), Topics(pieces=vocabulary_pieces())
    path, model = builtin, shipped
    if which == "untrained":
        path, model = exported, Model(Config(vocabulary=encoder.size)).eval()
        model.load_state_dict(weights(exported))
    llama = Llama(str(path), n_ctx=1024, n_threads=2, logits_all=True, verbose=False)
    for _ in range(5):
        ids = encoder.encode(draw(rng, topics)).ids[:500]
        with torch.no_grad():
            expected = model(torch.tensor([ids]))[0].numpy()
        llama.reset()
        llama.eval(ids)
        found = np.asarray(llama.scores[: len(ids)])
        alike = [np.corrcoef(a, b)[0, 1] for a, b in zip(found, expected, strict=True)]
        assert np.median(alike) > 0.999
        if which == "shipped":
            assert np.corrcoef(found.ravel(), expected.ravel())[0, 1] > 0.99


def test_the_untrained_start_copies(grown, encoder):
    """Before any training: what followed the last two tokens the first time they stood there, in
    texts of random tokens, and in one where words come again."""
    torch.manual_seed(1)
    starts = torch.full((4, 1), encoder.turn)
    span, other = (torch.randint(4, grown.config.vocabulary, (4, size)) for size in (60, 30))
    ids = torch.cat([starts, span, other, span], dim=1)
    with torch.no_grad():
        told = grown(ids)[:, 92:150].argmax(-1)
    assert (told == ids[:, 93:151]).float().mean() > 0.97


@pytest.mark.parametrize(
    "text",
    [
        " Is my old dog as fast as your young dog, or is her small dog slower than his large dog?",
        " We sold the red car and kept the blue car, since the green car was for the new owner.",
    ],
)
def test_it_goes_on_where_the_same_words_led_before_and_not_from_their_other_places(
    grown, encoder, text
):
    ids = [encoder.turn, *encoder.ids(f"user\n{text}"), encoder.turn, *encoder.ids(text)]
    with torch.no_grad():
        told = grown(torch.tensor([ids]))[0].argmax(-1).tolist()
    sure = 7  # from so many tokens on it is the same text beyond doubt
    length = len(encoder.ids(text)) - sure
    assert told[-length:-2] == ids[1 - length : -1]


def test_a_tokenizer_of_another_size_is_refused(tmp_path, encoder):
    small = Model(Config(vocabulary=512))
    with pytest.raises(ValueError, match=f"has {encoder.size} tokens, the model 512"):
        export(small, tmp_path / "small.gguf", SHIPPED)


def test_the_file_has_the_weights_of_the_model(model, exported):
    found = weights(exported)
    assert found.keys() == model.state_dict().keys()
    for name, tensor in model.state_dict().items():
        assert torch.allclose(found[name], tensor, atol=0.01 * tensor.abs().max().item())
