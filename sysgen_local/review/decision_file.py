"""A file of decisions: one JSON object a line, as `sysgen review --export` writes it.

docs/outputs.md describes the members.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sysgen_local.core import files
from sysgen_local.core.errors import UsageError
from sysgen_local.core.records import Phrase
from sysgen_local.review.session import EditedAnswers, EditedPhrases, Note
from sysgen_local.store import Decided, Merged, Review, Store, Version

_HINT = "name a file that `sysgen review --export` wrote; nothing was imported"


class _Line(BaseModel):
    model_config = ConfigDict(extra="forbid")

    source: str
    line: int
    conversation: Annotated[str, Field(pattern="^[0-9a-f]{32}$")]
    system: str | None
    answer: str | None
    decision: Literal["accepted", "rejected"] | None
    phrases: EditedPhrases | None = None
    answers: EditedAnswers | None = None
    note: Note | None = None
    reviewer: str | None = None
    at: datetime


def export(store: Store, path: Path) -> int:
    """Writes all decisions and notes of the store. Returns how many. Raises UsageError where there
    is none, SysgenError where the file cannot be written."""
    _refuse_other_file(path)
    decided = store.decided()
    if not decided:
        raise UsageError(
            f"{store.path} has no decision", hint=f"`sysgen review --db {store.path}` makes some"
        )
    lines = (json.dumps(_encoded(of), ensure_ascii=False) for of in decided)
    files.write(path, "".join(f"{line}\n" for line in lines))
    return len(decided)


def _refuse_other_file(path: Path) -> None:
    """Raises UsageError where a file is there that holds no decisions: it would be replaced."""
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            first = file.readline()
    except OSError:  # it is missing, or the error is that of writing it
        return
    try:
        line = json.loads(first) if first.strip() else {}
        known = not first.strip() or (isinstance(line, dict) and "decision" in line)
    except ValueError:
        known = False
    if not known:
        raise UsageError(
            f"{path} is there, and is no file of decisions", hint="name another file with --export"
        )


def load(store: Store, path: Path, *, overwrite: bool = False) -> Merged:
    """Merges the decisions of the file into the store: see `Store.merge_decisions`.

    Raises UsageError where the file is no file of decisions, or where one of its decisions is about
    no row of this store. Then nothing is imported.
    """
    decided = _read(path)
    places = store.places([of for _, of in decided])
    rows: dict[int, tuple[int, Review]] = {}
    for (number, of), row in zip(decided, places, strict=True):
        if row is None:
            continue
        if row in rows:
            raise UsageError(
                f"{path}: lines {rows[row][0]} and {number} are both about row {row} of "
                f"{store.path}",
                hint="leave one of them in the file; nothing was imported",
            )
        rows[row] = number, of.review
    if len(rows) < len(decided):
        number, first = decided[places.index(None)]
        raise UsageError(
            f"{path} is for other rows than those of {store.path}: {len(rows):,} of "
            f"{len(decided):,} decisions fit, and line {number} is the first that does not "
            f"({first.source}, line {first.line})",
            hint="import it into a store of the same input; nothing was imported",
        )
    reviews = {row: review for row, (_, review) in rows.items()}
    return store.merge_decisions(reviews, overwrite=overwrite)


def _encoded(of: Decided) -> dict[str, Any]:
    review = of.review
    return {
        "source": of.source,
        "line": of.line,
        "conversation": of.conversation,
        "system": review.of.system,
        "answer": review.of.answers,
        "decision": review.decision,
        "phrases": None if review.phrases is None else [p._asdict() for p in review.phrases],
        "answers": review.answers,
        "note": review.note,
        "reviewer": review.reviewer,
        "at": review.at.replace(tzinfo=UTC).isoformat(),
    }


def _read(path: Path) -> Sequence[tuple[int, Decided]]:
    """(number of the line, decision) of each line that is not empty."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}", hint=_HINT) from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not a file of decisions: no UTF-8", hint=_HINT) from error
    found = []
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            found.append((number, _decoded(_Line.model_validate_json(line))))
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"]))
            raise UsageError(
                f"{path}, line {number} is not a decision: {where and f'{where}: '}{first['msg']}",
                hint=_HINT,
            ) from error
    if not found:
        raise UsageError(f"{path} has no decision", hint=_HINT)
    return found


def _decoded(of: _Line) -> Decided:
    at = of.at.astimezone(UTC).replace(tzinfo=None) if of.at.tzinfo else of.at
    phrases = None if of.phrases is None else tuple(Phrase(p.tag, p.text) for p in of.phrases)
    review = Review(
        of.decision, phrases if of.decision else None, None, at,
        earlier=False, outdated=False, of=Version(of.system, of.answer),
        answers=tuple(of.answers) if of.answers and of.decision else None,
        note=of.note or None, reviewer=of.reviewer,
    )  # fmt: skip
    return Decided(of.source, of.line, of.conversation, review)
