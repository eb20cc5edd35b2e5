"""The model's memory: who holds which sequence id, and which beginnings are kept.

Slots 0..slots-1 hold running sequences; the ids behind them hold prefixes that many prompts
share (one a request group). A newcomer starts from a copy of its group's prefix, which on a
unified cache shares cells instead of copying them.
"""

from __future__ import annotations

from typing import Any

import llama_cpp

from sysgen_local.engine.sequence import Sequence
from sysgen_local.engine.vocab import common

KEPT = 6
"""How many prefixes can be kept beside the slots."""


class Memory:
    def __init__(self, context: Any, slots: int, room: int, *, partial: bool) -> None:
        """`room`: cells a sequence may use. `partial`: whether a beginning of a kept sequence
        can be copied (attention does, recurrent state does not)."""
        self._memory = llama_cpp.llama_get_memory(context)
        self._free = list(range(slots - 1, -1, -1))
        self._slots = slots
        self._kept: dict[str, tuple[int, list[int]]] = {}
        self._kept_cells = 0
        self._partial = partial
        self.room = room

    @property
    def free(self) -> bool:
        return bool(self._free)

    def keeper(self, group: str, shared: list[int]) -> int | None:
        """The sequence id that should compute and keep this group's beginning, if any should."""
        worth = len(shared) >= 16 and self._kept_cells + len(shared) <= self.room
        if group in self._kept or len(self._kept) >= KEPT or not worth:
            return None
        keeper = self._slots + len(self._kept)
        self._kept[group] = (keeper, shared)
        self._kept_cells += len(shared)
        return keeper

    def take(self, sequence: Sequence) -> None:
        """Gives a slot; what the group's prefix already holds need not be decoded again."""
        sequence.slot = self._free.pop()
        keeper, kept = self._kept.get(sequence.request.group, (-1, []))
        length = min(common(kept, sequence.pending), len(sequence.pending) - 1)
        if length > 0 and (self._partial or length == len(kept)):
            llama_cpp.llama_memory_seq_cp(self._memory, keeper, sequence.slot, 0, length)
            sequence.decoded(length)

    def release(self, sequence: Sequence) -> None:
        llama_cpp.llama_memory_seq_rm(self._memory, sequence.slot, -1, -1)
        self._free.append(sequence.slot)
