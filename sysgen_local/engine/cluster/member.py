"""A worker as the driver knows it: its requests, and the rows that these are of."""

from __future__ import annotations

from collections import Counter, OrderedDict
from typing import Any

from sysgen_local.engine.cluster.shares import Share
from sysgen_local.engine.cluster.worker import Ready
from sysgen_local.engine.request import Request

AHEAD = 4
"""A worker holds a quarter more requests than it has slots, and at least two more."""


class Member:
    """One worker as the driver knows it. `held`: its requests, those in `outbox` not sent yet.
    `rows`: how many of them each row has. `rested`: rows that have none any more, the one without
    for the longest time first. `suspect`: the id of the request that may kill it. `calling`: a call
    of its present `generation` is under way."""

    __slots__ = (
        "actor",
        "calling",
        "generation",
        "held",
        "outbox",
        "ready",
        "rested",
        "rows",
        "share",
        "suspect",
    )

    def __init__(self, actor: Any, share: Share) -> None:
        self.actor = actor
        self.share = share
        self.ready: Ready | None = None
        self.held: dict[str, Request] = {}
        self.outbox: list[Request] = []
        self.rows: Counter[str] = Counter()
        self.rested: OrderedDict[str, None] = OrderedDict()
        self.suspect: str | None = None
        self.calling = False
        self.generation = 0

    @property
    def slots(self) -> int:
        return self.ready.slots if self.ready else 0

    def room(self) -> int:
        """How many requests of rows that are nowhere yet it can take."""
        slots = self.slots
        return slots + max(2, slots // AHEAD) - len(self.held) if slots else 0

    def take(self, request: Request) -> None:
        row = row_of(request.id)
        self.rested.pop(row, None)
        self.rows[row] += 1
        self.held[request.id] = request
        self.outbox.append(request)

    def done(self, request: str) -> bool:
        """Whether a completed request was one of its own. The next time it is not."""
        if request == self.suspect:
            self.suspect = None
        if self.held.pop(request, None) is None:
            return False
        row = row_of(request)
        self.rows[row] -= 1
        if not self.rows[row]:
            del self.rows[row]
            self.rested[row] = None
        return True

    def drop(self) -> list[Request]:
        """Its requests, which it no longer has."""
        held = list(self.held.values())
        self.held, self.outbox, self.suspect, self.calling = {}, [], None, False
        self.rested.update(dict.fromkeys(self.rows))
        self.rows.clear()
        self.generation += 1
        return held


def row_of(request: str) -> str:
    """The row that a request's id names."""
    return request.partition(":")[0]
