"""The requests of the review page, for every server that serves it.

These return a row as JSON (`Session.view`), and take `?unsure=1&words=TEXT` (a `Filter`):

GET rows/POSITION, POST rows/POSITION (a `RowDecision`), POST notes/POSITION (a `RowNote`), POST
undo, GET find/POSITION (the first row of the filter from there on), GET numbers/ROW.

GET end returns the counts and the next commands; POST end does so too, and the server ends the
review then.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from http import HTTPStatus
from pathlib import Path

from sysgen_local.core.records import TAGS
from sysgen_local.report.html import html
from sysgen_local.review.session import (
    LONGEST_NOTE,
    ChangedError,
    Filter,
    NothingFoundError,
    RowDecision,
    RowNote,
    Session,
)
from sysgen_local.serving.local_server import Query, number

STATUSES = (
    (NothingFoundError, HTTPStatus.NOT_FOUND),
    (ChangedError, HTTPStatus.CONFLICT),
)
"""Errors of a session -> status. 409: the row is not as the page showed it."""

ENDED = (
    "The review has ended in the terminal; `sysgen review` takes it up again. What you decided is "
    "kept."
)


def review_page(session: Session, *, title: str, base: str = "", ended: str = ENDED) -> str:
    """The page as HTML. `base` is the path before those of the requests; `ended` is shown where the
    server answers no more."""
    data = {"start": session.start(), "tags": TAGS, "base": base, "ended": ended}
    return html(
        Path(__file__).parent, title=title, data=data, connect="'self'",
        reviewer=session.reviewer, unsure=session.unsure, longest_note=LONGEST_NOTE,
    )  # fmt: skip


def read(session: Session, path: Sequence[str], query: Query) -> object:
    """The answer to a GET. Raises IndexError for a path that there is not."""
    match path:
        case ["rows", position]:
            return session.view(number(position), _filter(query))
        case ["find", position]:
            return session.find(number(position), _filter(query))
        case ["numbers", row]:
            return session.jump(number(row), _filter(query))
        case ["end"]:
            return _ending(session)
    raise IndexError(path)


def write(session: Session, path: Sequence[str], query: Query, body: bytes) -> object:
    """The answer to a POST. Raises as `read`."""
    match path:
        case ["rows", position]:
            decision = RowDecision.model_validate_json(body)
            return session.decide(number(position), decision, _filter(query))
        case ["notes", position]:
            note = RowNote.model_validate_json(body)
            return session.note(number(position), note, _filter(query))
        case ["undo"]:
            return session.undo(_filter(query))
        case ["end"]:
            return _ending(session)
    raise IndexError(path)


def _ending(session: Session) -> dict[str, object]:
    ending = session.ending()
    return {**asdict(ending), "commands": ending.commands(session.path)}


def _filter(query: Query) -> Filter:
    return Filter(
        unsure=query.get("unsure") == ["1"], words=query.get("words", [""])[0].strip()
    )  # fmt: skip
