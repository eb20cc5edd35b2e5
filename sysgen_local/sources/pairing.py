"""Pairs tool results with tool calls."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from sysgen_local.core.records import Turn
from sysgen_local.sources import tools

_ROLES = ("function_call", "observation")


class _Call(NamedTuple):
    """A tool call: its id ("" where it has none), its name, and its place: the number of the turn,
    and its number in that turn, both from 1."""

    number: str
    name: str
    turn: int
    at: int

    @property
    def exported(self) -> str:
        """Its id in an export, which gives one by the place to a call without."""
        return self.number or f"call{self.turn:03d}{self.at:02d}"

    def id_for(self, turn: int, last: int) -> str:
        """The id of this call for a result in the turn `turn`, where `last` is the last turn with
        calls. It is "" where an export can derive it from the place: the first result belongs to
        the first call, and so on."""
        if self.number or (self.turn == last and self.at == turn - last):
            return self.number
        return self.exported


def paired(turns: Sequence[Turn]) -> tuple[Turn, ...]:
    """The turns, with the id and the name of its call in each result. The call is found by the
    result's id, else by its name, else it is the first call that no other result answers."""
    found = list(turns)
    for start, end in _blocks(turns):
        claimed = {turn.call for turn in turns[start:end] if turn.role == "observation"} - {""}
        waiting: list[_Call] = []
        last = 0
        for i in range(start, end):
            turn = turns[i]
            if turn.role == "function_call":
                last = i + 1
                waiting += [
                    _Call(number, name, last, at)
                    for at, (number, name) in enumerate(tools.ids(turn.content), 1)
                ]
            elif call := _answered(turn, waiting, claimed):
                waiting.remove(call)
                number = turn.call or call.id_for(i + 1, last)
                found[i] = turn._replace(call=number, name=turn.name or call.name)
    return tuple(found)


def _blocks(turns: Sequence[Turn]) -> Iterator[tuple[int, int]]:
    """(start, end) of each run of calls and results without other turns between them."""
    start = 0
    while start < len(turns):
        end = start
        while end < len(turns) and turns[end].role in _ROLES:
            end += 1
        if end > start:
            yield start, end
        start = end + 1


def _answered(turn: Turn, waiting: Sequence[_Call], claimed: set[str]) -> _Call | None:
    if turn.call:
        return next((call for call in waiting if call.exported == turn.call), None)
    free = [call for call in waiting if call.exported not in claimed]
    named = [call for call in free if call.name == turn.name]
    return next(iter(named or free), None)
