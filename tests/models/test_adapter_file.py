"""Models with LoRA adapters by name, and which adapters are refused before anything is loaded."""

from __future__ import annotations

import os
from pathlib import Path

import lora
import numpy as np
import pytest
from tiny import FEED, LAYERS, WIDTH, make

from sysgen_local.core.adapters import Adapter
from sysgen_local.core.errors import SysgenError, UsageError
from sysgen_local.core.server import Server
from sysgen_local.models import check, check_files, fingerprint, identity, place, resolve
from sysgen_local.models.copies import find_copy, finder


@pytest.fixture(scope="module")
def base(tmp_path_factory) -> Path:
    return make(tmp_path_factory.mktemp("base") / "base.gguf", "llama")


@pytest.fixture(scope="module")
def fitting(base) -> Path:
    return lora.adapter(base.with_name("fits.gguf"), base)


def refused(base: Path, adapter: Path) -> UsageError:
    """Of what `resolve` or the check of the files refuses."""
    with pytest.raises(UsageError) as caught:
        check_files(resolve(f"{base}+{adapter}"))
    assert str(adapter) in caught.value.message
    assert caught.value.hint
    return caught.value


def test_a_name_with_adapters_is_resolved(base, fitting):
    model = resolve(f"{base}+{fitting}=0.5")
    assert (model.path, model.adapters) == (base, (Adapter(fitting, 0.5),))
    assert model.name == "base+fits.gguf=0.5"
    assert model.spelling == f"{base}+{fitting}=0.5"
    assert resolve(model.spelling) == model
    assert place(model).size == base.stat().st_size + fitting.stat().st_size
    assert resolve(f"builtin+{fitting}").name == "builtin+fits.gguf"
    assert resolve(f"builtin+{fitting}").spelling == f"builtin+{fitting}"


def test_a_file_with_a_plus_in_its_name_is_a_model(base, fitting, tmp_path):
    path = tmp_path / "my+base.gguf"
    path.write_bytes(base.read_bytes())
    assert resolve(str(path)).path == path
    assert resolve(f"{path}+{fitting}").adapters == (Adapter(fitting),)


def test_the_identity_has_the_adapters_in_their_order(base, fitting, tmp_path):
    other = lora.adapter(tmp_path / "other.gguf", base, seed=1)
    one, two = fingerprint(fitting), fingerprint(other)
    assert "lora" not in identity(resolve(base))
    assert identity(resolve(f"{base}+{fitting}"))["lora"] == f"{one}=1.0"
    assert identity(resolve(f"{base}+{fitting}=0.5+{other}"))["lora"] == f"{one}=0.5 {two}=1.0"
    assert identity(resolve(f"{base}+{other}+{fitting}=0.5"))["lora"] == f"{two}=1.0 {one}=0.5"


def test_a_server_takes_no_adapter(fitting, monkeypatch, tmp_path):
    (tmp_path / "models.toml").write_text('[models."far"]\nservers = ["http://h:1/v1#m"]\n')
    monkeypatch.setenv("SYSGEN_MODELS", str(tmp_path / "models.toml"))
    for name in ("http://h:1/v1", "http://h:1/v1#m", "http://h:1/v1#m,http://i:1/v1#m", "far"):
        with pytest.raises(UsageError, match="is a server, and a LoRA adapter") as caught:
            resolve(f"{name}+{fitting}=0.5")
        assert caught.value.message.startswith(name)
        assert "into the server" in str(caught.value.hint)
    with pytest.raises(UsageError, match="is a server"):
        resolve("http://h:1/v1+missing.gguf")
    served = resolve("http://h:1/v1#/models/a+b.gguf")  # a model that a server calls so
    assert isinstance(served, Server)
    assert served.name == "http://h:1/v1#/models/a+b.gguf"


def test_an_adapter_that_is_not_there(base, tmp_path):
    assert "does not exist" in refused(base, tmp_path / "none.gguf").message
    text = tmp_path / "text.gguf"
    text.write_text("hello")
    assert "is not a GGUF file" in refused(base, text).message


