"""The model's memory: who holds which sequence id, and what is still in it.

Slots 0..slots-1 hold running sequences; the ids behind them keep prefixes that many prompts share
(one a request group). Every id has a stream of its own: what one sequence reads never depends on
its neighbours, so a batch gives the same answers as single requests. A slot keeps what it held
when it falls free: a newcomer that begins alike (another phrase of the same row, the next turn of
the same chat) goes on from there.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import llama_cpp

from sysgen_local.engine.sequence import Sequence
from sysgen_local.engine.vocab import common

KEPT = 3
"""How many prefixes can be kept beside the slots; a stream each."""

WORTH = 16
"""A shorter beginning is sooner decoded again than looked after."""


class Memory:
    def __init__(self, context: Any, slots: int, room: int, *, partial: bool) -> None:
        """`room`: tokens a sequence may hold. `partial`: whether the end of a sequence can be
        taken away (attention can; recurrent state has no parts)."""
        self.room = room
        self._memory = llama_cpp.llama_get_memory(context)
        self._partial = partial
        self._slots = slots
        self._kept: dict[str, tuple[int, list[int]]] = {}
        self._free: dict[int, list[int]] = {slot: [] for slot in range(slots)}  # slot -> tokens

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
        """Gives a slot, with as much of the prompt in it as some memory holds already."""
        prompt = sequence.tokens
        keeper, kept = self._kept.get(sequence.request.group, (-1, []))
        prefix = self._usable(kept, prompt)
        slot = max(self._free, key=lambda slot: self._usable(self._free[slot], prompt))
        there = self._usable(self._free[slot], prompt)
        if there < max(prefix, WORTH):
            slot = next(iter(self._free))  # the one that has been free for longest
            there = prefix if prefix >= WORTH else 0
            self._remove(slot)
            if there:
                llama_cpp.llama_memory_seq_cp(self._memory, keeper, slot, -1, -1)
            held = len(kept) if there else 0
        else:
            held = len(self._free[slot])
        if there < held:
            self._remove(slot, there)
        del self._free[slot]
        sequence.slot = slot
        sequence.position = there

    def close_gaps(self, running: Iterable[Sequence]) -> None:
        """Moves sequences down into slots that stay free. llama.cpp computes only neighbouring
        streams together: each gap between them would cost another pass over the weights."""
        for sequence in sorted(running, key=lambda sequence: -sequence.slot):
            slot = min(self._free, default=self._slots)
            if slot > sequence.slot:
                return
            self._remove(slot)
            llama_cpp.llama_memory_seq_cp(self._memory, sequence.slot, slot, -1, -1)
            del self._free[slot]
            self.release(sequence)
            sequence.slot = slot

    def release(self, sequence: Sequence) -> None:
        """Takes the slot back and leaves in it what it holds."""
        self._free[sequence.slot] = sequence.tokens[: sequence.position]

    def _usable(self, held: list[int], prompt: list[int]) -> int:
        """How much of the prompt these tokens spare; its last token is decoded in any case."""
        length = min(common(held, prompt), len(prompt) - 1)
        return length if self._partial or length == len(held) else 0

    def _remove(self, slot: int, start: int = -1) -> None:
        llama_cpp.llama_memory_seq_rm(self._memory, slot, start, -1)
