"""The KV cache: which sequence holds which slot, and which tokens each slot still holds.

Slots 0 to slots - 1 hold running sequences. What the prompts of one request group share is decoded
once and put into the slot of each (see `prefixes`). Every slot has a stream of its own, so no
sequence attends to cells of another, and a batch gives the same answers as single requests.

How slots are assigned, and why:
- A slot keeps its tokens when it falls free, so that a later prompt with the same beginning (the
  next phrase of a row, the next turn of a chat) continues from there.
- Among all pairs of a new sequence and a free slot, the pair with the longest common beginning is
  assigned first. Otherwise a sequence that gains nothing could take the slot that another needs.
- A slot that spares less than the group's prefix would is emptied, and the prefix put into it.
- Sequences much longer than the rest lie behind them, so that those others, which are decoded in a
  call of their own, are neighbours (see `calls`).
Measured: assigning the best pair first took 521 tokens a row instead of 605 with six phrases a row
and 16 slots, and 0.96 times the processor time (benchmarks/README.md).
"""

from __future__ import annotations

from collections.abc import Iterable
from math import inf
from typing import Any

import llama_cpp

from sysgen_local.engine.llama.calls import first_long
from sysgen_local.engine.llama.prefixes import Prefixes
from sysgen_local.engine.llama.sequence import Sequence
from sysgen_local.engine.llama.tokenizer import common_prefix_length

MIN_REUSED_TOKENS = 16
"""A shorter common beginning is not reused: decoding it again is cheaper than the bookkeeping."""

MOST_READ_AGAIN = 128
"""A sequence gives up so many tokens that a free slot holds, beside its group's prefix, to lie on
the right side of others. Each step in which it does not costs as much as eight tokens."""


