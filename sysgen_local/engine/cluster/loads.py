"""The load of several engines as that of one."""

from __future__ import annotations

from sysgen_local.engine.request import Costs, Load, Workers


class Loads:
    """Adds up what workers report.

    Workers step at the same time. So a step of all counts once, and a token costs the time that it
    takes one worker, divided by their number. Then fixed costs times steps plus costs of tokens
    times tokens is the time that passed, as with one engine.
    """

    def __init__(self) -> None:
        self._last: dict[object, Load] = {}
        self._steps = 0.0
        self._read = 0
        self._written = 0

    def add(self, worker: object, load: Load, workers: int) -> None:
        """The next report of a worker, one of this many."""
        before = self._last.get(worker)
        steps, read, written = (before.steps, before.read, before.written) if before else (0, 0, 0)
        self._steps += (load.steps - steps) / max(workers, 1)
        self._read += load.read - read
        self._written += load.written - written
        self._last[worker] = load

    def drop(self, worker: object) -> None:
        """A worker is lost. If it comes back, its engine counts from the beginning."""
        self._last.pop(worker, None)

    def sum(self, workers: Workers) -> Load:
        """The load of all. Another thread may call it."""
        loads = list(self._last.values())
        costs = [load.costs for load in loads if load.costs]
        number = max(len(costs), 1)
        mean = Costs(
            sum(of.fixed for of in costs) / number,
            sum(of.read for of in costs) / number**2,
            sum(of.written for of in costs) / number**2,
        )
        return Load(
            int(self._steps),
            self._read,
            self._written,
            sum(load.slots for load in loads),
            tuple(flight for load in loads for flight in load.flights),
            mean if costs else None,
            next((load.prefix for load in loads if load.prefix), None),
            workers,
        )
