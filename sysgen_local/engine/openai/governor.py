"""How many requests one server gets at a time, and when it gets none.

The limit grows by one with each round of answers and is halved when the server is overloaded
(additive increase, multiplicative decrease, as in TCP's congestion control, RFC 5681). A server
that fails several times in a row gets no requests for a while, then a single one: a circuit
breaker. It has no clock and no threads of its own; times are seconds of one monotonic clock.
"""

from __future__ import annotations

from dataclasses import dataclass

FIRST = 8
"""Requests at a time to begin with, where the server does not say how many it can do."""

MOST = 64
"""The largest limit, where the user gives none and the server does not say how many it can do."""

FAILURES = 3
"""After so many failures in a row a server is out."""

LONGEST_PAUSE = 60.0
"""The longest pause between two tries of a server, in seconds, unless it asks for more."""

TRIES = 10
"""About how often each server is tried at least before the wait for all of them ends."""


@dataclass(slots=True)
class Governor:
    """The state of one server. `most` is the largest limit, `longest_pause` is in seconds."""

    most: int
    limit: float
    longest_pause: float
    running: int = 0
    failures: int = 0
    paused_until: float = 0.0
    _halved_at: float = float("-inf")
    _trial: bool = False

    @classmethod
    def of(cls, slots: int | None, patience: float = float("inf")) -> Governor:
        """`slots`: the limit that the user wants. `patience`: seconds until the wait for servers
        that are out ends. A pause is a small part of them, since a server that is back within a
        pause is not seen before its end."""
        longest = min(LONGEST_PAUSE, max(1.0, patience / TRIES))
        return cls(slots or MOST, float(slots or FIRST), longest)

    def allow(self, parallel: int) -> None:
        """The server says how many requests at a time it is set to."""
        self.most, self.limit = parallel, float(parallel)

    @property
    def is_out(self) -> bool:
        """Whether the server has failed so often that only single requests try it."""
        return self.failures >= FAILURES

    @property
    def room(self) -> int:
        """How many more requests it can get while it is not paused."""
        if self.is_out:
            return 0 if self._trial else 1
        return max(0, int(self.limit) - self.running)

    def admits(self, now: float) -> bool:
        """Whether it gets a request now."""
        return now >= self.paused_until and self.room > 0

    def sent(self) -> None:
        """A request is sent."""
        self.running += 1
        self._trial = self.is_out

    def succeeded(self) -> None:
        """A request is answered, or refused for a reason of its own."""
        self._ended()
        self.failures = 0
        self.limit = min(self.most, self.limit + 1 / self.limit)

    def failed(self, sent_at: float, now: float, wait: float = 0.0) -> None:
        """A request that was sent at `sent_at` failed because of the server. `wait`: seconds that
        the server asks to wait.

        Requests of one round fail together. Only those count that were sent after the limit was
        halved the last time.
        """
        self._ended()
        if sent_at > self._halved_at:
            self._halved_at = now
            self.limit = max(1.0, self.limit / 2)
            self.failures += 1
            pause = min(self.longest_pause, 2.0 ** (self.failures - 1))
            self.paused_until = max(self.paused_until, now + pause)
        self.paused_until = max(self.paused_until, now + wait)

    def lost(self, now: float) -> None:
        """No connection can be made: it is out at once."""
        self._ended()
        if self.is_out and now < self.paused_until:  # the failures of one moment count once
            return
        self.failures = max(FAILURES, self.failures + 1)
        pause = min(self.longest_pause, 2.0 ** (self.failures - FAILURES))
        self.paused_until = now + pause

    def dropped(self) -> None:
        """A request ends without a result."""
        self._ended()

    def _ended(self) -> None:
        self.running -= 1
        self._trial = False
