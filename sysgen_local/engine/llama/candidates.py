"""Lets the device pick the most probable tokens, so that the rows of logits stay there.

What: llama.cpp computes a top-k filter for each slot in its graph (`llama_set_sampler`), and only
the tokens that pass it are copied to main memory. The rest of sampling (`sampler`) is done here,
with the sequence's own random numbers, so that the answer is the same as without.
Why not all of it in the graph: the random numbers of llama.cpp's sampler belong to a slot and not
to a request, and another seed needs another sampler, for which llama.cpp plans its graph again.
Why for all slots or none: a change lets llama.cpp plan its graph again. Requests with a grammar or
with labels need whole rows, so the device picks only while there are none.
Why not always: the filter runs for one slot after the other. Whether that takes longer than the
copy of all rows depends on the device, so it is measured (see `running.throughput`).
"""

from __future__ import annotations

from typing import Any

import llama_cpp
import numpy as np

from sysgen_local.engine.llama.sampler import MOST_CANDIDATES, Candidates


class DeviceCandidates:
    """The tokens that the device picks for the slots of one context. `are_chosen`: whether it picks
    them now."""

    def __init__(self, context: Any, vocab_size: int, slots: int) -> None:
        self._context = context
        self._count = min(MOST_CANDIDATES, vocab_size)
        self._slots = slots
        self._samplers: list[Any] = []  # of the first slots, in their order
        self._is_possible = True

    @property
    def are_chosen(self) -> bool:
        return bool(self._samplers)

    def choose(self, wanted: bool) -> None:
        """Says whether the device picks tokens from the next step on. Where llama.cpp cannot do it,
        as with tensors that are split over several GPUs, all logits come as before."""
        wanted = wanted and self._is_possible
        if wanted == self.are_chosen:
            return
        if not wanted:
            self._remove()
            return
        for slot in range(self._slots):
            params = llama_cpp.llama_sampler_chain_default_params()
            sampler = llama_cpp.llama_sampler_chain_init(params)
            top_k = llama_cpp.llama_sampler_init_top_k(self._count)
            llama_cpp.llama_sampler_chain_add(sampler, top_k)
            if not llama_cpp.llama_set_sampler(self._context, slot, sampler):
                llama_cpp.llama_sampler_free(sampler)
                self._is_possible = False
                self._remove()
                return
            self._samplers.append(sampler)

    def of(self, index: int) -> Candidates:
        """What was picked behind the token with this index in the last batch."""
        count = llama_cpp.llama_get_sampled_logits_count_ith(self._context, index)
        logits = llama_cpp.llama_get_sampled_logits_ith(self._context, index)
        tokens = llama_cpp.llama_get_sampled_candidates_ith(self._context, index)
        if count > self._count:  # the device has no such filter, and gives all tokens
            self._is_possible = False
        ids = np.ctypeslib.as_array(tokens, (count,))
        order = np.argsort(ids)
        return Candidates(ids[order], np.ctypeslib.as_array(logits, (count,))[order])

    def _remove(self) -> None:
        for slot, sampler in enumerate(self._samplers):
            llama_cpp.llama_set_sampler(self._context, slot, None)
            llama_cpp.llama_sampler_free(sampler)
        self._samplers.clear()
