"""How much work is ahead of a run: tokens to read and to write, and steps of the model to take.

Rows are taken up depth first, so early on the later phases have not been seen at all. What they
will take is guessed from the lengths of the rows' texts, and corrected by what is seen. Seconds
follow from what the engine's steps cost, including the end, when fewer and fewer slots are busy.
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
    """What a pass has ahead: tokens, chains of steps of rows in work, and rows in the queue as
    (how many, steps of each)."""

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
    """Is told what happens, and works out what is ahead."""

    def __init__(self, phases: Iterable[str]) -> None:
        self._phases = {phase: PhaseForecast(phase) for phase in phases}
        self._asked: dict[str, RunningRow] = {}

    def wait(self, phase: str, size: Size) -> None:
        """So many rows more wait for a phase."""
        state = self._phases[phase]
        state.waiting = state.waiting.plus(size)

    def earlier(self, phase: str, rows: int, written: int, size: Size) -> None:
        """What earlier runs wrote for rows of such a size."""
        state = self._phases[phase]
        guess = state.guess(size).written
        if rows and guess and size.rows:
            each = guess / size.rows
            state.factor = (written + 5 * each) / ((rows + 5) * each)

    def begin(self, phase: str, row: int, size: Size) -> None:
        """A row that waited is taken up."""
        state = self._phases[phase]
        state.waiting = state.waiting.minus(size)
        state.running[row] = RunningRow(size)

    def left_waiting(self, phase: str, row: int, size: Size) -> None:
        """A row that was taken up waits again."""
        self._phases[phase].running.pop(row)
        self.wait(phase, size)

    def asked(self, phase: str, row: int, request: str) -> None:
        self._asked[request] = self._phases[phase].running[row]

    def answered(self, request: str, read: int, written: int) -> None:
        running = self._asked.pop(request)
        running.read += read
        running.written += written
        running.requests += 1

    def ended(self, phase: str, row: int, goes_to: str | None, *, at_once: bool) -> None:
        """A row is through; it waits for the phase that it goes to, or is taken up `at_once`."""
        state = self._phases[phase]
        running = state.running.pop(row)
        state.ended(running)
        if goes_to is None:
            return
        if at_once:
            self._phases[goes_to].running[row] = RunningRow(running.size)
        else:
            self.wait(goes_to, running.size)

    def ahead(
        self,
        counts: Mapping[str, tuple[int, float]],
        passes: Sequence[Sequence[str]],
        flights: Iterable[Flight],
    ) -> list[RemainingWork] | None:
        """For each pass what it has ahead. `counts`: phase -> rows that wait for it and are not in
        work, and the share of rows that it lets through; `flights`: the requests under way.

        None where nothing is known of a phase that has to be done.
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
            # Rows that come from the phase before in the same pass are counted there.
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
        """Each phase's curve as of now; whether something is known of every phase."""
        for name, state in self._phases.items():
            state.curve = state.lengths.curve(state.multiple(*one) for one in running[name])
        seen = [state.each for state in self._phases.values() if state.rows]
        for name in working:
            state = self._phases[name]
            if not (state.known or state.rows):
                if not seen:
                    return False
                state.like = max(seen, key=lambda tokens: tokens.work)
        return True

    def _waiting(self, name: str, rows: int) -> Size:
        """The rows that wait, with their lengths as far as they are known."""
        if rows <= 0:
            return Size()
        known = self._phases[name].waiting
        if known.rows < 1:
            return Size(rows, 0.0, 0.0, rows)
        return known.times(rows / known.rows)

    def _chain(
        self, phases: Sequence[str], size: Size, counts: Mapping[str, tuple[int, float]]
    ) -> float:
        """Steps that a row of this size takes through these phases."""
        total, share = 0.0, 1.0
        for phase in phases:
            total += share * self._phases[phase].expect(size).steps
            share *= counts[phase][1]
        return total