class KVCache:
    """The slots of one llama.cpp context."""

    def __init__(
        self,
        context: Any,
        slots: int,
        *,
        prefixes: Prefixes,
        can_truncate: bool,
        call_cells: float = inf,
    ) -> None:
        """`can_truncate`: whether the last tokens of a sequence can be removed. Attention allows
        it; recurrent state can only be removed as a whole. `call_cells`: see `calls`."""
        self._memory = llama_cpp.llama_get_memory(context)
        self._can_truncate = can_truncate
        self._slots = slots
        self._prefixes = prefixes
        self._call_cells = call_cells
        self._holders: dict[int, Sequence] = {}  # slot -> the sequence that runs in it
        # Free slot -> the tokens that are still in it.
        self._free_slots: dict[int, list[int]] = {slot: [] for slot in range(slots)}
        self._spoiled: set[int] = set()

    @property
    def free_slots(self) -> int:
        """How many slots can be assigned."""
        if self._spoiled and not self._holders:
            self.clear()
        return len(self._free_slots)

    def slot_for_prefix(self, group: str, shared: list[int]) -> int | None:
        """A free slot, emptied: the caller must decode the tokens `shared` of this group into it,
        and then call `keep_prefix`. None where the group has a prefix, or this one is too short or
        too long to keep. There must be a free slot."""
        if self._prefixes.tokens(group) or len(shared) < MIN_REUSED_TOKENS:
            return None
        if not self._prefixes.has_room_for(len(shared)):
            return None
        slot = min(self._free_slots, key=lambda free: len(self._free_slots[free]))
        self._remove_tokens(slot)
        self._free_slots[slot] = []
        return slot

    def keep_prefix(self, group: str, shared: list[int], slot: int) -> None:
        """Keeps the prefix that was decoded into this slot. It also stays in the slot."""
        self._prefixes.keep(group, shared, slot)
        self._free_slots[slot] = shared

    def assign_slots(self, admitted: Iterable[Sequence]) -> None:
        """Gives each sequence a free slot and sets `position` to the tokens that are reused. There
        must be as many free slots as sequences."""
        admitted = list(admitted)
        long = self._long([*self._holders.values(), *admitted])
        candidates = [
            (self._reusable_in_slot(cached, sequence), slot, sequence)
            for sequence in admitted
            for slot, cached in self._free_slots.items()  # first the one that is free for longest
        ]
        for reused, slot, sequence in sorted(candidates, key=lambda candidate: -candidate[0]):
            if sequence.slot < 0 and slot in self._free_slots:
                place = slot
                if reused - self._by_prefix(sequence) <= MOST_READ_AGAIN:
                    place = self._place(slot, long, is_long=sequence in long)
                self._assign(sequence, place, reused if place == slot else 0)

    def clear(self) -> None:
        """Empties all slots. Running sequences lose theirs."""
        llama_cpp.llama_memory_clear(self._memory, True)
        self._prefixes.clear()
        self._holders.clear()
        self._spoiled.clear()
        self._free_slots = {slot: [] for slot in range(self._slots)}

    def close_gaps(self) -> None:
        """Moves running sequences into lower free slots, so that no free slot lies between them,
        and long ones into higher ones, so that they do not lie between others. llama.cpp computes
        only neighbouring streams together, and each gap costs another pass over the weights."""
        running = list(self._holders.values())
        self._clean()
        long = self._long(running)
        short = [sequence for sequence in running if sequence not in long]
        for sequence in sorted(short, key=lambda sequence: -sequence.slot):
            slot = min(self._free_slots, default=self._slots)
            if slot > sequence.slot:
                break
            self._move(sequence, slot)
        last = max((sequence.slot for sequence in short), default=-1)
        for sequence in sorted(long, key=lambda sequence: sequence.slot):
            slot = max(self._free_slots, default=-1)
            if sequence.slot > last or slot < last:
                break
            self._move(sequence, slot)

    def roll_back(self, sequence: Sequence) -> None:
        """Removes the tokens behind `sequence.rollback_to` from its slot. Recurrent state is
        removed as a whole, and the sequence is decoded again from its beginning."""
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
        """Frees the slot of a sequence; its tokens stay for reuse.

        Where the slot can be truncated, only the prompt is offered for reuse. Generated tokens were
        decoded one at a time, which gives slightly other numbers than decoding them as a prompt
        (see `scheduler`). With them, an answer would depend on which slots happened to be free.
        """
        cached = sequence.tokens[: sequence.position]
        self._holders.pop(sequence.slot, None)
        if sequence.slot in self._spoiled:
            return
        self._free_slots[sequence.slot] = sequence.cached_prompt if self._can_truncate else cached

    def spoil(self, sequence: Sequence) -> None:
        """Keeps the slot of a sequence from being assigned until its cells are overwritten, because
        the model computed no numbers in it. Cells that are free count for nothing, but nothing
        times no number is no number."""
        self._spoiled.add(sequence.slot)

    def _clean(self) -> None:
        """Overwrites the cells of spoiled slots that are free with those of another slot. llama.cpp
        does so at the next decoding, which must come before anything is put into them."""
        clean = next((slot for slot in self._holders if slot not in self._spoiled), None)
        if clean is None:
            return
        for slot in self._spoiled - self._holders.keys():
            llama_cpp.llama_memory_seq_cp(self._memory, clean, slot, -1, -1)
            self._remove_tokens(slot)
            self._spoiled.remove(slot)
            self._free_slots[slot] = []

    def _reusable_in_slot(self, cached: list[int], sequence: Sequence) -> int:
        """How many tokens of the prompt a slot with the tokens `cached` spares; 0 where the group's
        prefix spares more."""
        reused = self._reusable_length(cached, sequence.tokens)
        return reused if reused >= max(MIN_REUSED_TOKENS, self._by_prefix(sequence)) else 0

    def _by_prefix(self, sequence: Sequence) -> int:
        """How many tokens of the prompt the group's prefix spares."""
        prefix = self._prefixes.tokens(sequence.request.group)
        return self._reusable_length(prefix, sequence.tokens)

    def _assign(self, sequence: Sequence, slot: int, reused: int) -> None:
        """Assigns the slot. `reused`: how many of its tokens stay; 0 to put the group's prefix into
        it, if there is one."""
        cached = self._free_slots.pop(slot)
        if not reused:
            self._remove_tokens(slot)
            group = sequence.request.group
            cached = self._prefixes.tokens(group)
            reused = self._reusable_length(cached, sequence.tokens)
            if reused < MIN_REUSED_TOKENS or not self._prefixes.put(group, slot):
                reused, cached = 0, []
        if self._can_truncate or reused < len(cached):
            self._remove_tokens(slot, reused)
        sequence.slot = slot
        sequence.position = sequence.cached_tokens = reused
        self._holders[slot] = sequence

    def _long(self, sequences: list[Sequence]) -> set[Sequence]:
        """Those of the sequences that are much longer than the rest, if there are any."""
        if self._call_cells == inf:
            return set()
        ordered = sorted(sequences, key=_cells)
        return set(ordered[first_long(list(map(_cells, ordered)), self._call_cells) :])

    def _place(self, free: int, long: set[Sequence], *, is_long: bool) -> int:
        """The slot for a new sequence: the free one, or that of a running one which is on the wrong
        side of it and moves there. Long ones lie behind the others."""
        if not long:
            return free
        if is_long:
            free = max(self._free_slots)
            wrong = [s for s, held in self._holders.items() if s > free and held not in long]
        else:
            wrong = [s for s, held in self._holders.items() if s < free and held in long]
        if not wrong:
            return free
        slot = max(wrong) if is_long else min(wrong)
        self._remove_tokens(free)
        self._free_slots[free] = []
        if not self._prefixes.move(slot, free):
            return free
        sequence = self._holders.pop(slot)
        del self._free_slots[free]
        self._free_slots[slot] = []
        self._holders[free], sequence.slot = sequence, free
        return slot

    def _move(self, sequence: Sequence, slot: int) -> None:
        """Moves a running sequence into a free slot."""
        self._remove_tokens(slot)
        llama_cpp.llama_memory_seq_cp(self._memory, sequence.slot, slot, -1, -1)
        del self._free_slots[slot]
        self.release(sequence)
        self._holders[slot], sequence.slot = sequence, slot

    def _reusable_length(self, cached: list[int], prompt: list[int]) -> int:
        """How many tokens of the prompt need not be decoded where `cached` is in the slot.

        The last two are always decoded: the last one gives the logits, and one token alone would
        give other numbers (see `scheduler`).
        """
        length = max(0, min(common_prefix_length(cached, prompt), len(prompt) - 2))
        return length if self._can_truncate or length == len(cached) else 0

    def _remove_tokens(self, slot: int, start: int = -1) -> None:
        """Removes the tokens from position `start` on; all of them by default."""
        llama_cpp.llama_memory_seq_rm(self._memory, slot, start, -1)


def _cells(sequence: Sequence) -> int:
    """How many cells the sequence has, or will have when its prompt is decoded."""
    return max(sequence.position, sequence.prompt_length)
