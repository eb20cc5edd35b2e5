"""LoRA adapters in llama.cpp: what they do to the logits, and that engines share a base."""

from __future__ import annotations

import shutil
from pathlib import Path

import lora
import numpy as np
import pytest
from tiny import make

from sysgen_local.core.adapters import Adapter
from sysgen_local.core.errors import ModelFileError, ModelTooLargeError
from sysgen_local.core.model_files import ModelFiles
from sysgen_local.engine.factory import keeping_weights, open_engine
from sysgen_local.engine.llama import weights
from sysgen_local.engine.llama.engine import LlamaEngine
from sysgen_local.engine.llama.shared import MODELS
from sysgen_local.engine.options import Options
from sysgen_local.engine.request import Message, Request, Segment

OPTIONS = Options(slots=2, context=512, threads=1)
QUESTIONS = ("Name three colours of the rainbow.", "Why is the sky blue?", "Count to seven.")


def answers(engine: LlamaEngine) -> dict[str, str]:
    asked = [
        Request(str(i), "group", (Message("user", (Segment(text),)),), max_tokens=24)
        for i, text in enumerate(QUESTIONS)
    ]
    return {of.id: of.text for of in engine.complete(asked)}


def answers_of(path: Path, *adapters: Adapter) -> dict[str, str]:
    engine = LlamaEngine(path, OPTIONS, adapters)
    try:
        return answers(engine)
    finally:
        engine.close()


def logits(path: Path, *adapters: Adapter) -> np.ndarray:
    """Those behind each of a few tokens, shape (tokens, vocabulary)."""
    engine = LlamaEngine(path, OPTIONS, adapters)
    try:
        tokens = list(range(5, 45))
        rows = engine._runner.logits_for_each(tokens, 0, 0, 0)
        return np.array([row.copy() for row in rows])
    finally:
        engine.close()


def assert_close(found: np.ndarray, wanted: np.ndarray) -> None:
    """The logits are equal within the rounding of sums of 32 bits. Behind the first token they also
    differ by the rounding of the KV cache, which has 16 bits."""
    spread = wanted.std()
    assert np.abs(found[0] - wanted[0]).max() < 1e-5 * spread
    assert np.abs(found - wanted).max() < 0.01 * spread


@pytest.fixture(scope="module")
def base(tmp_path_factory) -> Path:
    """A model with weights of 32 bits."""
    return make(tmp_path_factory.mktemp("base") / "base.gguf", "llama")


def test_scale_zero_writes_as_the_base_and_a_strong_adapter_does_not(builtin, tmp_path):
    strong = lora.adapter(tmp_path / "strong.gguf", builtin, size=2.0)
    without = answers_of(builtin)
    assert answers_of(builtin, Adapter(strong, 0.0)) == without
    assert answers_of(builtin, Adapter(strong)) != without


@pytest.mark.parametrize("scale", [1.0, 0.25, -0.5])
def test_the_logits_are_those_of_merged_weights(base, tmp_path, scale):
    of = lora.changes(base, rank=4)
    path = lora.write(tmp_path / "a.gguf", of, alpha=6.0)
    merged = lora.merged(tmp_path / "merged.gguf", base, of, scale * 6.0 / 4)
    found, wanted, plain = logits(base, Adapter(path, scale)), logits(merged), logits(base)
    assert_close(found, wanted)
    assert np.abs(found - plain).max(axis=1).min() > 0.1 * wanted.std()


def test_several_adapters_add_up(base, tmp_path):
    first, second = lora.changes(base, seed=1), lora.changes(base, seed=2, targets=("ffn_up",))
    adapters = (
        Adapter(lora.write(tmp_path / "one.gguf", first, alpha=4.0), 0.5),
        Adapter(lora.write(tmp_path / "two.gguf", second, alpha=4.0), 2.0),
    )
    half = lora.merged(tmp_path / "half.gguf", base, first, 0.5)
    both = lora.merged(tmp_path / "both.gguf", half, second, 2.0)
    assert_close(logits(base, *adapters), logits(both))


def test_engines_of_one_base_share_its_weights_and_mix_nothing(builtin, tmp_path, reads):
    """Both are open at the same time, and asked in turn: no prefix in the KV cache of one is used
    by the other, and no adapter stays in the weights."""
    own = Path(shutil.copy(builtin, tmp_path))  # other tests keep an engine of the file itself
    adapter = Adapter(lora.adapter(tmp_path / "a.gguf", own, size=2.0))
    alone = answers_of(own), answers_of(own, adapter)
    reads.clear()
    plain = LlamaEngine(own, OPTIONS)
    adapted = LlamaEngine(own, OPTIONS, (adapter,))
    try:
        assert (answers(plain), answers(adapted), answers(plain)) == (*alone, alone[0])
    finally:
        plain.close()
        assert answers(adapted) == alone[1]
        adapted.close()
    assert reads == [own]


def test_weights_are_kept_for_the_next_engine_of_the_same_file(base, tmp_path, reads):
    adapter = Adapter(lora.adapter(tmp_path / "a.gguf", base))
    other = make(tmp_path / "other.gguf", "llama", seed=1)
    with keeping_weights():
        for files in (
            ModelFiles(base), ModelFiles(base, (adapter,)), ModelFiles(base),
            ModelFiles(other), ModelFiles(other), ModelFiles(base),
        ):  # fmt: skip
            open_engine(files, OPTIONS).close()
    assert reads == [base, other, base]
    assert MODELS.make_room(base) is None  # nothing is kept behind the block
    for _ in range(2):
        open_engine(ModelFiles(base), OPTIONS).close()
    assert reads == [base, other, base, base, base]


def test_a_file_that_was_written_anew_is_read_again(tmp_path, reads):
    path = make(tmp_path / "m.gguf", "llama")
    with keeping_weights():
        open_engine(ModelFiles(path), OPTIONS).close()
        make(path, "llama", seed=1)
        open_engine(ModelFiles(path), OPTIONS).close()
    assert reads == [path, path]


def test_an_engine_that_cannot_be_opened_gives_the_weights_back(base, tmp_path):
    broken = lora.write(tmp_path / "broken.gguf", lora.changes(base), kind="model")
    with pytest.raises(ModelFileError, match="cannot load the LoRA adapter") as caught:
        LlamaEngine(base, OPTIONS, (Adapter(broken),))
    assert str(broken) in caught.value.message
    assert "general.type" in caught.value.message
    assert MODELS.make_room(base) is None


def test_the_description_names_the_adapters(base, tmp_path):
    path = lora.adapter(tmp_path / "style.gguf", base)
    engine = LlamaEngine(base, OPTIONS, (Adapter(path, 0.5),))
    engine.close()
    assert "LoRA style.gguf at scale 0.5" in engine.description


def test_the_memory_for_adapters_counts(base, tmp_path):
    path = lora.adapter(tmp_path / "a.gguf", base)
    files = ModelFiles(base, (Adapter(path),))
    assert files.size == base.stat().st_size + path.stat().st_size
    with path.open("ab") as file:
        file.truncate(4 << 40)  # sparse: takes no room on the disk
    with pytest.raises(ModelTooLargeError, match="needs 4398"):
        weights.require_memory(files)
