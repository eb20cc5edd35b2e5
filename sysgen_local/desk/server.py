"""The web server of the desk. All answers are JSON.

GET /state: `Desk.state`. POST /start (a `RunForm`) and POST /stop return the state, too.
GET /rows?state=S&words=TEXT&after=ROW: `Desk.rows`. POST /report makes the page at /report.
POST /export (an `ExportForm`): `Desk.export`. POST /review opens the page at /review, whose
requests are below /review/ (see `review.routes`).
"""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from pathlib import Path

from sysgen_local.core.errors import UsageError
from sysgen_local.desk.desk import Desk
from sysgen_local.desk.forms import ExportForm, RowsForm, RunForm
from sysgen_local.report.html import html
from sysgen_local.review import routes
from sysgen_local.serving.local_server import LocalHandler, LocalServer, Query


class DeskServer(LocalServer):
    """It listens when it is made; `serve_forever` answers requests until `shutdown`."""

    command = "sysgen desk"
    framed = frozenset({"/review", "/report"})

    def __init__(
        self, desk: Desk, form: RunForm, *, models: Sequence[str] = (), port: int = 0
    ) -> None:
        """`form` has the values that the form of a run begins with; `models` are the names that it
        suggests. `port` 0 takes a free port. Raises UsageError if the port is not available."""
        super().__init__(_Handler, port=port)
        self.desk = desk
        page = html(
            Path(__file__).parent, title=f"{desk.db.stem}: sysgen desk", data={"db": str(desk.db)},
            connect="'self'", frames="'self'", db=str(desk.db), form=form, models=models,
            output=f"{desk.db.stem}.jsonl",
        )  # fmt: skip
        self.pages["/"] = lambda: page
        self.pages["/review"] = desk.review_page
        self.pages["/report"] = desk.report_page


class _Handler(LocalHandler):
    server: DeskServer
    statuses = (*routes.STATUSES, (UsageError, HTTPStatus.BAD_REQUEST))

    def read(self, path: Sequence[str], query: Query) -> object:
        desk = self.server.desk
        match path:
            case ["state"]:
                return desk.state()
            case ["rows"]:
                given = {name: values[0] for name, values in query.items()}
                return desk.rows(RowsForm.model_validate(given))
            case ["review", *rest]:
                return routes.read(desk.session, rest, query)
        raise IndexError(path)

    def write(self, path: Sequence[str], query: Query, body: bytes) -> object:
        desk = self.server.desk
        match path:
            case ["start"]:
                return desk.start(RunForm.model_validate_json(body))
            case ["stop"]:
                return desk.stop()
            case ["report"]:
                return desk.make_report()
            case ["export"]:
                return desk.export(ExportForm.model_validate_json(body))
            case ["review"]:
                return desk.open_review()
            case ["review", *rest]:
                answer = routes.write(desk.session, rest, query, body)
                if rest == ["end"]:
                    desk.close_review()
                return answer
        raise IndexError(path)
