"""Measures the cost of an engine's steps in seconds: reading, writing, and the fixed part.

If an engine reports its own costs, they are scaled by the clock. So time outside the model counts
too, and so does other load on the machine. For an engine without such a report (a server), the
tokens of running requests are estimated from their duration.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from sysgen_local.engine.request import Completion, Costs, Engine, Flight, Load, Telling
from sysgen_local.running.forecast.estimate import STEPS_OF_A_REQUEST

AT_SERVERS = Costs(fixed=8.0, read=0.15, written=1.0)
"""Relative costs for an engine that does not report its own."""

WINDOW = 60.0
SHARE = 0.4
"""The pace is measured over this many last seconds, or over this share of the time if that is
more."""

MOMENTS = 256

ENOUGH = 12
"""Tokens that each slot must have written before there is an estimate."""


class _Moment(NamedTuple):
    at: float
    steps: float
    read: float
    written: float

    def seconds(self, costs: Costs) -> float:
        """The cost of all work up to this moment."""
        return costs.fixed * self.steps + costs.read * self.read + costs.written * self.written


class CurrentPace(NamedTuple):
    """The costs in seconds, the number of slots, and the running requests."""

    costs: Costs
    slots: int
    flights: Sequence[Flight]


class Pace:
    """The pace of one engine since it was loaded."""

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, engine: Engine | None = None
    ) -> None:
        self._clock = clock
        self._engine = engine if isinstance(engine, Telling) else None
        self._since: dict[str, float] = {}
        self._most = 1
        self._read = 0
        self._written = 0
        self._requests = 0
        self._writing = 0.0  # seconds of the requests that wrote something
        before = self._engine.load() if self._engine else None
        done = (before.steps, before.read, before.written) if before else (0, 0, 0)
        self._moments = [_Moment(clock(), *done)]

    @property
    def requests_sent(self) -> int:
        """How many requests are at the engine."""
        return len(self._since)

    def request_sent(self, request: str) -> None:
        """A request goes to the engine."""
        self._since[request] = self._clock()
        self._most = max(self._most, len(self._since))

    def request_done(self, completion: Completion, read: int) -> None:
        """A request is complete. `read` is the number of decoded tokens of its prompt."""
        self._since.pop(completion.id, None)
        self._read += read
        self._written += completion.tokens_out
        self._requests += 1
        if completion.tokens_out:
            self._writing += completion.seconds

    def now(self) -> CurrentPace | None:
        """The current pace; None as long as there is too little data."""
        load = self._engine.load() if self._engine else self._guessed()
        if load is None or load.costs is None:
            return None
        written = load.written - self._moments[0].written
        if not self._requests and written < ENOUGH * load.slots:
            return None  # only prompts have been read so far
        moment = _Moment(self._clock(), load.steps, load.read, load.written)
        first = self._remember(moment)
        took = moment.at - first.at
        explained = moment.seconds(load.costs) - first.seconds(load.costs)
        if took <= 0 or explained <= 0:
            return None
        scaled = Costs(*(cost * took / explained for cost in load.costs))
        return CurrentPace(scaled, load.slots, load.flights)

    def _guessed(self) -> Load | None:
        """The estimated load of an engine without a report; None before the first completion."""
        if not self._requests:
            return None
        pace = self._written / self._writing if self._writing else 0.0
        now = self._clock()
        flights = tuple(
            Flight(request, 0, int(pace * (now - since)))
            for request, since in list(self._since.items())
        )
        written = self._written + sum(flight.written for flight in flights)
        steps = (written + STEPS_OF_A_REQUEST * self._requests) / self._most
        return Load(int(steps), self._read, written, self._most, flights, AT_SERVERS)

    def _remember(self, moment: _Moment) -> _Moment:
        """Stores the moment. Returns the one from which the pace is measured."""
        moments = self._moments
        if moment.at - moments[-1].at >= 1:
            moments.append(moment)
        if len(moments) > MOMENTS:
            half = len(moments) // 2
            moments[:half] = moments[:half:2]
        begin = moment.at - max(WINDOW, SHARE * (moment.at - moments[0].at))
        return max((m for m in moments if m.at <= begin), default=moments[0])
