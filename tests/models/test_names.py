"""What is said of a name that is no model: a folder, a piece of a file, an address."""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path

import pytest
from tiny import make

from sysgen_local.core.errors import SysgenError, UsageError
from sysgen_local.core.server import Server
from sysgen_local.models import check, resolve, resolve_file
from sysgen_local.models.addresses import address

QWEN = "Qwen/Qwen2.5-7B-Instruct"


def refused(name: object, way=resolve) -> UsageError:
    with pytest.raises(UsageError) as caught:
        way(str(name))
    assert caught.value.hint
    return caught.value


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> bytes:
    """A whole GGUF."""
    return make(tmp_path_factory.mktemp("whole") / "whole.gguf", "llama").read_bytes()


@pytest.fixture
def pieces(whole: bytes, tmp_path: Path):
    """A way to cut it up under other names."""

    def cut(*names: str) -> list[Path]:
        folder = tmp_path / "cut"
        folder.mkdir()
        size = -(-len(whole) // len(names))
        for i, name in enumerate(names):
            (folder / name).write_bytes(whole[i * size : (i + 1) * size])
        return [folder / name for name in names]

    return cut


@pytest.mark.parametrize(
    "names",
    [
        ("m.Q8_0.gguf-split-a", "m.Q8_0.gguf-split-b", "m.Q8_0.gguf-split-c"),
        ("m.gguf.part1of2", "m.gguf.part2of2"),
        ("m.gguf.aa", "m.gguf.ab"),
        ("m.gguf.001", "m.gguf.002"),
        ("m.gguf-part-a", "m.gguf-part-b"),
        ("my m.gguf.part00", "my m.gguf.part01"),
        ("m.part1.gguf", "m.part2.gguf"),
        ("m-00001-of-00002.gguf", "m-00002-of-00002.gguf"),
    ],
    ids=lambda names: names[0],
)
def test_raw_pieces_are_called_so_and_the_way_out_works(pieces, whole, names):
    paths = pieces(*names)
    for path in paths:
        error = refused(path, lambda name: check(resolve(name).path))
        assert "is a raw piece of a GGUF that was cut up" in error.message
        assert str(path) in error.message
        assert "not a GGUF" not in error.message
        command = error.hint.split("`")[1]
        assert [word for word in shlex.split(command) if word in names] == list(names)
    subprocess.run(command, shell=True, cwd=paths[0].parent, check=True, timeout=60)
    made = paths[0].parent / shlex.split(command)[-1]
    assert made.read_bytes() == whole
    assert check(resolve(str(made)).path).architecture == "llama"


def test_a_part_of_a_split_model_that_is_cut_short_is_called_that(tmp_path, whole):
    for i in (1, 2):
        (tmp_path / f"m-0000{i}-of-00002.gguf").write_bytes(whole[: 60_000 * i])
    with pytest.raises(SysgenError, match="is cut short"):
        check(tmp_path / "m-00001-of-00002.gguf")


@pytest.mark.parametrize("name", ["m.gguf.1", "m.part1.gguf", "m-0001-of-0002.gguf"])
def test_a_whole_file_may_have_such_a_name(tmp_path, whole, name):
    path = tmp_path / name
    path.write_bytes(whole)
    assert check(resolve(str(path)).path).architecture == "llama"


def test_a_folder_is_called_a_folder(tmp_path, whole, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("empty", "transformers", "one", "split"):
        (tmp_path / name).mkdir()
    (tmp_path / "transformers" / "config.json").touch()
    (tmp_path / "one" / "b.gguf").write_bytes(whole)
    for i in (1, 2):
        (tmp_path / "split" / f"m-0000{i}-of-00002.gguf").touch()
    for folder, way in (
        ("empty", "no .gguf file in it"),
        ("transformers", "convert_hf_to_gguf.py"),
        ("one", "name the file in it: one/b.gguf"),
        ("split", "name the file in it: split/m-00001-of-00002.gguf"),
    ):
        for name in (folder, f"./{folder}", f"{folder}/"):
            error = refused(name)
            assert "is a folder, not a GGUF file" in error.message
            assert way in str(error.hint)
    (tmp_path / "one" / "a.gguf").write_bytes(whole)
    assert "one/a.gguf, or another of the 2 in it" in str(refused("one").hint)


def test_an_entry_whose_path_is_a_folder(tmp_path, monkeypatch):
    (tmp_path / "weights").mkdir()
    (tmp_path / "models.toml").write_text('[models."mine"]\npath = "weights"\n')
    monkeypatch.setenv("SYSGEN_MODELS", str(tmp_path / "models.toml"))
    assert "weights is a folder, not a GGUF file" in refused("mine").message


@pytest.mark.parametrize(
    "name",
    [
        f"hf://{QWEN}",
        f"hf://models/{QWEN}-GGUF",
        f"https://huggingface.co/{QWEN}",
        f"https://huggingface.co/{QWEN}-GGUF/tree/main",
        f"huggingface.co/{QWEN}-GGUF",
        f"hf.co/{QWEN}-GGUF:Q4_K_M",
        f"http://hf.co/{QWEN}?library=x",
        f"https://huggingface.co/{QWEN.lower()}@main",
    ],
)
@pytest.mark.parametrize("way", [resolve, resolve_file])
def test_an_address_of_a_hub_leads_to_the_name(name, way):
    error = refused(name, way)
    assert "is an address on the Hugging Face hub" in error.message
    assert "`sysgen models pull qwen2.5-7b" in str(error.hint)


def test_an_address_that_no_entry_knows_says_how_to_fetch_it():
    error = refused("https://huggingface.co/me/my-model-GGUF/resolve/main/my-q4.gguf?download=true")
    assert "`sysgen models pull hf://me/my-model-GGUF/my-q4.gguf`" in str(error.hint)
    assert "is no model" in refused("hf://datasets/me/rows").message
    error = refused("hf://me/my-model")
    assert "`sysgen models pull me/my-model`" in str(error.hint)
    error = refused("me/my-model-GGUF:Q4_K_M")
    assert error.message == "me/my-model-GGUF:Q4_K_M is not on this machine"
    assert "`sysgen models pull me/my-model-GGUF:Q4_K_M`" in str(error.hint)
    error = refused("hf://me/my-model@v2:q4_0")
    assert "names the revision v2" in error.message
    assert "name me/my-model:q4_0" in str(error.hint)


def test_a_quantisation_that_an_entry_does_not_list_is_pulled_from_its_repository():
    error = refused("bartowski/phi-4-GGUF:Q6_K")
    assert error.hint == "`sysgen models pull bartowski/phi-4-GGUF:Q6_K` fetches it"
    assert "sysgen models pull phi-4:q8_0`" in str(refused("bartowski/phi-4-GGUF:Q8_0").hint)
    other = str(refused("unsloth/phi-4-GGUF").hint)
    assert "`sysgen models pull phi-4`" in other
    assert "`sysgen models pull unsloth/phi-4-GGUF` fetches this repository" in other


def test_what_may_be_a_path_or_a_repository(tmp_path, whole, monkeypatch):
    monkeypatch.chdir(tmp_path)
    error = refused(f"{QWEN}-GGUF")
    assert error.message == f"there is no file {QWEN}-GGUF"
    assert "qwen2.5-7b" in str(error.hint)
    assert refused("models/gone").message == "there is no file models/gone"
    (tmp_path / "me").mkdir()
    (tmp_path / "me" / "model").write_bytes(whole)
    assert resolve("me/model").path == Path("me/model")


@pytest.mark.parametrize(
    "name",
    [
        "/a/b",
        "./a/b",
        "../a",
        "~/a/b",
        "a/b/c",
        "a/b.gguf/c",
        "qwen2.5-7b",
        "a b/c",
        "",
        "a/b.gguf",
    ],
)
def test_paths_are_no_addresses(name):
    assert address(name) is None


def test_the_address_of_a_server_stays_one():
    assert resolve("http://localhost:8080/v1#m") == Server.at("http://localhost:8080/v1#m")
    assert resolve("https://hf.example.org/v1") == Server.at("https://hf.example.org/v1")
    assert "is the address of a server" in refused("http://localhost:8080/v1", resolve_file).message
