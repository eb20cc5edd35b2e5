"""A review session: the rows to review, the decisions, and undo. It does not use HTTP.

A row is named by its position in the queue, from 0. The methods can be called from several threads;
a lock lets only one of them use the store at a time.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from threading import Lock
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from sysgen_local.core.counted import counted
from sysgen_local.core.errors import SysgenError
from sysgen_local.core.records import Phrase, Row, Tag, in_order
from sysgen_local.report.page_row import page_row
from sysgen_local.review.ending import Ending
from sysgen_local.store import Review, RowQuery, Store

LONGEST_NOTE = 4000
"""Maximum number of characters of a note."""


class ChangedError(SysgenError):
    """The row is not as the page showed it to the reviewer."""


class NothingFoundError(SysgenError):
    """No row of the review is what was looked for."""


class EditedPhrase(BaseModel):
    """A phrase as a person wrote it."""

    model_config = ConfigDict(extra="forbid")

    tag: Tag
    text: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=4000)]


def _not_blank(text: str) -> str:
    if not text.strip():
        raise ValueError("an answer is empty")
    return text


EditedPhrases = Annotated[list[EditedPhrase], Field(min_length=1, max_length=40)]
EditedAnswers = Annotated[
    list[Annotated[str, AfterValidator(_not_blank)]], Field(min_length=1, max_length=10_000)
]
Note = Annotated[str, StringConstraints(strip_whitespace=True, max_length=LONGEST_NOTE)]


class RowDecision(BaseModel):
    """A person's decision about a row.

    `phrases`, `answers` (the contents of all turns of the assistant) and `note` are missing: they
    stay as they are. They are null: the model's are restored, and the note is deleted. Otherwise
    they are replaced. `shown` identifies what the person saw (`Session.view` has it); None is not
    checked.
    """

    model_config = ConfigDict(extra="forbid")

    decision: Literal["accepted", "rejected"]
    phrases: EditedPhrases | None = None
    answers: EditedAnswers | None = None
    note: Note | None = None
    shown: str | None = None


class RowNote(BaseModel):
    """A person's note about a row; "" deletes it. `shown` is as in `RowDecision`."""

    model_config = ConfigDict(extra="forbid")

    note: Note
    shown: str | None = None


@dataclass(frozen=True, slots=True)
class Filter:
    """Which rows are gone through: only unsure ones, and only those that have these words."""

    unsure: bool = False
    words: str = ""

    def __bool__(self) -> bool:
        return self.unsure or bool(self.words)


ALL = Filter()
"""All rows."""


