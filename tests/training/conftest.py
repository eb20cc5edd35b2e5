"""A store and bases that the tests of training share."""

from __future__ import annotations

import pytest
import tiny
from filled import fill

from sysgen_local.store import Store
from sysgen_local.training import torch_model
from sysgen_local.training.settings import Schedule


@pytest.fixture(scope="module")
def db(tmp_path_factory):
    path = tmp_path_factory.mktemp("store") / "s.duckdb"
    fill(path, 40)
    return path


@pytest.fixture
def store(db):
    with Store.open(db, read_only=True) as store:
        yield store


@pytest.fixture
def base(tmp_path):
    return tiny.make(tmp_path / "base.gguf", "llama", kv_heads=2, spread=1.0)


@pytest.fixture
def transformers_folder(tmp_path, monkeypatch):
    """A model in the form of transformers, with bfloat16 weights in several files."""
    monkeypatch.setattr(tiny, "FEED", 128)  # bitsandbytes takes multiples of 64
    path = tiny.make(tmp_path / "m.gguf", "llama", kv_heads=2, spread=1.0)
    schedule = Schedule("full", None, None, 1, 1e-3, 0, 0, 1, 1, "float32", False, 0, 5, 0)
    model, tokenizer = torch_model.load(path, schedule, "cpu")
    model.bfloat16().save_pretrained(tmp_path / "folder", max_shard_size="400KB")
    tokenizer.save_pretrained(tmp_path / "folder")
    assert len(list((tmp_path / "folder").glob("*.safetensors"))) > 1
    return tmp_path / "folder"