def test_an_adapter_that_is_cut_short(base, fitting, tmp_path):
    short = tmp_path / "short.gguf"
    short.write_bytes(fitting.read_bytes())
    os.truncate(short, short.stat().st_size // 2)
    with pytest.raises(SysgenError, match=r"short\.gguf is cut short"):
        check_files(resolve(f"{base}+{short}"))


def test_an_adapter_of_a_deeper_model(base, tmp_path):
    of = lora.changes(base)
    deeper = {name.replace("blk.1.", "blk.12."): change for name, change in of.items()}
    message = refused(base, lora.write(tmp_path / "x.gguf", deeper)).message
    assert "is an adapter for another base: it has blk.12." in message
    assert f"and base.gguf has {LAYERS} layers" in message


def test_an_adapter_of_a_wider_model(base, tmp_path):
    wide = np.zeros((4, 128), np.float32), np.zeros((WIDTH, 4), np.float32)
    x = lora.write(tmp_path / "x.gguf", {"blk.0.attn_q.weight": wide})
    message = refused(base, x).message
    assert "another base: blk.0.attn_q.weight is 128 x 64 in it and 64 x 64 in base.gguf" in message


def test_an_adapter_of_weights_that_the_base_has_not(base, tmp_path):
    change = lora.changes(base)["blk.0.attn_q.weight"]
    x = lora.write(tmp_path / "x.gguf", {"blk.0.ssm_in.weight": change})
    assert "it has blk.0.ssm_in.weight, which base.gguf has not" in refused(base, x).message


def test_an_adapter_of_another_architecture(base, tmp_path):
    x = lora.write(tmp_path / "x.gguf", lora.changes(base), architecture="qwen2")
    message = refused(base, x).message
    assert "for another base: it is for the architecture qwen2, and base.gguf has llama" in message


def test_files_that_are_no_lora_adapter(base, tmp_path):
    of = lora.changes(base)
    assert "is a whole model and no LoRA adapter" in refused(base, base).message
    projector = lora.write(tmp_path / "p.gguf", of, architecture="clip", kind="mmproj")
    assert (
        "is no LoRA adapter but another part of a model (image encoder)"
        in refused(base, projector).message
    )
    vector = lora.write(tmp_path / "v.gguf", of, method="control_vector")
    assert "is an adapter of control_vector, and not of LoRA" in refused(base, vector).message
    silent = lora.write(tmp_path / "s.gguf", of, method=None)
    assert "is an adapter of no stated method" in refused(base, silent).message
    activated = lora.write(tmp_path / "al.gguf", of, tokens=[1, 2])
    assert "is an activated LoRA" in refused(base, activated).message


def test_adapters_that_are_broken(base, tmp_path):
    (name, (a, b)), *_ = lora.changes(base).items()
    half = lora.write(tmp_path / "h.gguf", {}, more={f"{name}.lora_a": a})
    assert f"has only one half of {name}" in refused(base, half).message
    uneven = lora.write(tmp_path / "u.gguf", {name: (a, b[:, :2].copy())})
    assert f"has two halves of {name} with different ranks" in refused(base, uneven).message
    empty = lora.write(tmp_path / "e.gguf", {})
    assert "is a LoRA adapter without tensors" in refused(base, empty).message
    odd = lora.write(tmp_path / "o.gguf", {name: (a, b)}, more={"blk.0.bias": a})
    assert "has blk.0.bias, which is no part of a LoRA adapter" in refused(base, odd).message


def test_what_llama_cpp_takes_is_not_refused(base, tmp_path):
    """The token embeddings, whose halves are stored the other way round, and norms."""
    vocabulary = 10_240
    embeds = np.zeros((vocabulary, 4), np.float32), np.zeros((WIDTH, 4), np.float32)
    down = np.zeros((4, FEED), np.float32), np.zeros((WIDTH, 4), np.float32)
    x = lora.write(
        tmp_path / "x.gguf",
        {"token_embd.weight": embeds, "blk.1.ffn_down.weight": down},
        more={"blk.0.attn_norm.weight": np.ones(WIDTH, np.float32)},
    )
    model = resolve(f"{base}+{x}")
    assert check_files(model).architecture == "llama"
    from sysgen_local.engine.llama.engine import LlamaEngine
    from sysgen_local.engine.options import Options

    LlamaEngine(base, Options(slots=1, context=256), model.adapters).close()


def test_an_adapter_as_a_model_says_how_it_is_used(fitting):
    with pytest.raises(UsageError, match="is no language model but an accessory") as caught:
        check(fitting)
    assert f"MODEL+{fitting.name}" in str(caught.value.hint)
    assert f"--lora {fitting}" in str(caught.value.hint)


def test_the_files_are_found_on_another_machine(base, fitting, tmp_path):
    find = finder(resolve(f"{base}+{fitting}=0.5"))
    assert find() == place(resolve(f"{base}+{fitting}=0.5"))
    there = [(Adapter(tmp_path / "none.gguf"), "0" * 64)]
    with pytest.raises(UsageError, match=r"LoRA adapter .*none\.gguf does not exist"):
        find_copy(str(base), fingerprint(base), there)
    with pytest.raises(UsageError, match=r"fits\.gguf is another file than the fits\.gguf of"):
        find_copy(str(base), fingerprint(base), [(Adapter(fitting), "0" * 64)])
