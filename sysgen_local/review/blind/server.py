"""The web server of a blind session: the page at `/`, and its requests.

GET things/POSITION returns a thing without its verdict. POST things/POSITION (a `BlindDecision`)
returns the next thing; POST undo the one whose decision was taken back. GET end returns all
decisions with the verdicts; POST end does so too, and the server ends then.
"""

from __future__ import annotations

import shlex
import threading
from collections.abc import Sequence
from pathlib import Path

from sysgen_local.report.html import html
from sysgen_local.review.blind.session import BlindDecision, BlindSession
from sysgen_local.serving.local_server import LocalHandler, LocalServer, Query, number

ENDED = (
    "The review has ended in the terminal; `sysgen review --blind` takes it up again. What you "
    "decided is kept."
)


class BlindServer(LocalServer):
    """It listens when it is made; `serve_forever` answers requests until `shutdown`, or until the
    page ends the review."""

    command = "sysgen review --blind"

    def __init__(self, session: BlindSession, *, title: str, port: int = 0) -> None:
        """`port` 0 takes a free port. Raises UsageError if the port is not available."""
        super().__init__(_Handler, port=port)
        self.session = session
        trust = shlex.join(["sysgen", "judge", "--trust", "--db", str(session.path)])
        page = html(
            Path(__file__).parent, title=title, data={"ended": ENDED}, connect="'self'",
            reviewer=session.reviewer, trust=trust,
        )  # fmt: skip
        self.pages["/"] = lambda: page


class _Handler(LocalHandler):
    server: BlindServer

    def read(self, path: Sequence[str], query: Query) -> object:
        match path:
            case ["things", position]:
                return self.server.session.view(number(position))
            case ["end"]:
                return self.server.session.end()
        raise IndexError(path)

    def write(self, path: Sequence[str], query: Query, body: bytes) -> object:
        match path:
            case ["things", position]:
                decision = BlindDecision.model_validate_json(body)
                return self.server.session.decide(number(position), decision)
            case ["undo"]:
                return self.server.session.undo()
            case ["end"]:
                return self.server.session.end()
        raise IndexError(path)

    def written(self, path: Sequence[str]) -> None:
        if path == ["end"]:
            # In another thread: `shutdown` waits for the loop, which may wait for this one.
            threading.Thread(target=self.server.shutdown, daemon=True).start()
