"""The web server of a review session, for one person on this machine.

It listens only on the loopback address and answers only requests with the access token. The token
is new for each server and is part of the page's address. Against other pages in the same browser:
the Host must be the server's own (DNS rebinding), a request for data or a write needs the token in
a header, which another page may not send, and the page cannot be shown in a frame.

GET /?token=T: the page. With `Authorization: Bearer T`: GET /rows/POSITION, POST /rows/POSITION (a
`RowDecision`), POST /undo. These return the row as JSON (`Session.view`).
"""

from __future__ import annotations

import json
import secrets
import sys
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socketserver import TCPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from pydantic import ValidationError

from sysgen_local.core.errors import SysgenError, UsageError
from sysgen_local.core.records import TAGS
from sysgen_local.report.html import html
from sysgen_local.review.session import RowDecision, Session

LARGEST = 1 << 20
"""Maximum number of bytes of a request's body."""

_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class ReviewServer(ThreadingHTTPServer):
    """It listens when it is made; `serve_forever` answers requests until `shutdown`."""

    daemon_threads = True

    def __init__(self, session: Session, *, title: str, port: int = 0) -> None:
        """`port` 0 takes a free port. Raises UsageError if the port is not available."""
        self.session = session
        self.token = secrets.token_urlsafe(24)
        data = {"start": session.start(), "tags": TAGS}
        self.page = html(Path(__file__).parent, title=title, data=data, connect="'self'")
        try:
            super().__init__(("127.0.0.1", port), _Handler)
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

    @property
    def address(self) -> str:
        """The address of the page, with the access token."""
        return f"http://127.0.0.1:{self.server_port}/?token={self.token}"


class _Handler(BaseHTTPRequestHandler):
    server: ReviewServer
    timeout = 30

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        if url.path == "/":
            if self._is_authorized(parse_qs(url.query).get("token", [""])[0]):
                self._send(HTTPStatus.OK, self.server.page, "text/html")
        elif self._is_authorized(self._bearer()):
            self._answer(lambda: self.server.session.view(self._position(url.path)))

    def do_POST(self) -> None:
        path = urlsplit(self.path).path
        length = self.headers.get("Content-Length", "")
        if not self._is_authorized(self._bearer()):
            return
        if not length.isdecimal():
            self._refuse(HTTPStatus.LENGTH_REQUIRED, "a body is needed")
        elif len(length) > 9 or int(length) > LARGEST:
            self._refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "that is too much")
        else:
            body = self.rfile.read(int(length))
            session = self.server.session
            if path == "/undo":
                self._answer(session.undo)
            else:
                self._answer(
                    lambda: session.decide(
                        self._position(path), RowDecision.model_validate_json(body)
                    )
                )

    def _is_authorized(self, token: str) -> bool:
        """Whether the request comes from the review page. If not, sends the refusal."""
        port = self.server.server_port
        hosts = {f"127.0.0.1:{port}", f"localhost:{port}"}
        origin = self.headers.get("Origin")
        if (
            self.headers.get("Host") in hosts
            and (origin is None or origin.removeprefix("http://") in hosts)
            and secrets.compare_digest(token.encode(), self.server.token.encode())
        ):
            return True
        self._refuse(HTTPStatus.FORBIDDEN, "open the address that `sysgen review` printed")
        return False

    def _bearer(self) -> str:
        return self.headers.get("Authorization", "").removeprefix("Bearer ")

    @staticmethod
    def _position(path: str) -> int:
        """POSITION of /rows/POSITION. Raises IndexError for another path."""
        match path.split("/"):
            case ["", "rows", number] if number.isdecimal() and len(number) < 16:
                return int(number)
        raise IndexError(path)

    def _answer(self, view: Callable[[], object]) -> None:
        try:
            found = view()
        except IndexError:
            self._refuse(HTTPStatus.NOT_FOUND, "there is nothing there")
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"])) or "body"
            self._refuse(HTTPStatus.BAD_REQUEST, f"{where}: {first['msg']}")
        except SysgenError as error:
            self._refuse(HTTPStatus.SERVICE_UNAVAILABLE, str(error))
        else:
            self._send(HTTPStatus.OK, json.dumps(found), "application/json")

    def _refuse(self, status: HTTPStatus, why: str) -> None:
        self._send(status, json.dumps({"error": why}), "application/json")

    def _send(self, status: HTTPStatus, text: str, kind: str) -> None:
        data = text.encode("utf-8", "replace")
        self.send_response(status)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(data)))
        for name, value in _HEADERS.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def version_string(self) -> str:
        return "sysgen"

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base's name
        """Logs nothing, because the address has the token."""
