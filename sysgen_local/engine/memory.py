"""The model's memory: who holds which sequence id, and which beginnings are kept.

Slots 0..slots-1 hold running sequences; the ids behind them keep prefixes that many prompts share
(one a request group). Every id has a stream of its own: what one sequence reads never depends on
its neighbours, so a batch gives the same answers as single requests.
"""

from __future__ import annotations

from typing import Any

import llama_cpp

from sysgen_local.engine.sequence import Sequence
from sysgen_local.engine.vocab import common

KEPT = 3
"""How many prefixes can be kept beside the slots; a stream each."""

WORTH = 16
"""A shorter prefix is sooner decoded again than copied."""


class Memory:
    def __init__(self, context: Any, slots: int, room: int, *, partial: bool) -> None:
        """`room`: tokens a sequence may hold. `partial`: whether the end of a sequence can be
        taken away (attention can; recurrent state has no parts)."""
        self.room = room
        self._memory = llama_cpp.llama_get_memory(context)
        self._partial = partial
        self._slots = slots
        self._kept: dict[str, tuple[int, list[int]]] = {}
        self._free: dict[int, str] = dict.fromkeys(range(slots), "")  # slot -> prefix left in it

    @property
    def free(self) -> bool:
        return bool(self._free)

    def keeper(self, group: str, shared: list[int]) -> int | None:
        """The id that should decode and keep this group's beginning, if one should."""
        if group in self._kept or len(self._kept) >= KEPT or len(shared) < WORTH:
            return None
        keeper = self._slots + len(self._kept)
        self._kept[group] = (keeper, shared)
        return keeper

    def take(self, sequence: Sequence) -> None:
        """Gives a slot; what the group's prefix already holds need not be decoded again."""
        group = sequence.request.group
        keeper, kept = self._kept.get(group, (-1, []))
        usable = min(common(kept, sequence.pending), len(sequence.pending) - 1)
        if usable < WORTH or not (self._partial or usable == len(kept)):
            usable = 0
        left = next((slot for slot, there in self._free.items() if there == group), None)
        sequence.slot = slot = left if left is not None else next(iter(self._free))
        there = self._free.pop(slot)
        if not usable:
            self._remove(slot)
        else:
            if there != group:
                llama_cpp.llama_memory_seq_cp(self._memory, keeper, slot, -1, -1)
            if usable < len(kept):
                self._remove(slot, usable)
            sequence.decoded(usable)
            sequence.shared = usable

    def release(self, sequence: Sequence) -> None:
        """Takes the slot back; the group's prefix stays in it where that is possible."""
        group = sequence.request.group
        _, kept = self._kept.get(group, (-1, []))
        if self._partial and kept and sequence.shared >= len(kept):
            self._remove(sequence.slot, len(kept))
            self._free[sequence.slot] = group
        else:
            self._remove(sequence.slot)
            self._free[sequence.slot] = ""

    def _remove(self, slot: int, start: int = -1) -> None:
        llama_cpp.llama_memory_seq_rm(self._memory, slot, start, -1)
