"""Servers with a name in models.toml, and those that run on this machine."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner
from servers import Scripted, said

from sysgen_local.cli.commands import cli
from sysgen_local.core.errors import UsageError
from sysgen_local.core.server import Address, Server
from sysgen_local.engine.openai import discover
from sysgen_local.models import load_catalogue, resolve
from sysgen_local.models.resolve import resolve_file

LAB = """
[models."lab"]
servers = ["http://one:8000/v1#m", "http://two:8000/v1/"]
key_env = "LAB_KEY"
license = "mit"
"""


@pytest.fixture
def listed(tmp_path, monkeypatch):
    def write(text):
        (tmp_path / "models.toml").write_text(text)
        monkeypatch.setenv("SYSGEN_MODELS", str(tmp_path / "models.toml"))

    return write


def test_a_name_means_all_its_servers(listed):
    listed(LAB)
    addresses = (
        Address("http://one:8000/v1", "m", "LAB_KEY"),
        Address("http://two:8000/v1", None, "LAB_KEY"),
    )
    assert resolve("lab") == Server(addresses, "lab")
    assert resolve("lab").name == "lab"
    with pytest.raises(UsageError, match="lab runs on servers"):
        resolve_file("lab")
    shown = CliRunner().invoke(cli, ["models", "show", "lab"]).stdout
    assert "http://one:8000/v1#m" in shown
    assert "LAB_KEY" in shown
    for command in ("pull", "path", "check"):
        error = CliRunner().invoke(cli, ["models", command, "lab"]).exception
        assert "runs on servers" in str(error)


def test_an_own_entry_can_put_a_known_model_on_servers(listed):
    listed('[models."phi-4"]\nservers = ["http://one/v1"]')
    assert resolve("phi-4") == Server((Address("http://one/v1"),), "phi-4")
    assert load_catalogue().entries["phi-4"].repo is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('servers = ["one:8000"]', "is not the address of a server"),
        ('servers = ["http://me:secret@one/v1"]', "has a name or password in it"),
        ('servers = ["http://one/v1"]\npath = "m.gguf"', "or servers"),
        ('servers = ["http://one/v1"]\nkey_env = "a key"', "key_env"),
        ('path = "m.gguf"\nkey_env = "KEY"', "key_env is for servers"),
        ("servers = []", "or servers"),
    ],
)
def test_what_is_wrong_with_an_entry_is_one_sentence(listed, text, message):
    listed(f'[models."lab"]\n{text}')
    with pytest.raises(UsageError) as caught:
        load_catalogue()
    assert message in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("http://one/v1,two", "two is not the address of a server"),
        ("http://one/v1,", "is not the address of a server"),
        ("http://", "is not the address of a server"),
        ("http://me:secret@one/v1", "the address of one has a name or password in it"),
        ("http://one/v1,http://one/v1", "names a server twice"),
        ("http://one/v1,http://one/v1/", "names a server twice"),
        ("http://one/v1#m,http://one/v1", "names a server twice"),
        ("http://[::1/v1", "is not the address of a server"),
        ("http://me:secret@[::1/v1", "is not the address of a server"),
        ("http://one:80a/v1", "is not the address of a server"),
        ("http://one:99999/v1", "is not the address of a server"),
    ],
)
def test_what_is_wrong_with_addresses_is_one_sentence(name, message):
    with pytest.raises(UsageError, match=message) as caught:
        resolve(name)
    assert "secret" not in str(caught.value)


def test_running_servers_are_found_and_say_how_many_requests_they_take(monkeypatch, free_port):
    llama, plain, other = (Scripted(lambda body: said("")) for _ in range(3))
    llama.models = [{"id": "m.gguf", "owned_by": "llamacpp"}]
    llama.paths["/props"] = (200, {"total_slots": 3})
    other.paths["/v1/models"] = (200, b"<html>")
    for server in (llama, plain, other):
        server.start()
    ports = [int(of.url.split(":")[2].split("/")[0]) for of in (llama, plain, other)]
    places = [("vLLM", ports[0]), ("Ollama", ports[1]), ("vLLM", ports[2]), ("x", free_port)]
    monkeypatch.setattr(discover, "USUAL", places)
    monkeypatch.setattr(discover.running, "__defaults__", (places,))
    first, second = discover.running()
    assert (first.name, first.models, first.parallel) == ("llama-server", ("m.gguf",), 3)
    assert (second.name, second.models, second.parallel) == ("Ollama", ("m",), None)
    for command in ("doctor", "models list"):
        printed = CliRunner().invoke(cli, command.split()).output
        assert f"{llama.url}: m.gguf; 3 requests at a time" in printed
        assert f"{plain.url}: m; does not say how many requests at a time" in printed
        found = json.loads(CliRunner().invoke(cli, [*command.split(), "--json"]).stdout)
        assert [of["url"] for of in found["servers"]] == [llama.url, plain.url]
    for server in (llama, plain, other):
        server.stop()
