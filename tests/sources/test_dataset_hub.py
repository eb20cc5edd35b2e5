"""hf:// inputs: the hub's real client, in a process of its own, against a local server."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import ClassVar

import pytest

COMMIT = "a" * 40
ROW = json.dumps({"instruction": "Q", "output": "A"})
FILES = {
    "README.md": "# a dataset",
    "data/train-1.jsonl": f"{ROW}\n{ROW}\n",
    "data/test-1.jsonl": f"{ROW}\n",
}


class Hub(BaseHTTPRequestHandler):
    """The few answers of a hub that the client asks for."""

    halves = 0  # so many transfers break off in the middle
    stalls = False  # data never comes
    asked: ClassVar[list[str | None]] = []  # the ranges of transfers

    def do_GET(self) -> None:
        self._answer(body=True)

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def _answer(self, *, body: bool) -> None:
        prefix = f"/datasets/me/data/resolve/{COMMIT}/"
        path = re.sub("/resolve/(main|refs%2Fconvert%2Fparquet)/", f"/resolve/{COMMIT}/", self.path)
        if path.startswith("/api/datasets/me/data"):
            siblings = [{"rfilename": name} for name in FILES]
            found = {"id": "me/data", "sha": COMMIT, "siblings": siblings, "tags": []}
            entries = [
                {"type": "file", "path": name, "size": len(text), "oid": "0"}
                for name, text in FILES.items()
            ]
            data = json.dumps(entries if "/tree/" in path else found).encode()
        elif path.startswith(prefix) and path.removeprefix(prefix) in FILES:
            data = FILES[path.removeprefix(prefix)].encode()
        else:
            self.send_response(404)
            self.send_header("X-Error-Code", "RepoNotFound")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        whole = data
        is_file = path.startswith(prefix)
        wanted = self.headers.get("Range")
        if body and is_file:
            self.asked.append(wanted)
            data = data[int(wanted.removeprefix("bytes=").rstrip("-")) if wanted else 0 :]
        self.send_response(206 if wanted else 200)
        self.send_header("Content-Length", str(len(data)))
        self.send_header("Content-Type", "application/json")
        self.send_header("ETag", f'"{hashlib.sha1(whole).hexdigest()}"')
        self.send_header("X-Repo-Commit", COMMIT)
        self.end_headers()
        if body and is_file and self.stalls:
            time.sleep(10)
        elif body and is_file and Hub.halves:
            Hub.halves -= 1
            self.wfile.write(data[: len(data) // 2])
            self.close_connection = True
        elif body:
            self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def hub() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Hub) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def run(folder: Path, endpoint: str, *arguments: str, **more: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "sysgen_local.cli.main", "import-tags", "tags.jsonl", *arguments],
        cwd=folder, capture_output=True, text=True, timeout=120,
        env={**os.environ, "HF_ENDPOINT": endpoint, "HF_HOME": str(folder / "hf"), **more},
    )  # fmt: skip


def rows(folder: Path) -> int:
    from sysgen_local.store import Store

    with Store.open(folder / "sysgen.duckdb", create=False, read_only=True) as store:
        return store.counts().input


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "tags.jsonl").write_text("")
    return tmp_path


def test_the_train_split_is_fetched_and_then_there_without_a_network(hub, folder):
    name = "hf://datasets/me/data"
    done = run(folder, hub, name)
    assert done.returncode == 0, done.stderr
    assert rows(folder) == 2
    offline = run(folder, "http://127.0.0.1:9", name, "--db", "b.duckdb", HF_HUB_OFFLINE="1")
    assert offline.returncode == 0, offline.stderr


def test_a_folder_or_a_file_of_it(hub, folder):
    assert run(folder, hub, "hf://datasets/me/data/data/test-1.jsonl").returncode == 0
    assert rows(folder) == 1


@pytest.mark.parametrize(
    ("name", "more", "read"),
    [
        ("{hub}/datasets/me/data", [], ["data/train-1.jsonl"]),
        ("{hub}/datasets/me/data/blob/main/data/test-1.jsonl", [], ["data/test-1.jsonl"]),
        ("https://huggingface.co/datasets/me/data", ["--split", "test"], ["data/test-1.jsonl"]),
        ("hf://datasets/me/data/data", [], ["data/train-1.jsonl"]),
        ("hf://datasets/me/data@refs/convert/parquet", [],
         ["@refs/convert/parquet/data/train-1.jsonl"]),
        ("{hub}/datasets/me/data/tree/refs%2Fconvert%2Fparquet/data", ["--split", "test"],
         ["@refs/convert/parquet/data/test-1.jsonl"]),
    ],
)  # fmt: skip
def test_web_addresses_revisions_and_splits(hub, folder, name, more, read):
    from sysgen_local.store import Store

    done = run(folder, hub, name.format(hub=hub), *more)
    assert done.returncode == 0, done.stderr
    with Store.open(folder / "sysgen.duckdb", create=False, read_only=True) as store:
        found = [path for (path,) in store._db.all("SELECT path FROM sources")]
    paths = [path if path.startswith("@") else f"/{path}" for path in read]
    assert found == [f"hf://datasets/me/data{path}" for path in paths]


def test_half_a_file_is_never_taken_for_a_whole_one(hub, folder, monkeypatch):
    monkeypatch.setattr(Hub, "halves", 1)
    monkeypatch.setattr(Hub, "asked", [])
    done = run(folder, hub, "hf://datasets/me/data")
    assert done.returncode == 0, done.stderr
    assert rows(folder) == 2
    assert len(Hub.asked) == 2


def test_a_hub_that_says_nothing_any_more_is_one_sentence(hub, folder, monkeypatch):
    monkeypatch.setattr(Hub, "stalls", True)
    done = run(folder, hub, "hf://datasets/me/data", HF_HUB_DOWNLOAD_TIMEOUT="1")
    assert (done.returncode, "Traceback" in done.stderr) == (1, False), done.stderr
    assert "me/data could not be fetched" in done.stderr


@pytest.mark.parametrize(
    ("name", "code", "said"),
    [
        ("hf://datasets/me/none", 2, "no dataset me/none"),
        ("hf://datasets/me", 2, "names no dataset"),
        ("hf://datasets/me/data/nothing", 2, "no data file"),
    ],
)
def test_what_is_not_there_is_one_sentence(hub, folder, name, code, said):
    done = run(folder, hub, name)
    assert (done.returncode, "Traceback" in done.stderr) == (code, False), done.stderr
    assert said in done.stderr


@pytest.mark.parametrize("offline", ["0", "1"])
def test_without_a_network_it_says_what_to_do(folder, offline):
    done = run(folder, "http://127.0.0.1:9", "hf://datasets/me/data", HF_HUB_OFFLINE=offline)
    assert (done.returncode, "Traceback" in done.stderr) == (1, False), done.stderr
    assert "could not be fetched" in done.stderr


@pytest.mark.parametrize("revision", ["", "@v2"])
def test_the_revision_is_part_of_the_name(monkeypatch, tmp_path, revision):
    """Rows of two revisions are not the same rows, and which they are stays known."""
    import huggingface_hub

    from sysgen_local.sources import hub as hub_

    asked = []
    info = SimpleNamespace(siblings=[SimpleNamespace(rfilename="a.jsonl")], card_data=None)
    api = SimpleNamespace(dataset_info=lambda repo, revision: info)
    monkeypatch.setattr(huggingface_hub, "HfApi", lambda: api)

    def download(repo, file, *, repo_type, revision):
        asked.append(revision)
        return str(tmp_path / file)

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    [found] = hub_.files(f"hf://datasets/me/data{revision}/a.jsonl", lambda name: True)
    assert found.path == f"hf://datasets/me/data{revision}/a.jsonl"
    assert asked == [revision.removeprefix("@") or None]
