"""A review session: the rows to review, the decisions, and undo. It does not use HTTP.

A row is named by its position in the queue, from 0. The methods can be called from several threads;
a lock lets only one of them use the store at a time.
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
    """A person's decision about a row.

    `phrases` is missing: they stay as they are. It is null: the model's phrases are restored. It is
    a list: they are replaced.
    """

    model_config = ConfigDict(extra="forbid")

    decision: Literal["accepted", "rejected"]
    phrases: Annotated[list[_EditedPhrase], Field(min_length=1, max_length=40)] | None = None


class Session:
    """A session over the chosen finished rows. Raises UsageError if the condition is not valid
    SQL."""

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
        """Decision -> number of rows in the queue that have it, from this session or an earlier
        one."""
        return Counter(decision for decision in self._decided if decision)

    def start(self) -> int:
        """The first position without a decision; 0 if all have one."""
        return self._next(-1) or 0

    def view(self, position: int) -> dict[str, Any]:
        """The row at this position with the results of all phases, and the progress of the session.

        Raises IndexError if the queue has no such position.
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
        """Undoes the last decision of this session. Returns its row, or None if there is none."""
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
        """Waits for a running write. After this, every call raises SysgenError."""
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
        """The next position without a decision. After the last one it continues from the start."""
        order = chain(range(position + 1, len(self._decided)), range(position))
        return next((i for i in order if self._decided[i] is None), None)


def _edited(row: Row, decision: RowDecision) -> list[Phrase] | None:
    """The phrases of the decision; None if they are the model's own."""
    if decision.phrases is None:
        return None
    phrases = [Phrase(p.tag, p.text) for p in decision.phrases]
    assert row.verified is not None
    judged = {Phrase(v.tag, v.text) for v in row.verified.verdicts}
    same = " ".join(p.text for p in in_order(phrases)) == row.verified.system
    return None if same and judged.issuperset(phrases) else phrases
