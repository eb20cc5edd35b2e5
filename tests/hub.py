"""A small hub on this machine that speaks what huggingface_hub's real client asks, and a machine
that runs `sysgen models ...` with it. Each command runs in a process of its own, since the client
reads its environment once."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote

from places import ROOT
from processes import ended


@dataclass
class Hub:
    """One repository, me/mine, with one file or more; and how it fails.

    `content` is that of mine-q8_0.gguf, `more` has the other files by name. `card` is the data in
    the head of README.md. `listed` are names that the hub lists only; `page` is what it answers in
    place of a list. `gated`: it gives no file. `wrong_hash`: the file whose hash it
    states wrongly. `claims`: the size it states for files. `asked` has the paths of all requests.
    """

    content: bytes
    more: dict[str, bytes] = field(default_factory=dict)
    card: dict[str, object] = field(default_factory=dict)
    listed: tuple[str, ...] = ()
    page: bytes | None = None
    gated: bool = False
    wrong_hash: str = ""
    claims: int | None = None
    asked: list[str] = field(default_factory=list)
    etag: str = ""
    breaks_after: int | None = None
    breaks: int = 0
    hangs: threading.Event | None = None
    error: tuple[int, str] | None = None
    ranges: list[str | None] = field(default_factory=list)
    url: str = ""

    @property
    def files(self) -> dict[str, bytes]:
        """All files by name."""
        head = {"mine-q8_0.gguf": self.content} if self.content else {}
        card = f"---\n{json.dumps(self.card)}\n---\n# mine\n".encode()
        return head | self.more | ({"README.md": card} if self.card else {})

    def etag_of(self, name: str) -> str:
        if name == "mine-q8_0.gguf":
            return self.etag
        return "0" * 64 if name == self.wrong_hash else hashlib.sha256(self.files[name]).hexdigest()

    def listing(self) -> dict[str, object]:
        """What /api/models/me/mine?blobs=True answers."""
        files = [
            {"rfilename": name, "size": len(content), "blobId": "b" * 40}
            for name, content in self.files.items()
        ]
        files += [{"rfilename": name, "size": 1, "blobId": "b" * 40} for name in self.listed]
        return {
            "id": "me/mine",
            "sha": "c" * 40,
            "siblings": files,
            "cardData": self.card,
            "gated": "auto" if self.gated else False,
        }

    def tree(self) -> list[dict[str, object]]:
        """What /api/models/me/mine/tree/REVISION answers."""
        return [
            {"type": "file", "path": name, "size": len(content), "oid": "b" * 40}
            for name, content in self.files.items()
        ]

    def serve(self) -> ThreadingHTTPServer:
        self.etag = self.etag or hashlib.sha256(self.content).hexdigest()
        server = _Server(("127.0.0.1", 0), _Handler)
        server.hub = self
        self.url = f"http://127.0.0.1:{server.server_address[1]}"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return server


_OF_REVISION = ("/api/models/me/mine/revision/main", "/api/models/me/mine/tree/c")


class _Server(ThreadingHTTPServer):
    hub: Hub


class _Handler(BaseHTTPRequestHandler):
    """Answers for the hub of the server."""

    @property
    def hub(self) -> Hub:
        assert isinstance(self.server, _Server)
        return self.server.hub

    def log_message(self, *_: object) -> None: ...

    def do_HEAD(self) -> None:
        self.answer(body=False)

    def do_GET(self) -> None:
        if "/resolve/" in self.path:
            self.hub.ranges.append(self.headers.get("Range"))
        self.answer(body=True)

    def answer(self, *, body: bool) -> None:
        self.hub.asked.append(self.path)
        if self.hub.error is not None:
            return self.fail(*self.hub.error)
        if self.path.startswith("/api/models/"):
            return self.list()
        if self.hub.gated:
            return self.fail(403, "GatedRepo")
        name = unquote(re.sub(r"^/me/mine/resolve/(main|c{40})/", "", self.path))
        content = self.hub.files.get(name)
        if content is None:
            return self.fail(404, "EntryNotFound")
        found = re.match(r"bytes=(\d+)-", self.headers.get("Range") or "")
        start = int(found[1]) if found else 0
        rest = content[start:]
        self.send_response(206 if found else 200)
        if found:
            total = len(content)
            self.send_header("Content-Range", f"bytes {start}-{total - 1}/{total}")
        claimed = len(rest) if body or self.hub.claims is None else self.hub.claims
        self.send_header("Content-Length", str(claimed))
        self.send_header("ETag", f'"{self.hub.etag_of(name)}"')
        self.send_header("X-Repo-Commit", "c" * 40)
        self.end_headers()
        if not body:
            return None
        if self.hub.breaks:
            self.hub.breaks -= 1
            rest = rest[: self.hub.breaks_after]
            self.close_connection = True
        self.wfile.write(rest)
        if self.hub.hangs is not None:
            self.hub.hangs.wait(60)
        return None

    def list(self) -> None:
        if not self.path.lower().startswith(("/api/models/me/mine?", *_OF_REVISION)):
            return self.fail(401, "RepoNotFound")
        found = self.hub.tree() if "/tree/" in self.path else self.hub.listing()
        content = self.hub.page or json.dumps(found).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
        return None

    def fail(self, status: int, code: str) -> None:
        self.send_response(status)
        self.send_header("X-Error-Code", code)
        self.send_header("Content-Length", "0")
        self.end_headers()


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
        return subprocess.Popen(
            [sys.executable, "-W", "error", "-c", PROGRAM, *args],
            env=self.environment() | env,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def environment(self) -> dict[str, str]:
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "HUGGING"))}
        return kept | {
            "HF_ENDPOINT": self.hub.url,
            "HF_HOME": str(self.folder / "hf"),
            "SYSGEN_MODELS": str(self.folder / "models.toml"),
            "NO_PROXY": "127.0.0.1",
            "PYTHONPATH": str(ROOT),
            "SYSGEN_MEASURED": str(self.folder / "measured.json"),
        }

    def models(self, *args: str, **env: str) -> subprocess.CompletedProcess[str]:
        with ended(self.start(*args, **env)) as process:
            out, err = process.communicate(timeout=120)
        return subprocess.CompletedProcess(args, process.returncode, out, err)

    @property
    def parts(self) -> list[Path]:
        return list(self.folder.rglob("*.sysgen-part"))
