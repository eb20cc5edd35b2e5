"""The web server of a review session: the page at `/`, and the requests of `routes`."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from sysgen_local.review import routes
from sysgen_local.review.session import Session
from sysgen_local.serving.local_server import LocalHandler, LocalServer, Query


class ReviewServer(LocalServer):
    """It listens when it is made; `serve_forever` answers requests until `shutdown`, or until the
    page ends the review."""

    command = "sysgen review"

    def __init__(self, session: Session, *, title: str, port: int = 0) -> None:
        """`port` 0 takes a free port. Raises UsageError if the port is not available."""
        super().__init__(_Handler, port=port)
        self.session = session
        page = routes.review_page(session, title=title)
        self.pages["/"] = lambda: page


class _Handler(LocalHandler):
    server: ReviewServer
    statuses = routes.STATUSES

    def read(self, path: Sequence[str], query: Query) -> object:
        return routes.read(self.server.session, path, query)

    def write(self, path: Sequence[str], query: Query, body: bytes) -> object:
        return routes.write(self.server.session, path, query, body)

    def written(self, path: Sequence[str]) -> None:
        if path == ["end"]:
            # In another thread: `shutdown` waits for the loop, which may wait for this one.
            threading.Thread(target=self.server.shutdown, daemon=True).start()
