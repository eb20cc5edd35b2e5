"""Keeps the prefixes that the prompts of a request group share, so that each is decoded once.

There are two ways, and `plan` chooses. A saved state takes main memory for the tokens that the
prefix has, and no slot. Models with a sliding window need slots: llama.cpp leaves out of a state
what is outside the window, so that a sequence which goes back behind the prefix would miss cells.
Measured with Qwen2.5-Coder-0.5B on two cores, a prefix of 850 tokens and slots of 2560: a state of
10.5 MB is put into a slot in 1.8 ms, where a copy of a slot takes 4.2, and logits are equal bit by
bit.
On a GPU a state goes over PCIe. llama.cpp can keep it there (LLAMA_STATE_SEQ_FLAGS_ON_DEVICE), but
only one for each slot, whose id it must have had.
"""

from __future__ import annotations

import ctypes
from typing import Any, Protocol

import llama_cpp

from sysgen_local.engine.llama.plan import SlotLayout

MOST_SAVED = 32
"""Saved prefixes at most. The state of a recurrent model is large however short the prefix is."""


State = ctypes.Array[ctypes.c_uint8]
"""The cells of a sequence, as llama.cpp writes them."""


class Prefixes(Protocol):
    """Prefixes by request group."""

    def tokens(self, group: str) -> list[int]:
        """The tokens of the group's prefix; none where none is kept."""

    def has_room_for(self, length: int) -> bool:
        """Whether a prefix of so many tokens can be kept."""

    def keep(self, group: str, tokens: list[int], slot: int) -> None:
        """Keeps the prefix, which is all that the slot holds."""

    def put(self, group: str, slot: int) -> bool:
        """Puts the group's prefix into an empty slot. Returns whether llama.cpp did so."""

    def move(self, slot: int, to: int) -> bool:
        """Moves what a slot holds into an empty one, before anything else is put into the first.
        Returns whether llama.cpp did so; if not, nothing has changed."""

    def clear(self) -> None:
        """Forgets what does not outlast a cleared KV cache."""


class SavedPrefixes:
    """Prefixes as states in main memory. The least recently used ones are forgotten."""

    def __init__(self, context: Any, most_tokens: int) -> None:
        self._context = context
        self._most_tokens = most_tokens
        self._states: dict[str, tuple[list[int], State]] = {}

    def tokens(self, group: str) -> list[int]:
        """See `Prefixes.tokens`."""
        return self._states[group][0] if group in self._states else []

    def has_room_for(self, length: int) -> bool:
        """See `Prefixes.has_room_for`: others are forgotten for it."""
        return length <= self._most_tokens

    def keep(self, group: str, tokens: list[int], slot: int) -> None:
        """See `Prefixes.keep`. Where memory is too short for a state, none is kept."""
        if (state := self._state(slot)) is None:
            return
        self._states[group] = tokens, state
        while len(self._states) > MOST_SAVED or self._kept_tokens() > self._most_tokens:
            del self._states[next(iter(self._states))]

    def put(self, group: str, slot: int) -> bool:
        """See `Prefixes.put`."""
        self._states[group] = self._states.pop(group)  # now the last to be forgotten
        return self._put(self._states[group][1], slot)

    def move(self, slot: int, to: int) -> bool:
        """See `Prefixes.move`: `llama_memory_seq_cp` would only copy at the next decoding, when
        another prefix is in the slot."""
        if (state := self._state(slot)) is None or not self._put(state, to):
            return False
        llama_cpp.llama_memory_seq_rm(llama_cpp.llama_get_memory(self._context), slot, -1, -1)
        return True

    def clear(self) -> None:
        """See `Prefixes.clear`: states are no part of the KV cache."""

    def _state(self, slot: int) -> State | None:
        """What the slot holds; None where there is no memory for it."""
        size = llama_cpp.llama_state_seq_get_size(self._context, slot)
        try:
            state = (ctypes.c_uint8 * size)()
        except MemoryError:
            return None
        got = llama_cpp.llama_state_seq_get_data(self._context, state, size, slot)
        return state if got == size else None

    def _put(self, state: State, slot: int) -> bool:
        size = len(state)
        return bool(llama_cpp.llama_state_seq_set_data(self._context, state, size, slot) == size)

    def _kept_tokens(self) -> int:
        return sum(len(tokens) for tokens, _ in self._states.values())


class PrefixSlots:
    """Prefixes in slots of their own, from id `first` on. Those that come first are kept."""

    def __init__(self, memory: Any, first: int, slots: int) -> None:
        self._memory = memory
        self._first = first
        self._slots = slots
        self._kept: dict[str, tuple[int, list[int]]] = {}  # group -> its slot, its tokens

    def tokens(self, group: str) -> list[int]:
        """See `Prefixes.tokens`."""
        return self._kept[group][1] if group in self._kept else []

    def has_room_for(self, length: int) -> bool:
        """See `Prefixes.has_room_for`."""
        return len(self._kept) < self._slots

    def keep(self, group: str, tokens: list[int], slot: int) -> None:
        """See `Prefixes.keep`."""
        kept_in = self._first + len(self._kept)
        llama_cpp.llama_memory_seq_cp(self._memory, slot, kept_in, -1, -1)
        self._kept[group] = kept_in, tokens

    def put(self, group: str, slot: int) -> bool:
        """See `Prefixes.put`."""
        llama_cpp.llama_memory_seq_cp(self._memory, self._kept[group][0], slot, -1, -1)
        return True

    def move(self, slot: int, to: int) -> bool:
        """See `Prefixes.move`: copies are made in the order in which they are asked for."""
        llama_cpp.llama_memory_seq_cp(self._memory, slot, to, -1, -1)
        llama_cpp.llama_memory_seq_rm(self._memory, slot, -1, -1)
        return True

    def clear(self) -> None:
        """See `Prefixes.clear`."""
        self._kept.clear()


def for_layout(context: Any, layout: SlotLayout) -> Prefixes:
    """The way that a layout has room for, in the context that was made for it."""
    if layout.prefix_slots:
        memory = llama_cpp.llama_get_memory(context)
        return PrefixSlots(memory, layout.slots, layout.prefix_slots)
    return SavedPrefixes(context, layout.kept_tokens)
