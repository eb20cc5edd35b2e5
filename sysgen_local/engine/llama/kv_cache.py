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
from sysgen_local.engine.llama.tokenizer import common_prefix_length

PREFIX_SLOTS = 8
"""How many prefixes are kept beside the slots where memory allows; a stream each. The default
prompts have eight: five groups of demonstrations for phrases, one each for verdicts and for what
the checks ask."""

MIN_REUSED_TOKENS = 16
"""A shorter beginning is sooner decoded again than looked after."""


class KVCache:
    def __init__(self, context: Any, slots: int, *, prefix_slots: int, can_truncate: bool) -> None:
        """`room`: tokens a sequence may hold. `kept`: prefixes that there is room for. `partial`:
        whether the end of a sequence can be taken away (attention can; recurrent state has no
        parts)."""
        self._memory = llama_cpp.llama_get_memory(context)
        self._can_truncate = can_truncate
        self._slots = slots
        self._max_prefixes = prefix_slots
        self._prefixes: dict[str, tuple[int, list[int]]] = {}
        # Free slot -> the tokens that are still in it.
        self._free_slots: dict[int, list[int]] = {slot: [] for slot in range(slots)}

    @property
    def free_slots(self) -> int:
        """How many slots nobody holds."""
        return len(self._free_slots)

    def reserve_prefix_slot(self, group: str, shared: list[int]) -> int | None:
        """The id that should decode and keep this group's beginning, if one should."""
        if group in self._prefixes or len(self._prefixes) >= self._max_prefixes:
            return None
        if len(shared) < MIN_REUSED_TOKENS:
            return None
        prefix_slot = self._slots + len(self._prefixes)
        self._prefixes[group] = (prefix_slot, shared)
        return prefix_slot

    def assign_slots(self, admitted: Iterable[Sequence]) -> None:
        """Gives each a slot, with as much of the prompt in it as some memory holds already.

        Who finds most in a free slot chooses first: another, who gains nothing by it, would else
        take the very slot in which that one could go on.
        """
        candidates = [
            (self._reusable_in_slot(cached, sequence), slot, sequence)
            for sequence in admitted
            for slot, cached in self._free_slots.items()  # first the one that is free for longest
        ]
        for reused, slot, sequence in sorted(candidates, key=lambda candidate: -candidate[0]):
            if sequence.slot < 0 and slot in self._free_slots:
                self._assign(sequence, slot, reused)

    def clear(self) -> None:
        """Forgets everything: slots, and the prefixes that were kept."""
        llama_cpp.llama_memory_clear(self._memory, True)
        self._prefixes.clear()
        self._free_slots = {slot: [] for slot in range(self._slots)}

    def close_gaps(self, running: Iterable[Sequence]) -> None:
        """Moves sequences down into slots that stay free. llama.cpp computes only neighbouring
        streams together: each gap between them would cost another pass over the weights."""
        for sequence in sorted(running, key=lambda sequence: -sequence.slot):
            slot = min(self._free_slots, default=self._slots)
            if slot > sequence.slot:
                return
            self._remove_tokens(slot)
            llama_cpp.llama_memory_seq_cp(self._memory, sequence.slot, slot, -1, -1)
            del self._free_slots[slot]
            self.release(sequence)
            sequence.slot = slot

    def roll_back(self, sequence: Sequence) -> None:
        """Takes away what the sequence no longer wants of what it holds. Recurrent state has no
        parts: there all of it goes, and is read again."""
        if sequence.rollback_to is None or sequence.rollback_to >= sequence.position:
            sequence.rollback_to = None
            return
        if self._can_truncate:
            self._remove_tokens(sequence.slot, sequence.rollback_to)
            sequence.position = sequence.rollback_to
        else:
            self._remove_tokens(sequence.slot)
            sequence.position, sequence.one_token_per_step = 0, False
        sequence.rollback_to = None

    def release(self, sequence: Sequence) -> None:
        """Takes the slot back and leaves in it what it holds.

        What was written is not counted where it can be taken away: it went in one token at a
        time, which gives other numbers than reading it does (see `Scheduler`), and whether the
        slot is still free when its reader comes depends on others.
        """
        cached = sequence.tokens[: sequence.position]
        self._free_slots[sequence.slot] = sequence.cached_prompt if self._can_truncate else cached

    def _reusable_in_slot(self, cached: list[int], sequence: Sequence) -> int:
        """How much of the prompt a slot with these tokens spares, if more than a copy of the
        group's beginning would."""
        reused = self._reusable_length(cached, sequence.tokens)
        _, prefix = self._prefixes.get(sequence.request.group, (-1, []))
        by_copy = self._reusable_length(prefix, sequence.tokens)
        return reused if reused >= max(MIN_REUSED_TOKENS, by_copy) else 0

    def _assign(self, sequence: Sequence, slot: int, reused: int) -> None:
        """Into this slot; `there` tokens of what it holds are of use."""
        cached = self._free_slots.pop(slot)
        if not reused:
            self._remove_tokens(slot)
            prefix_slot, cached = self._prefixes.get(sequence.request.group, (-1, []))
            reused = self._reusable_length(cached, sequence.tokens)
            if reused >= MIN_REUSED_TOKENS:
                llama_cpp.llama_memory_seq_cp(self._memory, prefix_slot, slot, -1, -1)
            else:
                reused, cached = 0, []
        if self._can_truncate or reused < len(cached):
            self._remove_tokens(slot, reused)
        sequence.slot = slot
        sequence.position = sequence.cached_tokens = reused

    def _reusable_length(self, cached: list[int], prompt: list[int]) -> int:
        """How much of the prompt these tokens spare; its last two are decoded in any case: logits
        are wanted, and one alone would give others (see `Scheduler`)."""
        length = max(0, min(common_prefix_length(cached, prompt), len(prompt) - 2))
        return length if self._can_truncate or length == len(cached) else 0

    def _remove_tokens(self, slot: int, start: int = -1) -> None:
        llama_cpp.llama_memory_seq_rm(self._memory, slot, start, -1)
