"""One review session: its queue of rows, the decisions made in it, and undo. It has no HTTP in it.

Rows are named by their position in the queue, from 0. Safe to call from several threads: one at
a time gets to the store.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import chain
from threading import Lock
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from sysgen_local.core.errors import SysgenError
from sysgen_local.core.records import Phrase, Row, Tag, in_order
from sysgen_local.report.page_row import page_row
from sysgen_local.store import Review, RowQuery, Store


class _EditedPhrase(BaseModel):
    model_config = ConfigDict(extra="forbid")

    tag: Tag
    text: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=4000)]


class RowDecision(BaseModel):
    """What a person decides of a row. `phrases`: left out, they stay as they are; null, they
    become the model's again; a list, they are these."""

    model_config = ConfigDict(extra="forbid")

    decision: Literal["accepted", "rejected"]
    phrases: Annotated[list[_EditedPhrase], Field(min_length=1, max_length=40)] | None = None


class Session:
    """The finished rows that are chosen. Raises UsageError where its condition is no SQL."""

    def __init__(self, store: Store, query: RowQuery) -> None:
        self._store = store
        self._lock = Lock()
        queue = store.queue(query)
        self.rows = [row for row, _ in queue]
        self._decided = [decision for _, decision in queue]
        self._phases = store.phases
        self._done: list[tuple[int, Review | None, Any]] = []
        self.made = 0

    def decided(self) -> Counter[str]:
        """Decision -> rows of the queue, decided now or before."""
        return Counter(decision for decision in self._decided if decision)

    def start(self) -> int:
        """The first position that nobody decided of; 0 where all are decided."""
        return self._next(-1) or 0

    def view(self, position: int) -> dict[str, Any]:
        """The row there with all that happened to it, and how far the session is.

        Raises IndexError where the queue has no such position.
        """
        with self._lock:
            return self._view(position)

    def decide(self, position: int, decision: RowDecision) -> dict[str, Any]:
        """Stores the decision and returns the row as it is then. Raises IndexError as `view`."""
        with self._lock:
            row = self._row(position)
            before = self._store.reviewed(row.row)
            holds = before is not None and not before.outdated
            phrases: Sequence[Phrase] | None = before.phrases if before and holds else None
            if "phrases" in decision.model_fields_set:
                phrases = _edited(row, decision)
            self._store.review(row.row, decision.decision, phrases)
            self._done.append((position, before, self._decided[position]))
            self._decided[position] = decision.decision
            self.made += 1
            return self._view(position)

    def undo(self) -> dict[str, Any] | None:
        """Take the last decision of this session back; its row, or None where there is none."""
        with self._lock:
            if not self._done:
                return None
            position, before, decision = self._done[-1]
            number = self.rows[position]
            if before is None:
                self._store.forget_review(number)
            else:
                self._store.review(
                    number, before.decision, before.phrases, at=before.at, of=before.of
                )
            self._done.pop()
            self._decided[position] = decision
            self.made -= 1
            return self._view(position)

    def close(self) -> None:
        """Wait for what is being written; after this every call raises SysgenError."""
        with self._lock:
            self.rows = []

    def _row(self, position: int) -> Row:
        if not self.rows:
            raise SysgenError("the review has ended")
        if not 0 <= position < len(self.rows):
            raise IndexError(position)
        row = self._store.row(self.rows[position])
        assert row is not None
        return row

    def _view(self, position: int) -> dict[str, Any]:
        row = self._row(position)
        origin = self._store.origin(row.row)
        assert origin is not None
        review = self._store.reviewed(row.row)
        stale = self._store.stale(row.row)
        return {
            **page_row(row, origin, review, phases=self._phases, stale=stale),
            "position": position,
            "decision": self._decided[position],
            "earlier": review.decision if review else None,
            "rows": len(self.rows),
            "decided": self.decided().total(),
            "next": self._next(position),
            "undo": len(self._done),
        }

    def _next(self, position: int) -> int | None:
        """The next position that nobody decided of, from the start again after the last one."""
        order = chain(range(position + 1, len(self._decided)), range(position))
        return next((i for i in order if self._decided[i] is None), None)


def _edited(row: Row, decision: RowDecision) -> list[Phrase] | None:
    """The decision's phrases; None where they are the model's own."""
    if decision.phrases is None:
        return None
    phrases = [Phrase(p.tag, p.text) for p in decision.phrases]
    assert row.verified is not None
    judged = {Phrase(v.tag, v.text) for v in row.verified.verdicts}
    same = " ".join(p.text for p in in_order(phrases)) == row.verified.system
    return None if same and judged.issuperset(phrases) else phrases
