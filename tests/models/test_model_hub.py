"""Fetching a model: shown, resumed, verified, offline, and every refusal explained.

The hub is a small server on this machine that speaks what huggingface_hub's real client asks;
what downloads runs in a process of its own, since the client reads its environment once.
"""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from places import ROOT
from processes import ended

from sysgen_local.core.errors import SysgenError
from sysgen_local.core.resources import resource
from sysgen_local.models.hub import _transfer

BUILTIN = resource("builtin_model/builtin.gguf")
MIB = 1 << 20


@dataclass
class Hub:
    """One repository, me/mine, with one file; and how it fails."""

    content: bytes
    etag: str = ""
    breaks_after: int | None = None
    breaks: int = 0
    hangs: threading.Event | None = None
    error: tuple[int, str] | None = None
    ranges: list[str | None] = field(default_factory=list)
    url: str = ""

    def serve(self) -> ThreadingHTTPServer:
        hub = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_: object) -> None: ...

            def do_HEAD(self) -> None:
                self.answer(body=False)

            def do_GET(self) -> None:
                if "/resolve/" in self.path:
                    hub.ranges.append(self.headers.get("Range"))
                self.answer(body=True)

            def answer(self, *, body: bool) -> None:
                if hub.error is not None:
                    return self.fail(*hub.error)
                if self.path != "/me/mine/resolve/main/mine-q8_0.gguf":
                    return self.fail(404, "EntryNotFound")
                found = re.match(r"bytes=(\d+)-", self.headers.get("Range") or "")
                start = int(found[1]) if found else 0
                rest = hub.content[start:]
                self.send_response(206 if found else 200)
                if found:
                    total = len(hub.content)
                    self.send_header("Content-Range", f"bytes {start}-{total - 1}/{total}")
                self.send_header("Content-Length", str(len(rest)))
                self.send_header("ETag", f'"{hub.etag}"')
                self.send_header("X-Repo-Commit", "c" * 40)
                self.end_headers()
                if not body:
                    return None
                if hub.breaks:
                    hub.breaks -= 1
                    rest = rest[: hub.breaks_after]
                    self.close_connection = True
                self.wfile.write(rest)
                if hub.hangs is not None:
                    hub.hangs.wait(60)
                return None

            def fail(self, status: int, code: str) -> None:
                self.send_response(status)
                self.send_header("X-Error-Code", code)
                self.send_header("Content-Length", "0")
                self.end_headers()

        self.etag = self.etag or hashlib.sha256(self.content).hexdigest()
        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{server.server_address[1]}"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return server


@pytest.fixture
def hub() -> Iterator[Hub]:
    hub = Hub(BUILTIN.read_bytes())
    server = hub.serve()
    yield hub
    server.shutdown()
    server.server_close()


PROGRAM = """
import sys
from sysgen_local.cli.models import models
from sysgen_local.core.errors import SysgenError
try:
    models()
except SysgenError as error:
    print(f"error: {error}", file=sys.stderr)
    sys.exit(error.exit_code)
"""


@dataclass
class Machine:
    """Runs `sysgen models ...` as a user would, with a hub and a cache of its own."""

    folder: Path
    hub: Hub

    def start(self, *args: str, **env: str) -> subprocess.Popen[str]:
        own = self.folder / "models.toml"
        if not own.exists():
            text = '[models."mine"]\nrepo = "me/mine"\nfiles.q8_0.file = "mine-q8_0.gguf"\n'
            text += '[models."other"]\nrepo = "me/mine"\nfiles.q8_0.file = "other.gguf"\n'
            own.write_text(text, encoding="utf-8")
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "HUGGING"))}
        own_environment = {
            "HF_ENDPOINT": self.hub.url,
            "HF_HOME": str(self.folder / "hf"),
            "SYSGEN_MODELS": str(own),
            "NO_PROXY": "127.0.0.1",
            "PYTHONPATH": str(ROOT),
        }
        return subprocess.Popen(
            [sys.executable, "-W", "error", "-c", PROGRAM, *args],
            env=kept | own_environment | env,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def models(self, *args: str, **env: str) -> subprocess.CompletedProcess[str]:
        with ended(self.start(*args, **env)) as process:
            out, err = process.communicate(timeout=120)
        return subprocess.CompletedProcess(args, process.returncode, out, err)

    @property
    def parts(self) -> list[Path]:
        return list(self.folder.rglob("*.sysgen-part"))


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