class Session:
    """A session over the chosen finished rows. `reviewer` is the name that is stored with each
    decision. Raises UsageError if the condition is not valid SQL."""

    def __init__(self, store: Store, query: RowQuery, reviewer: str | None = None) -> None:
        self._store = store
        self._lock = Lock()
        queue = store.queue(query)
        self.rows = [row for row, _ in queue]
        self.reviewer = reviewer
        self._decided = [decision for _, decision in queue]
        self._phases = store.phases
        unsure = {row for row, _ in store.queue(RowQuery("final", unsure=True, limit=None))}
        self._unsure = [i for i, row in enumerate(self.rows) if row in unsure]
        self._found = ("", self._unsure)
        self._seen: set[int] = set()
        self._done: list[tuple[int, Review | None, Any]] = []
        self.made = 0

    @property
    def path(self) -> Path:
        """The file of the store."""
        return self._store.path

    @contextmanager
    def reading(self) -> Iterator[Store]:
        """The store, to read from it in a `with` block, while no other call uses it."""
        with self._lock:
            yield self._store

    @property
    def unsure(self) -> int:
        """How many of the rows are unsure: see `RowQuery`."""
        return len(self._unsure)

    def decided(self) -> Counter[str]:
        """Decision -> number of rows in the queue that have it, from this session or an earlier
        one."""
        return Counter(decision for decision in self._decided if decision)

    def start(self) -> int:
        """The first position without a decision; 0 if all have one."""
        return self._next(-1, range(len(self.rows))) or 0

    def view(self, position: int, only: Filter = ALL) -> dict[str, Any]:
        """The row at this position with the results of all phases, and the progress of the session.

        `previous`, `following` and `next` (the next one without a decision) are positions among the
        rows of the filter. Raises IndexError if the queue has no such position.
        """
        with self._lock:
            return self._view(position, only)

    def find(self, position: int, only: Filter) -> dict[str, Any]:
        """The first row of the filter from this position on; after the last row it continues from
        the start. Raises NothingFoundError where no row is such."""
        with self._lock:
            self._row(position)
            found = self._matching(only)
            if not found:
                which = "unsure row" if only.unsure else "row"
                having = f" with the words “{only.words}”" if only.words else ""
                raise NothingFoundError(f"this review has no {which}{having}")
            return self._view(found[bisect_left(found, position) % len(found)], only)

    def jump(self, number: int, only: Filter = ALL) -> dict[str, Any]:
        """The row with this number. Raises NothingFoundError where it is not in the queue."""
        with self._lock:
            self._row(0)
            position = bisect_left(self.rows, number)
            if self.rows[position : position + 1] != [number]:
                raise NothingFoundError(
                    f"row {number} is not in this review, which has "
                    f"{counted(len(self.rows), 'finished row')} from row {self.rows[0]} to row "
                    f"{self.rows[-1]}"
                )
            return self._view(position, only)

    def decide(self, position: int, decision: RowDecision, only: Filter = ALL) -> dict[str, Any]:
        """Stores the decision and returns the row as it is then. Raises IndexError as `view`, and
        ChangedError where the person saw another version of the row."""
        with self._lock:
            row = self._row(position)
            before = self._store.reviewed(row.row)
            _require_shown(row, before, decision.shown)
            phrases = before.phrases if before and not before.outdated else None
            answers = before.answers if before and not before.earlier else None
            note = before.note if before else None
            given = decision.model_fields_set
            if "phrases" in given:
                phrases = _edited_phrases(row, decision.phrases)
            if "answers" in given:
                answers = _edited_answers(row, decision.answers)
            if "note" in given:
                note = decision.note or None
            self._store.review(
                row.row, decision.decision, phrases,
                answers=answers, note=note, reviewer=self.reviewer,
            )  # fmt: skip
            self._done.append((position, before, self._decided[position]))
            self._decided[position] = decision.decision
            self.made += 1
            return self._view(position, only)

    def note(self, position: int, note: RowNote, only: Filter = ALL) -> dict[str, Any]:
        """Stores the note and returns the row as it is then. Raises as `decide`."""
        with self._lock:
            row = self._row(position)
            before = self._store.reviewed(row.row)
            _require_shown(row, before, note.shown)
            self._write(row.row, before, note.note or None)
            return self._view(position, only)

    def undo(self, only: Filter = ALL) -> dict[str, Any] | None:
        """Undoes the last decision of this session. Returns its row, or None if there is none. The
        row's note stays."""
        with self._lock:
            if not self._done:
                return None
            position, before, decision = self._done[-1]
            number = self.rows[position]
            now = self._store.reviewed(number)
            self._write(number, before, now.note if now else None)
            self._done.pop()
            self._decided[position] = decision
            self.made -= 1
            return self._view(position, only)

    def ending(self) -> Ending:
        """What has been decided so far."""
        with self._lock:
            self._row(0)
            edits = self._store.edits()
            decided = self.decided()
            open_ = [i for i, decision in enumerate(self._decided) if decision is None]
            skipped = sum(i in self._seen for i in open_)
            return Ending(
                accepted=decided["accepted"],
                rejected=decided["rejected"],
                edited=len(edits.edited.intersection(self.rows)),
                skipped=skipped,
                left=len(open_) - skipped,
                stale=len(edits.stale),
            )

    def close(self) -> None:
        """Waits for a running write. After this, every call raises SysgenError."""
        with self._lock:
            self.rows = []

    def _write(self, number: int, review: Review | None, note: str | None) -> None:
        """Stores the review with this note; deletes it where neither is left."""
        if review is not None and (review.decision is not None or note is not None):
            self._store.review(
                number, review.decision, review.phrases, answers=review.answers, note=note,
                reviewer=review.reviewer, at=review.at, of=review.of,
            )  # fmt: skip
        elif note is not None:
            self._store.review(number, None, note=note, reviewer=self.reviewer)
        else:
            self._store.forget_review(number)

    def _row(self, position: int) -> Row:
        if not self.rows:
            raise SysgenError("the review has ended")
        if not 0 <= position < len(self.rows):
            raise IndexError(position)
        row = self._store.row(self.rows[position])
        assert row is not None
        return row

    def _view(self, position: int, only: Filter) -> dict[str, Any]:
        row = self._row(position)
        origin = self._store.origin(row.row)
        assert origin is not None
        self._seen.add(position)
        review = self._store.reviewed(row.row)
        stale = self._store.stale(row.row)
        found = self._matching(only)
        before, after = bisect_left(found, position), bisect_right(found, position)
        return {
            **page_row(row, origin, review, phases=self._phases, stale=stale),
            "position": position,
            "shown": _shown(row, review),
            "decision": self._decided[position],
            "earlier": review.decision if review else None,
            "rows": len(self.rows),
            "decided": self.decided().total(),
            "found": len(found) if only else None,
            "place": before + 1 if after > before else None,
            "previous": found[before - 1] if before else None,
            "following": found[after] if after < len(found) else None,
            "next": self._next(position, found),
            "undo": len(self._done),
        }

    def _matching(self, only: Filter) -> Sequence[int]:
        """The positions of the rows of the filter, in ascending order."""
        if not only.words:
            return self._unsure if only.unsure else range(len(self.rows))
        if self._found[0] != only.words:
            having = set(self._store.having(only.words))
            self._found = only.words, [i for i, row in enumerate(self.rows) if row in having]
        if only.unsure:
            return sorted({*self._unsure}.intersection(self._found[1]))
        return self._found[1]

    def _next(self, position: int, among: Sequence[int]) -> int | None:
        """The next of these positions without a decision. After the last one it continues from the
        start."""
        order = chain(among[bisect_right(among, position) :], among[: bisect_left(among, position)])
        return next((i for i in order if self._decided[i] is None), None)


