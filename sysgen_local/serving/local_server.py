"""The rules of every web server of this program, which serves one person on this machine.

It listens only on the loopback address and answers only requests with the access token. The token
is new for each server and is part of the address of a page. Against other pages in the same
browser: the Host must be the server's own (DNS rebinding), a request for data or a write needs the
token in a header, which another page may not send, and a page can stand in no frame but one of its
own server.

GET PAGE?token=T: a page. All other requests have `Authorization: Bearer T`, and are answered with
JSON. A refusal is {"error": TEXT}.
"""

from __future__ import annotations

import json
import secrets
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from pydantic import ValidationError

from sysgen_local.core.errors import SysgenError, UsageError

LARGEST = 8 << 20
"""Maximum number of bytes of a request's body."""

_HEADERS = {
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}

Query = Mapping[str, Sequence[str]]
"""The query of an address: name -> values."""


class LocalServer(ThreadingHTTPServer):
    """It listens when it is made; `serve_forever` answers requests until `shutdown`.

    `pages` has the pages: path -> a function that returns the HTML. `framed` are the paths of those
    that another page of this server may show in a frame.
    """

    daemon_threads = True
    command: str
    """The command that printed the address."""
    framed: frozenset[str] = frozenset()

    def __init__(self, handler: type[LocalHandler], *, port: int = 0) -> None:
        """`port` 0 takes a free port. Raises UsageError if the port is not available."""
        self.token = secrets.token_urlsafe(24)
        self.pages: dict[str, Callable[[], str]] = {}
        self._answering = 0
        self._closed = False
        self._changed = threading.Condition()
        try:
            super().__init__(("127.0.0.1", port), handler)
        except OSError as error:
            raise UsageError(
                f"port {port} cannot be had: {error.strerror}",
                hint="name another with --port, or leave it off and a free one is taken",
            ) from error

    def server_bind(self) -> None:
        """Binds without the name lookup of the base class, which may use the network."""
        TCPServer.server_bind(self)
        self.server_name = "127.0.0.1"
        self.server_port = self.socket.getsockname()[1]

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignores a browser that closes the connection early."""
        if not isinstance(sys.exception(), (ConnectionError, TimeoutError)):
            super().handle_error(request, client_address)

    @contextmanager
    def answering(self) -> Iterator[bool]:
        """Around the answer to a request: `server_close` waits for it. False where the server is
        closed; then nothing may be answered."""
        with self._changed:
            self._answering += 1
            closed = self._closed
        try:
            yield not closed
        finally:
            with self._changed:
                self._answering -= 1
                self._changed.notify_all()

    def server_close(self) -> None:
        """Closes the server, and waits for the requests that are being answered: a thread that is
        inside DuckDB when the process ends would crash it."""
        super().server_close()
        with self._changed:
            self._closed = True
            self._changed.wait_for(lambda: not self._answering)

    @property
    def address(self) -> str:
        """The address of the first page, with the access token."""
        return f"http://127.0.0.1:{self.server_port}/?token={self.token}"


class LocalHandler(BaseHTTPRequestHandler):
    """One request. A subclass has `read` and `write`, which return what is sent as JSON, and raise
    IndexError for a path that there is not, or SysgenError."""

    server: LocalServer
    timeout = 30
    statuses: tuple[tuple[type[SysgenError], HTTPStatus], ...] = ()
    """Class of error -> status of the refusal. The first that fits counts; others have 503."""

    def read(self, path: Sequence[str], query: Query) -> object:
        """The answer to a GET. `path` is the path in its parts, without the first slash."""
        raise NotImplementedError

    def write(self, path: Sequence[str], query: Query, body: bytes) -> object:
        """The answer to a POST."""
        raise NotImplementedError

    def written(self, path: Sequence[str]) -> None:
        """Called when a POST was answered, and not refused."""

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        query = parse_qs(url.query)
        page = self.server.pages.get(url.path)
        token = query.get("token", [""])[0] if page else self._bearer()
        if not self._is_authorized(token):
            return
        if page:
            self._answer(page, "text/html")
        else:
            self._answer(lambda: json.dumps(self.read(_parts(url.path), query)))

    def do_POST(self) -> None:
        url = urlsplit(self.path)
        path, query = _parts(url.path), parse_qs(url.query)
        length = self.headers.get("Content-Length", "")
        if not self._is_authorized(self._bearer()):
            return
        if not length.isdecimal():
            self._refuse(HTTPStatus.LENGTH_REQUIRED, "a body is needed")
        elif len(length) > 9 or int(length) > LARGEST:
            self._refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "that is too much")
        else:
            body = self.rfile.read(int(length))
            if self._answer(lambda: json.dumps(self.write(path, query, body))):
                self.written(path)

    def _is_authorized(self, token: str) -> bool:
        """Whether the request comes from a page of this server. If not, sends the refusal."""
        port = self.server.server_port
        hosts = {f"127.0.0.1:{port}", f"localhost:{port}"}
        origin = self.headers.get("Origin")
        if (
            self.headers.get("Host") in hosts
            and (origin is None or origin.removeprefix("http://") in hosts)
            and secrets.compare_digest(token.encode(), self.server.token.encode())
        ):
            return True
        self._refuse(HTTPStatus.FORBIDDEN, f"open the address that `{self.server.command}` printed")
        return False

    def _bearer(self) -> str:
        return self.headers.get("Authorization", "").removeprefix("Bearer ")

    def _answer(self, found: Callable[[], str], kind: str = "application/json") -> bool:
        """Sends what `found` returns, or a refusal. Whether it was no refusal."""
        try:
            with self.server.answering() as answers:
                if not answers:
                    raise SysgenError(f"`{self.server.command}` has ended")
                content = found()
        except IndexError:
            self._refuse(HTTPStatus.NOT_FOUND, "there is nothing there")
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"])) or "body"
            self._refuse(HTTPStatus.BAD_REQUEST, f"{where}: {first['msg']}")
        except SysgenError as error:
            fitting = (status for kind, status in self.statuses if isinstance(error, kind))
            self._refuse(next(fitting, HTTPStatus.SERVICE_UNAVAILABLE), str(error))
        else:
            self._send(HTTPStatus.OK, content, kind)
            return True
        return False

    def _refuse(self, status: HTTPStatus, why: str) -> None:
        self._send(status, json.dumps({"error": why}), "application/json")

    def _send(self, status: HTTPStatus, text: str, kind: str) -> None:
        data = text.encode("utf-8", "replace")
        self.send_response(status)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(data)))
        framed = urlsplit(self.path).path in self.server.framed
        ancestors = "'self'" if framed else "'none'"
        self.send_header("Content-Security-Policy", f"frame-ancestors {ancestors}")
        for name, value in _HEADERS.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def version_string(self) -> str:
        return "sysgen"

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base's name
        """Logs nothing, because the address has the token."""


def number(text: str) -> int:
    """The number in a part of a path. Raises IndexError for another text."""
    if text.isdecimal() and len(text) < 16:
        return int(text)
    raise IndexError(text)


def _parts(path: str) -> Sequence[str]:
    return path.removeprefix("/").split("/")
