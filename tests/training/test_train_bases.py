"""The bases that `sysgen train` takes: GGUFs with variants, folders of transformers, hubs.

Skipped where the extra `train` is not installed.
"""

from __future__ import annotations

import json
import subprocess
import sys

import gguf
import numpy as np
import pytest
import tiny
from hub import Hub
from hub import Machine as Computer
from trainings import FAST

from sysgen_local.core.errors import SysgenError, UsageError
from sysgen_local.training import rope, torch_model
from sysgen_local.training.folder import (
    read_curve,
    read_recipe,
)
from sysgen_local.training.settings import Schedule
from sysgen_local.workflows.train import train

pytest.importorskip("torch", reason="the extra `train` is not installed")
pytest.importorskip("trl", reason="the extra `train` is not installed")
pytestmark = [pytest.mark.e2e, pytest.mark.filterwarnings("ignore")]  # the libraries' own


def test_a_model_that_transformers_reads_otherwise_is_refused(store, base, tmp_path):
    path = tiny.make(tmp_path / "gemma.gguf", "gemma2", kv_heads=2)
    # llama.cpp rotates only a part of each head then, and transformers all of it.
    reader = gguf.GGUFReader(path, "r+")
    field = reader.fields["gemma2.rope.dimension_count"]
    field.parts[field.data[0]][0] = 16
    reader.data.flush()
    with pytest.raises(SysgenError, match=r"compute different models of gemma\.gguf"):
        train(store, str(path), tmp_path / "out", **FAST)
    assert not read_curve(tmp_path / "out")
    # Here it takes the size of a head from it, which is not that of the weights.
    reader = gguf.GGUFReader(base, "r+")
    field = reader.fields["llama.rope.dimension_count"]
    field.parts[field.data[0]][0] = 4
    reader.data.flush()
    with pytest.raises(UsageError, match="transformers cannot load"):
        train(store, str(base), tmp_path / "other", **FAST)


@pytest.mark.parametrize("method", ["lora", "full", "qlora"])
def test_a_base_in_the_form_of_transformers_becomes_a_gguf(
    store, transformers_folder, tmp_path, method
):
    if method == "qlora":
        pytest.importorskip("bitsandbytes", reason="the extra `qlora` is not installed")
    said: list[str] = []
    done = train(
        store, str(transformers_folder), tmp_path / "out", method=method, say=said.append,
        gguf=["f16"], **FAST,
    )  # fmt: skip
    base = tmp_path / "out" / "base.gguf"
    [line] = [line for line in said if "agree on base.gguf" in line]
    assert float(line.split("divergence ")[1].split()[0]) < (0.05 if method == "qlora" else 0.001)
    assert gguf.GGUFReader(base).fields["tokenizer.chat_template"].contents() == tiny.CHATML
    first = "model-f16.gguf" if method == "full" else "adapter.gguf"
    assert done.files[0].name == first
    assert read_recipe(tmp_path / "out")["base"] == "folder"
    for name in ("README.md", "recipe.json", "data/README.md"):
        assert str(tmp_path) not in (tmp_path / "out" / name).read_text(), name
    written = base.stat().st_mtime_ns
    again = train(store, str(transformers_folder), tmp_path / "out", method=method, **FAST)
    assert again.finished
    assert base.stat().st_mtime_ns == written


def test_a_folder_that_holds_no_model_or_an_unknown_one_is_refused(
    store, transformers_folder, tmp_path
):
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(UsageError, match="holds no model"):
        train(store, str(empty), tmp_path / "out")
    config = transformers_folder / "config.json"
    settings = json.loads(config.read_text())
    for changed, why in [
        ({"model_type": "mamba2"}, "of the type mamba2, which is not converted here"),
        ({"rope_parameters": {"rope_type": "yarn", "factor": 2.0, "rope_theta": 1e4}}, "rope yarn"),
        ({"num_hidden_layers": 1}, "a weight that is not known: model.layers.1."),
    ]:
        config.write_text(json.dumps(settings | changed))
        with pytest.raises(UsageError, match=why):
            train(store, str(transformers_folder), tmp_path / "out")
    config.write_text(json.dumps(settings))
    with pytest.raises(UsageError, match="--qlora loads weights in four bits"):
        train(store, str(tmp_path / "m.gguf"), tmp_path / "out", method="qlora")
    assert not (tmp_path / "out").exists()


