"""How LoRA adapters are written behind the name of a model."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from sysgen_local.core.adapters import Adapter, joined, label_end, split, split_last
from sysgen_local.core.errors import UsageError


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("name", "model", "adapters"),
    [
        ("builtin", "builtin", []),
        ("builtin+a.gguf", "builtin", [("a.gguf", 1.0)]),
        ("phi-4:q8_0+a.gguf=0.5", "phi-4:q8_0", [("a.gguf", 0.5)]),
        ("o/r:Q4_K_M+d/a.gguf=-2", "o/r:Q4_K_M", [("d/a.gguf", -2.0)]),
        ("b.gguf+A.GGUF=0", "b.gguf", [("A.GGUF", 0.0)]),
        ("b.gguf+a.gguf+c.gguf=1e-3", "b.gguf", [("a.gguf", 1.0), ("c.gguf", 0.001)]),
        ("b.gguf+a.gguf=0.5+c.gguf=2", "b.gguf", [("a.gguf", 0.5), ("c.gguf", 2.0)]),
        ("b+/x+y/a.gguf=0.5", "b", [("/x+y/a.gguf", 0.5)]),
        ("b+/x=1/a.gguf=0.5", "b", [("/x=1/a.gguf", 0.5)]),
    ],
)
def test_a_name_is_split(name, model, adapters):
    assert split(name) == (model, tuple(Adapter(Path(p), scale) for p, scale in adapters))


def test_a_path_with_a_plus_in_its_name_is_the_model():
    Path("x+y").mkdir()
    for name in ("m+n.gguf", "m+n.gguf+a.gguf", "x+y/m.gguf"):
        Path(name).touch()
    assert split("m+n.gguf") == ("m+n.gguf", ())
    assert split("m+n.gguf+a.gguf") == ("m+n.gguf+a.gguf", ())
    assert split("x+y/m.gguf+a.gguf") == ("x+y/m.gguf", (Adapter(Path("a.gguf")),))
    Path("m+n.gguf+a.gguf").unlink()
    assert split("m+n.gguf+a.gguf") == ("m+n.gguf", (Adapter(Path("a.gguf")),))


def test_a_tilde_is_the_home_folder():
    assert Adapter.parse("~/a.gguf").path == Path.home() / "a.gguf"


@pytest.mark.parametrize("scale", ["", "x", "nan", "inf", "-inf", "1e999", "0,5"])
def test_a_scale_is_a_finite_number(scale):
    with pytest.raises(UsageError, match="is no scale of the adapter") as caught:
        Adapter.parse(f"a.gguf={scale}")
    assert "0.5" in str(caught.value.hint)


@pytest.mark.parametrize("name", ["b+", "b+a", "b+a.gguf+", "b+.gguf", "b+a.safetensors"])
def test_an_adapter_is_a_gguf(name):
    with pytest.raises(UsageError, match="is not the name of a LoRA adapter") as caught:
        split(name)
    assert "MODEL+FILE.gguf" in str(caught.value.hint)


def test_the_option_is_written_behind_the_model():
    assert joined("b", ["a.gguf", "c.gguf=0.5"]) == "b+a.gguf+c.gguf=0.5"
    with pytest.raises(UsageError, match=r"'a\.bin' is not the name of a LoRA adapter"):
        joined("b", ["a.bin"])


@pytest.mark.parametrize("scale", [1.0, 0.0, 0.1, -3.0, 1e20, 1e-20, 1 / 3, 123456789.125])
def test_the_spelling_says_the_same_from_any_folder(scale):
    adapter = Adapter(Path("d/a.gguf"), scale)
    base, (found,) = split(f"b+{adapter.spelling}")
    assert (base, found) == ("b", Adapter(Path.cwd() / "d/a.gguf", scale))
    assert Adapter.parse(str(adapter)) == adapter
    assert not math.isnan(found.scale)


def test_names_for_people():
    assert Adapter(Path("/x/a.gguf")).name == "a.gguf"
    assert Adapter(Path("/x/a.gguf"), 0.5).name == "a.gguf=0.5"
    assert Adapter(Path("/x/a.gguf"), 2).title == "a.gguf at scale 2"


def test_a_name_of_another_machine_is_split_by_the_number_of_adapters():
    assert split_last("/m+n.gguf", 0) == ("/m+n.gguf", [])
    assert split_last("/m+n.gguf+/a.gguf=0.5", 1) == ("/m+n.gguf", ["/a.gguf=0.5"])
    assert split_last("b+/a.gguf+/c.gguf", 2) == ("b", ["/a.gguf", "/c.gguf"])
    assert split_last("same", 1) == ("same", [])


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("b.gguf", None),
        ("b.gguf+a.gguf=0.5", None),
        ("b+a.gguf=0.5+c.gguf=2", None),
        ("after=b.gguf", "after"),
        ("after=b.gguf+a.gguf", "after"),
        ("after=b.gguf+a.gguf=0.5", "after"),
        ("after=b.gguf+a.gguf=0.5+c.gguf=-1e-2", "after"),
        ("base + lora=b.gguf+a.gguf=0.5", "base + lora"),
        ("x+y=b.gguf", "x+y"),
        ("t=0.7=b.gguf", "t=0.7"),
        ("t=0.7=b.gguf+a.gguf=0.5", "t=0.7"),
    ],
)
def test_a_scale_does_not_end_a_label(text, label):
    end = label_end(text)
    assert (text[:end] if end >= 0 else None) == label
