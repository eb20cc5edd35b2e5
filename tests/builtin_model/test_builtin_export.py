"""A model written as GGUF is the same model in llama.cpp. Needs the extra `builtin-model`."""

from __future__ import annotations

from pathlib import Path
from random import Random

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("tokenizers")

from llama_cpp import Llama  # noqa: E402

from builtin_model.domains import SIZE, Telling  # noqa: E402
from builtin_model.export import export, weights  # noqa: E402
from builtin_model.model import Config, Model  # noqa: E402
from builtin_model.sample import Message  # noqa: E402
from builtin_model.tasks import draw  # noqa: E402
from builtin_model.tokenizer import Encoder  # noqa: E402
from builtin_model.topics import Topics, vocabulary_pieces  # noqa: E402
from builtin_model.wiring import wire  # noqa: E402


@pytest.fixture(scope="module")
def model() -> Model:
    torch.manual_seed(0)
    encoder = Encoder()
    model = Model(Config(vocabulary=encoder.size))
    nothing = Telling(torch.randn(encoder.size, SIZE), torch.zeros(encoder.size))
    wire(model, nothing, encoder.phrase, encoder.tag)
    return model.eval()


@pytest.fixture(scope="module")
def llama(model: Model, tmp_path_factory: pytest.TempPathFactory) -> Llama:
    path: Path = tmp_path_factory.mktemp("export") / "untrained.gguf"
    export(model, path)
    return Llama(str(path), n_ctx=1024, n_threads=2, logits_all=True, verbose=False)


def written(messages: tuple[Message, ...]) -> str:
    return "".join(f"<|im_start|>{m.role}\n{m.content}<|im_end|>\n" for m in messages)


def test_llama_cpp_splits_conversations_as_training_does(llama):
    encoder = Encoder()
    rng, topics = Random(1), Topics(pieces=vocabulary_pieces())
    for _ in range(50):
        sample = draw(rng, topics)
        text = written(sample.messages).encode()
        assert llama.tokenize(text, add_bos=False, special=True) == encoder.encode(sample).ids


def test_llama_cpp_predicts_as_the_model_does(llama, model):
    ids = torch.randint(4, model.config.vocabulary, (1, 200))
    with torch.no_grad():
        expected = model(ids)[0].numpy()
    llama.reset()
    llama.eval(ids[0].tolist())
    found = np.asarray(llama.scores[: ids.size(1)])
    assert np.corrcoef(found.ravel(), expected.ravel())[0, 1] > 0.99


def test_the_wired_start_leans_towards_copying(model):
    """Before any training, what followed a token the first time ranks far above the middle."""
    torch.manual_seed(1)
    span = torch.randint(4, model.config.vocabulary, (4, 60))
    ids = torch.cat([span, span], dim=1)
    with torch.no_grad():
        logits = model(ids)[:, 60:119]
    wanted = logits.gather(-1, ids[:, 61:, None])
    assert (logits > wanted).sum(-1).float().median() < 0.35 * model.config.vocabulary


def test_a_tokenizer_of_another_size_is_refused(tmp_path):
    small = Model(Config(vocabulary=512))
    with pytest.raises(ValueError, match=f"has {Encoder().size} tokens, the model 512"):
        export(small, tmp_path / "small.gguf")


def test_training_can_go_on_from_an_exported_model(model, tmp_path):
    export(model, tmp_path / "model.gguf")
    found = weights(tmp_path / "model.gguf")
    assert found.keys() == model.state_dict().keys()
    for name, tensor in model.state_dict().items():
        assert torch.allclose(found[name], tensor, atol=0.01 * tensor.abs().max().item())
