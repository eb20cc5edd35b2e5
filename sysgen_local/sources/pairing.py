"""Which call of a tool each result answers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from sysgen_local.core.records import Turn
from sysgen_local.sources import tools

_ROLES = ("function_call", "observation")


class _Call(NamedTuple):
    """A call: its id ("" where it has none), its name, and its place: the turn, counted from 1, and
    its number in that turn."""

    number: str
    name: str
    turn: int
    at: int

    def id_for(self, turn: int, last: int) -> str:
        """What a result in this turn, behind calls in the turn `last`, has as the call's id. ""
        where exports find it by the place: the first result for the first call, and so on."""
        if self.number or (self.turn == last and self.at == turn - last):
            return self.number
        return f"call{self.turn:03d}{self.at:02d}"  # as exports name a call by its place


def paired(turns: Sequence[Turn]) -> tuple[Turn, ...]:
    """The turns, each result with the id and the name of the call that it answers: by its own id,
    else by its own name, else the first call that no other result answers."""
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
    """Where calls and results stand with nothing between them."""
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
        return next((call for call in waiting if call.number == turn.call), None)
    free = [call for call in waiting if call.number not in claimed]
    named = [call for call in free if call.name == turn.name]
    return next(iter(named or free), None)