def test_a_base_on_a_hub_is_fetched_once(db, transformers_folder, tmp_path):
    files = {of.name: of.read_bytes() for of in transformers_folder.iterdir()}
    hub = Hub(b"", more=files)
    server = hub.serve()
    try:
        machine = Computer(tmp_path / "home", hub)
        machine.folder.mkdir()
        (machine.folder / "models.toml").write_text("")

        def call(base, folder, **env):
            return subprocess.run(
                [sys.executable, "-m", "sysgen_local.cli.main", "train", "--db", str(db), "--base",
                 base, "-o", str(tmp_path / folder), "--lora", "4", "--epochs", "1", "-q"],
                env=machine.environment() | env, capture_output=True, text=True, timeout=300,
            )  # fmt: skip

        done = call("me/mine", "out")
        assert done.returncode == 0, (done.stderr, hub.asked)
        assert read_recipe(tmp_path / "out")["base"] == "me/mine"
        asked = len(hub.asked)
        again = call("me/mine", "again", HF_HUB_OFFLINE="1")
        assert again.returncode == 0, again.stderr
        assert len(hub.asked) == asked
        absent = call("me/absent", "absent")
        assert absent.returncode == 2
        assert "sysgen: me/absent is no model on this machine, and could not be fetched" in (
            absent.stderr
        )
        assert "Traceback" not in absent.stderr
        assert not (tmp_path / "absent").exists()
    finally:
        server.shutdown()
        server.server_close()


LLAMA3 = {"factor": 32.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
          "original_max_position_embeddings": 8192}  # fmt: skip


@pytest.mark.parametrize("divisors", [
    rope.llama3_divisors(10_000.0, tiny.HEAD, LLAMA3).tolist(), [1, 1, 1.5, 2, 3, 5, 8, 20],
], ids=["llama 3.2", "another"])  # fmt: skip
def test_scaled_frequencies_of_a_gguf_are_those_of_llama_cpp(store, tmp_path, divisors):
    path = tiny.make(tmp_path / "base.gguf", "llama", spread=1.0, rope_divisors=divisors)
    schedule = Schedule("full", None, None, 1, 1e-3, 0, 0, 1, 1, "float32", False, 0, 5, 0)
    model, _ = torch_model.load(path, schedule, "cpu")
    frequencies = model.model.rotary_emb.inv_freq.numpy()
    plain = 10_000.0 ** -(np.arange(0, tiny.HEAD, 2) / tiny.HEAD)
    assert np.allclose(frequencies * divisors, plain)
    assert (model.config.rope_parameters["rope_type"] == "llama3") == (divisors[-1] == 32)
    said: list[str] = []
    train(store, str(path), tmp_path / "out", say=said.append, **FAST | {"epochs": 1})
    for name in ("base.gguf", "model-f16.gguf"):
        [line] = [line for line in said if f"agree on {name}" in line]
        assert float(line.split("divergence ")[1].split()[0]) < 0.0005
    assert "rope_freqs.weight" in {
        of.name for of in gguf.GGUFReader(tmp_path / "out/model-f16.gguf").tensors
    }
    from transformers import AutoModelForCausalLM

    train(store, str(tmp_path / "out/model"), tmp_path / "again", say=said.append, **FAST)
    assert any("agree on base.gguf" in line for line in said[-5:])
    alone, tokens = AutoModelForCausalLM.from_pretrained(tmp_path / "out/model"), [*range(300, 360)]
    theirs = torch_model.llama_logits(tmp_path / "out/model-f16.gguf", tokens)
    assert torch_model.agreement(torch_model.logits(alone, tokens), theirs).divergence < 0.0005


def test_scaled_frequencies_of_transformers_reach_the_gguf(store, transformers_folder, tmp_path):
    config = transformers_folder / "config.json"
    settings = json.loads(config.read_text())
    scaled = {"rope_type": "llama3", "rope_theta": 10_000.0, **LLAMA3}
    config.write_text(json.dumps(settings | {"rope_parameters": scaled}))
    said: list[str] = []
    train(store, str(transformers_folder), tmp_path / "out", say=said.append, method="lora",
          **FAST | {"epochs": 1})  # fmt: skip
    [line] = [line for line in said if "agree on base.gguf" in line]
    assert float(line.split("divergence ")[1].split()[0]) < 0.0005
    reader = gguf.GGUFReader(tmp_path / "out" / "base.gguf")
    [found] = [of.data for of in reader.tensors if of.name == "rope_freqs.weight"]
    assert np.allclose(found, rope.llama3_divisors(10_000.0, tiny.HEAD, LLAMA3))


def test_the_licence_of_the_base_is_that_of_catalogue_or_card(store, transformers_folder, tmp_path):
    said: list[str] = []
    options = FAST | {"epochs": 1, "held_out": 0.001}
    train(store, "builtin", tmp_path / "one", where="row < 4", say=said.append, **options)
    assert "| builtin.gguf | apache-2.0 |" in (tmp_path / "one" / "README.md").read_text()
    assert "no row is held out, there are so few" in "\n".join(said)
    card = transformers_folder / "README.md"
    card.write_text("---\nlicense: mit\n---\n# mine\n")
    train(store, str(transformers_folder), tmp_path / "two", method="lora", **FAST | {"epochs": 1})
    assert "| folder | mit | permissive |" in (tmp_path / "two" / "README.md").read_text()
    card.write_text("no head")
    train(store, str(transformers_folder), tmp_path / "three", method="lora",
          **FAST | {"epochs": 1})  # fmt: skip
    assert "| folder | unknown |" in (tmp_path / "three" / "README.md").read_text()
