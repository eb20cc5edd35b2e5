"""What was trained comes back as GGUF: llama.cpp computes with it what was meant."""

from __future__ import annotations

import gguf
import numpy as np
import pytest
import tiny

from sysgen_local.core.errors import SysgenError
from sysgen_local.training.gguf_weights import (
    ARCHITECTURES,
    GgufBase,
    adapted,
    quantise,
    replaced,
    write_adapter,
    write_model,
)
from sysgen_local.training.torch_model import agreement, llama_logits

pytestmark = pytest.mark.model

TOKENS = list(range(300, 340))
KV_HEADS = {of: 4 if of == "phi3" else 2 for of in ARCHITECTURES}


@pytest.fixture(params=KV_HEADS)
def base(request, tmp_path):
    path = tiny.make(
        tmp_path / "base.gguf", request.param, kv_heads=KV_HEADS[request.param], spread=1.0
    )
    return GgufBase(path)


def parts_of(base, rank=4):
    """A random adapter on every matrix of the blocks, in the names of transformers."""
    random = np.random.default_rng(1)
    fused = base.architecture == "phi3"
    modules = {
        "self_attn": ("qkv_proj", "o_proj") if fused else ("q_proj", "k_proj", "v_proj", "o_proj"),
        "mlp": ("gate_up_proj", "down_proj") if fused else ("gate_proj", "up_proj", "down_proj"),
    }
    shapes = {tensor.name: tuple(map(int, tensor.shape)) for tensor in base.reader.tensors}
    found = {}
    for layer in range(base.names.layers):
        for block, names in modules.items():
            for name in names:
                parameter = f"model.layers.{layer}.{block}.{name}.weight"
                inside, outside = shapes[base.tensor_of(parameter)]
                found[parameter] = (
                    random.normal(0, 0.2, (rank, inside)).astype(np.float32),
                    random.normal(0, 0.2, (outside, rank)).astype(np.float32),
                )
    return found


def test_an_adapter_does_what_merged_weights_do(base, tmp_path):
    parts = parts_of(base)
    assert len(parts) == base.names.layers * (4 if base.architecture == "phi3" else 7)
    write_adapter(base, tmp_path / "adapter.gguf", parts, alpha=8.0, name="a")
    write_model(base, tmp_path / "merged.gguf", adapted(base, parts, 8.0 / 4), "m")
    plain = llama_logits(base.path, TOKENS)
    with_adapter = llama_logits(base.path, TOKENS, tmp_path / "adapter.gguf")
    merged = llama_logits(tmp_path / "merged.gguf", TOKENS)
    assert agreement(with_adapter, merged).divergence < 1e-3
    assert agreement(plain, merged).divergence > 0.05


def test_the_header_stays_as_it_was(base, tmp_path):
    write_model(base, tmp_path / "m.gguf", adapted(base, {}, 1.0), "another name")
    before, after = base.reader, gguf.GGUFReader(tmp_path / "m.gguf")
    changed = {"general.name", "general.file_type", "general.quantization_version"}
    for key, field in before.fields.items():
        if key in changed or key.startswith("GGUF."):
            continue
        assert after.fields[key].contents() == field.contents(), key
        assert after.fields[key].types == field.types, key
    raw = [b"".join(bytes(part) for part in of.fields["tokenizer.chat_template"].parts)
           for of in (before, after)]  # fmt: skip
    assert raw[0] == raw[1]
    assert after.fields["general.name"].contents() == "another name"
    assert [of.name for of in after.tensors] == [of.name for of in before.tensors]
    same = agreement(llama_logits(tmp_path / "m.gguf", TOKENS), llama_logits(base.path, TOKENS))
    assert same.divergence < 1e-4


@pytest.mark.parametrize(("kind", "most"), [("q8_0", 0.01), ("q4_k_m", 0.5)])
def test_a_model_is_quantised_by_llama_cpp(tmp_path, kind, most):
    base = GgufBase(tiny.make(tmp_path / "base.gguf", "llama", spread=1.0))
    write_model(base, tmp_path / "f16.gguf", adapted(base, {}, 1.0), "m")
    quantise(tmp_path / "f16.gguf", tmp_path / "q.gguf", kind)
    found = gguf.GGUFReader(tmp_path / "q.gguf")
    assert {str(of.tensor_type.name) for of in found.tensors} - {"F32", "F16"}
    of = agreement(llama_logits(tmp_path / "q.gguf", TOKENS), llama_logits(base.path, TOKENS))
    assert of.divergence < most
    assert (tmp_path / "q.gguf").stat().st_size < (tmp_path / "f16.gguf").stat().st_size


def test_a_weight_that_the_base_has_not_is_named(tmp_path):
    base = GgufBase(tiny.make(tmp_path / "base.gguf", "llama"))
    zeros = np.zeros((4, 64), np.float32), np.zeros((64, 4), np.float32)
    for wrong in ("model.layers.9.self_attn.q_proj.weight", "model.layers.0.extra.weight"):
        with pytest.raises(SysgenError, match=wrong.replace(".", r"\.")):
            write_adapter(base, tmp_path / "a.gguf", {wrong: zeros}, 8.0, "a")
        with pytest.raises(SysgenError, match=wrong.replace(".", r"\.")):
            replaced(base, {wrong: lambda: zeros[0]})
    with pytest.raises(SysgenError, match="cannot write"):
        quantise(tmp_path / "absent.gguf", tmp_path / "q.gguf", "q8_0")