def _shown(row: Row, review: Review | None) -> str:
    """Identifies the version of a row and its review, as a digest of all that can change."""
    verified = row.verified.system if row.verified else None
    return hashlib.sha256(repr((row.row, verified, row.answers, review)).encode()).hexdigest()


def _require_shown(row: Row, review: Review | None, shown: str | None) -> None:
    if shown is not None and shown != _shown(row, review):
        raise ChangedError(
            f"row {row.row} was changed in another window since it was shown here; look at it "
            "again, and decide again"
        )


def _edited_phrases(row: Row, given: Sequence[EditedPhrase] | None) -> tuple[Phrase, ...] | None:
    """The phrases as a person wrote them; None if they are the model's own."""
    if given is None:
        return None
    phrases = tuple(Phrase(p.tag, p.text) for p in given)
    assert row.verified is not None
    judged = {Phrase(v.tag, v.text) for v in row.verified.verdicts}
    same = " ".join(p.text for p in in_order(phrases)) == row.verified.system
    return None if same and judged.issuperset(phrases) else phrases


def _edited_answers(row: Row, given: Sequence[str] | None) -> tuple[str, ...] | None:
    """The answers as a person wrote them; None if they are the model's own. Raises ChangedError for
    another number of answers than the row has."""
    own = tuple(turn.content for turn in row.answers if turn.role == "assistant")
    if given is None or tuple(given) == own:
        return None
    if len(given) != len(own):
        raise ChangedError(f"row {row.row} has {counted(len(own), 'answer')}, not {len(given)}")
    return tuple(given)
