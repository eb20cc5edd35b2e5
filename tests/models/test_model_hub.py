"""Fetching a model: shown, resumed, verified, offline, and every refusal explained.

The hub is a small server on this machine (`tests/hub.py`).
"""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hub import Hub, Machine

from sysgen_local.core.errors import SysgenError
from sysgen_local.core.resources import resource
from sysgen_local.models.hub import _transfer

BUILTIN = resource("builtin_model/builtin.gguf")
MIB = 1 << 20


@pytest.fixture
def hub() -> Iterator[Hub]:
    hub = Hub(BUILTIN.read_bytes())
    server = hub.serve()
    yield hub
    server.shutdown()
    server.server_close()


@pytest.fixture
def machine(tmp_path: Path, hub: Hub) -> Machine:
    return Machine(tmp_path, hub)


def test_pull_fetches_shows_progress_and_then_needs_no_network(machine: Machine) -> None:
    asked = machine.models("path", "mine")
    assert asked.returncode == 2
    assert "not on this machine" in asked.stderr
    assert "sysgen models pull mine" in asked.stderr

    pulled = machine.models("pull", "mine")
    assert pulled.returncode == 0, pulled.stderr
    path = Path(pulled.stdout.strip())
    assert path.read_bytes() == machine.hub.content
    assert path.is_relative_to(machine.folder / "hf" / "hub" / "models--me--mine")
    assert "mine: 0.00 of 0.01 GB" in pulled.stderr
    assert not machine.parts

    requests = len(machine.hub.ranges)
    for command in ("path", "pull"):
        again = machine.models(command, "mine", HF_HUB_OFFLINE="1")
        assert (again.returncode, again.stdout.strip()) == (0, str(path)), again.stderr
    assert "q8_0" in machine.models("list").stdout.split("mine ", 1)[1]
    assert len(machine.hub.ranges) == requests
    assert machine.models("pull", "mine", "--force").returncode == 0
    assert len(machine.hub.ranges) == requests + 1


def test_a_broken_transfer_goes_on_where_it_stopped(machine: Machine) -> None:
    machine.hub.content = b"GGUF" + os.urandom(24 * MIB)
    machine.hub.etag = hashlib.sha256(machine.hub.content).hexdigest()
    machine.hub.breaks, machine.hub.breaks_after = 1, 11 * MIB
    pulled = machine.models("pull", "mine")
    assert pulled.returncode == 0, pulled.stderr
    assert Path(pulled.stdout.strip()).read_bytes() == machine.hub.content
    assert machine.hub.ranges == [None, f"bytes={10_485_760}-"]
    assert "0.03 of 0.03 GB" in pulled.stderr


def test_a_killed_pull_goes_on_in_the_next(machine: Machine) -> None:
    hub = machine.hub
    hub.content = b"GGUF" + os.urandom(24 * MIB)
    hub.etag = hashlib.sha256(hub.content).hexdigest()
    hub.breaks, hub.breaks_after, hub.hangs = 1, 11 * MIB, threading.Event()
    killed = machine.start("pull", "mine")
    end = time.monotonic() + 60
    while not (machine.parts and machine.parts[0].stat().st_size) and time.monotonic() < end:
        time.sleep(0.05)
    killed.kill()
    killed.communicate(timeout=60)
    hub.hangs.set()
    kept = machine.parts[0].stat().st_size
    assert 0 < kept < len(hub.content)
    pulled = machine.models("pull", "mine")
    assert pulled.returncode == 0, pulled.stderr
    assert hub.ranges == [None, f"bytes={kept}-"]
    assert Path(pulled.stdout.strip()).read_bytes() == hub.content


def test_a_damaged_file_is_refused_and_thrown_away(machine: Machine) -> None:
    machine.hub.etag = "0" * 64
    pulled = machine.models("pull", "mine")
    assert pulled.returncode == 1
    assert "mine:q8_0 (me/mine, mine-q8_0.gguf) arrived damaged" in pulled.stderr
    assert "pull it again" in pulled.stderr
    assert not machine.parts
    assert not list(machine.folder.rglob("*.gguf"))
    assert "not on this machine" in machine.models("path", "mine").stderr


def test_a_hash_in_the_catalogue_is_enforced(machine: Machine) -> None:
    text = '[models."mine"]\nrepo = "me/mine"\n[models."mine".files.q8_0]\n'
    text += f'file = "mine-q8_0.gguf"\nsha256 = "{"1" * 64}"\n'
    (machine.folder / "models.toml").write_text(text, encoding="utf-8")
    pulled = machine.models("pull", "mine")
    assert pulled.returncode == 1
    assert "not the file that models.toml means" in pulled.stderr


def test_offline_is_respected(machine: Machine) -> None:
    pulled = machine.models("pull", "mine", HF_HUB_OFFLINE="1")
    assert pulled.returncode == 2
    assert "HF_HUB_OFFLINE forbids" in pulled.stderr
    assert not machine.hub.ranges


@pytest.mark.parametrize(
    ("error", "message", "exit_code"),
    [
        ((403, "GatedRepo"), "is gated: its owner lets in only", 2),
        ((401, ""), "gives no access to mine:q8_0", 2),
        ((404, "RepoNotFound"), "has no such repository, or not for you", 2),
        ((404, "RevisionNotFound"), "has no such file or revision", 2),
        ((403, ""), "gives no access to mine:q8_0", 2),
        ((418, ""), "answered 418 for mine:q8_0", 1),
    ],
)
def test_what_the_hub_refuses_is_explained(
    machine: Machine, error: tuple[int, str], message: str, exit_code: int
) -> None:
    machine.hub.error = error
    pulled = machine.models("pull", "mine")
    assert message in pulled.stderr
    assert pulled.returncode == exit_code
    assert "Traceback" not in pulled.stderr
    assert "\n  -> " in pulled.stderr


def test_a_file_the_repository_lacks(machine: Machine) -> None:
    pulled = machine.models("pull", "other")
    assert pulled.returncode == 2
    assert "has no such file or revision: other:q8_0 (me/mine, other.gguf)" in pulled.stderr


def test_no_network_is_explained(machine: Machine) -> None:
    pulled = machine.models("pull", "mine", HF_ENDPOINT="http://127.0.0.1:9")
    assert pulled.returncode == 1
    assert "the connection to http://127.0.0.1:9 failed" in pulled.stderr
    assert "pull it again" in pulled.stderr


def test_a_disk_that_is_too_small_is_noticed_before(tmp_path: Path, hub: Hub) -> None:
    with pytest.raises(SysgenError, match=r"the disk is too full: 1000000000\.00 GB") as raised:
        _transfer(hub.url, tmp_path / "part", 10**18, None)
    assert "HF_HOME" in str(raised.value.hint)
    assert not hub.ranges
