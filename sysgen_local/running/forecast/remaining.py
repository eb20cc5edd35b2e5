"""Estimates the remaining work of a run: tokens to read, tokens to write, and steps of the model.

Rows go through the phases in waves, so early in a run the later phases have no finished rows.
Their work is estimated from the lengths of the rows' texts and corrected by finished rows. Seconds
follow from the costs of the engine's steps. The end of a run counts too, when slots become idle.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from sysgen_local.core.sizes import Size
from sysgen_local.engine.request import Costs, Flight
from sysgen_local.running.forecast.estimate import Tokens
from sysgen_local.running.forecast.phase import PhaseForecast, RunningRow
from sysgen_local.running.forecast.steps import MULTIPLES, steps


@dataclass(slots=True)
class RemainingWork:
    """The remaining work of a pass: tokens, the remaining steps of each row in work (`chains`), and
    the rows in the queue as (number, steps of each)."""

    read: float = 0.0
    written: float = 0.0
    chains: list[float] = field(default_factory=list)
    queue: list[tuple[float, float]] = field(default_factory=list)

    def add(self, tokens: Tokens) -> None:
        self.read += tokens.read
        self.written += tokens.written

    def seconds(self, costs: Costs, slots: int) -> float:
        return (
            costs.read * self.read
            + costs.written * self.written
            + costs.fixed * steps(self.chains, self.queue, slots)
        )


class Forecast:
    """Gets the events of a run and estimates the remaining work."""

    def __init__(self, phases: Iterable[str]) -> None:
        self._phases = {phase: PhaseForecast(phase) for phase in phases}
        self._asked: dict[str, RunningRow] = {}

    def add_waiting(self, phase: str, size: Size) -> None:
        """More rows wait for a phase."""
        state = self._phases[phase]
        state.waiting = state.waiting.plus(size)

    def add_earlier(self, phase: str, rows: int, written: int, size: Size) -> None:
        """Earlier runs wrote this many tokens for this many rows, whose sizes sum to `size`."""
        state = self._phases[phase]
        guess = state.guess(size).written
        if rows and guess and size.rows:
            each = guess / size.rows
            state.factor = (written + 5 * each) / ((rows + 5) * each)

    def begin_row(self, phase: str, row: int, size: Size) -> None:
        """A waiting row begins."""
        state = self._phases[phase]
        state.waiting = state.waiting.minus(size)
        state.running[row] = RunningRow(size)

    def postpone_row(self, phase: str, row: int, size: Size) -> None:
        """A row that had begun waits again."""
        self._phases[phase].running.pop(row)
        self.add_waiting(phase, size)

    def request_sent(self, phase: str, row: int, request: str) -> None:
        self._asked[request] = self._phases[phase].running[row]

    def request_done(self, request: str, read: int, written: int) -> None:
        running = self._asked.pop(request)
        running.read += read
        running.written += written
        running.requests += 1

    def finish_row(self, phase: str, row: int, goes_to: str | None, *, at_once: bool) -> None:
        """A row has finished a phase. It waits for the phase `goes_to`, or begins it `at_once`."""
        state = self._phases[phase]
        running = state.running.pop(row)
        state.add_finished(running)
        if goes_to is None:
            return
        if at_once:
            self._phases[goes_to].running[row] = RunningRow(running.size)
        else:
            self.add_waiting(goes_to, running.size)

    def remaining(
        self,
        counts: Mapping[str, tuple[int, float]],
        passes: Sequence[Sequence[str]],
        flights: Iterable[Flight],
    ) -> list[RemainingWork] | None:
        """The remaining work of each pass. `counts` is phase -> (rows that wait and are not in
        work, the share of rows that pass); `flights` are the running requests.

        None if there is no estimate for one of the phases.
        """
        at = {phase: i for i, phases in enumerate(passes) for phase in phases}
        under_way: dict[RunningRow, Tokens] = {}
        for flight in flights:
            if one := self._asked.get(flight.id):
                tokens = Tokens(flight.read, flight.written)
                under_way[one] = under_way.get(one, Tokens()).plus(tokens)
        running = {
            name: [(one, under_way.get(one, Tokens())) for one in list(state.running.values())]
            for name, state in self._phases.items()
        }
        if not self._learn(running, set(at)):
            return None
        found = [RemainingWork() for _ in passes]
        coming = Size()
        before = -1
        for name, (waiting, passed) in counts.items():
            if name not in at:
                coming = Size()
                continue
            state, of, here = self._phases[name], found[at[name]], self._waiting(name, waiting)
            to_come = passes[at[name]][passes[at[name]].index(name) :]
            # Rows from the previous phase of the same pass are counted there.
            new = here if at[name] == before else here.plus(coming)
            if new.rows > 0:
                each = self._chain(to_come, new.times(1 / new.rows), counts)
                of.queue.append((new.rows, each))
            before = at[name]
            every = here.plus(coming)
            of.add(state.expect(every))
            for i, (one, flying) in enumerate(running[name]):
                rest = state.rest(one, flying)
                of.add(rest)
                after = passed * self._chain(to_come[1:], one.size, counts)
                of.chains.append(rest.steps + after * MULTIPLES[i % len(MULTIPLES)])
                every = every.plus(one.size)
            coming = every.times(passed)
        return found

    def _learn(
        self,
        running: Mapping[str, Sequence[tuple[RunningRow, Tokens]]],
        working: set[str],
    ) -> bool:
        """Updates the curve of each phase. Returns whether there is an estimate for every phase."""
        for name, state in self._phases.items():
            state.curve = state.lengths.curve(state.multiple(*one) for one in running[name])
        known = [state.each for state in self._phases.values() if state.rows]
        for name in working:
            state = self._phases[name]
            if not (state.known or state.rows):
                if not known:
                    return False
                state.like = max(known, key=lambda tokens: tokens.work)
        return True

    def _waiting(self, name: str, rows: int) -> Size:
        """The sizes of the waiting rows, as far as they are known."""
        if rows <= 0:
            return Size()
        known = self._phases[name].waiting
        if known.rows < 1:
            return Size(rows, 0.0, 0.0, rows)
        return known.times(rows / known.rows)

    def _chain(
        self, phases: Sequence[str], size: Size, counts: Mapping[str, tuple[int, float]]
    ) -> float:
        """The steps of a row of this size through these phases."""
        total, share = 0.0, 1.0
        for phase in phases:
            total += share * self._phases[phase].expect(size).steps
            share *= counts[phase][1]
        return total
