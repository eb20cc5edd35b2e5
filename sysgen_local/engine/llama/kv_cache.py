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

from sysgen_local.engine.llama.sequence import Sequence
from sysgen_local.engine.llama.tokenizer import common

KEPT = 8
"""How many prefixes are kept beside the slots where memory allows; a stream each. The default
prompts have eight: five groups of demonstrations for phrases, one each for verdicts and for what
the checks ask."""

WORTH = 16
"""A shorter beginning is sooner decoded again than looked after."""


class Memory:
    def __init__(self, context: Any, slots: int, room: int, *, kept: int, partial: bool) -> None:
        """`room`: tokens a sequence may hold. `kept`: prefixes that there is room for. `partial`:
        whether the end of a sequence can be taken away (attention can; recurrent state has no
        parts)."""
        self.room = room
        self._memory = llama_cpp.llama_get_memory(context)
        self._partial = partial
        self._slots = slots
        self._most = kept
        self._kept: dict[str, tuple[int, list[int]]] = {}
        self._free: dict[int, list[int]] = {slot: [] for slot in range(slots)}  # slot -> tokens

    @property
    def free(self) -> int:
        """How many slots nobody holds."""
        return len(self._free)

    def keeper(self, group: str, shared: list[int]) -> int | None:
        """The id that should decode and keep this group's beginning, if one should."""
        if group in self._kept or len(self._kept) >= self._most or len(shared) < WORTH:
            return None
        keeper = self._slots + len(self._kept)
        self._kept[group] = (keeper, shared)
        return keeper

    def take(self, newcomers: Iterable[Sequence]) -> None:
        """Gives each a slot, with as much of the prompt in it as some memory holds already.

        Who finds most in a free slot chooses first: another, who gains nothing by it, would else
        take the very slot in which that one could go on.
        """
        fits = [
            (self._spared(held, sequence), slot, sequence)
            for sequence in newcomers
            for slot, held in self._free.items()  # the one that has been free for longest first
        ]
        for there, slot, sequence in sorted(fits, key=lambda fit: -fit[0]):
            if sequence.slot < 0 and slot in self._free:
                self._seat(sequence, slot, there)

    def clear(self) -> None:
        """Forgets everything: slots, and the prefixes that were kept."""
        llama_cpp.llama_memory_clear(self._memory, True)
        self._kept.clear()
        self._free = {slot: [] for slot in range(self._slots)}

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

    def rewind(self, sequence: Sequence) -> None:
        """Takes away what the sequence no longer wants of what it holds. Recurrent state has no
        parts: there all of it goes, and is read again."""
        if sequence.held is None or sequence.held >= sequence.position:
            sequence.held = None
            return
        if self._partial:
            self._remove(sequence.slot, sequence.held)
            sequence.position = sequence.held
        else:
            self._remove(sequence.slot)
            sequence.position, sequence.piecemeal = 0, False
        sequence.held = None

    def release(self, sequence: Sequence) -> None:
        """Takes the slot back and leaves in it what it holds.

        What was written is not counted where it can be taken away: it went in one token at a
        time, which gives other numbers than reading it does (see `Scheduler`), and whether the
        slot is still free when its reader comes depends on others.
        """
        whole = sequence.tokens[: sequence.position]
        self._free[sequence.slot] = sequence.prompt_held if self._partial else whole

    def _spared(self, held: list[int], sequence: Sequence) -> int:
        """How much of the prompt a slot with these tokens spares, if more than a copy of the
        group's beginning would."""
        there = self._usable(held, sequence.tokens)
        _, kept = self._kept.get(sequence.request.group, (-1, []))
        return there if there >= max(WORTH, self._usable(kept, sequence.tokens)) else 0

    def _seat(self, sequence: Sequence, slot: int, there: int) -> None:
        """Into this slot; `there` tokens of what it holds are of use."""
        held = self._free.pop(slot)
        if not there:
            self._remove(slot)
            keeper, held = self._kept.get(sequence.request.group, (-1, []))
            there = self._usable(held, sequence.tokens)
            if there >= WORTH:
                llama_cpp.llama_memory_seq_cp(self._memory, keeper, slot, -1, -1)
            else:
                there, held = 0, []
        if self._partial or there < len(held):
            self._remove(slot, there)
        sequence.slot = slot
        sequence.position = sequence.spared = there

    def _usable(self, held: list[int], prompt: list[int]) -> int:
        """How much of the prompt these tokens spare; its last two are decoded in any case: logits
        are wanted, and one alone would give others (see `Scheduler`)."""
        length = max(0, min(common(held, prompt), len(prompt) - 2))
        return length if self._partial or length == len(held) else 0

    def _remove(self, slot: int, start: int = -1) -> None:
        llama_cpp.llama_memory_seq_rm(self._memory, slot, start, -1)
