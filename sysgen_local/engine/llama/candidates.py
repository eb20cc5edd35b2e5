"""Lets the device choose the most probable tokens of a slot, so that the row of logits stays there.

What: llama.cpp computes the top-k filter of these slots in the graph (`llama_set_sampler`), and
only the tokens that pass it are copied to main memory. The rest of sampling (`sampler`) is done
here, with the sequence's own random numbers, so that the answer is the same as without.
Why not all of it in the graph: the random numbers of llama.cpp's sampler belong to a slot and not
to a request, and another seed needs another sampler, for which llama.cpp plans its graph again.
Why not always: the filter is computed for one slot after the other. Whether that takes longer than
the copy of all rows depends on the device, so it is measured there (see `calibration`).
A grammar and labels need the whole row, so requests with these do without.
"""

from __future__ import annotations

from typing import Any

import llama_cpp
import numpy as np

from sysgen_local.engine.llama.sampler import MOST_CANDIDATES, Candidates


class CandidateSlots:
    """The slots of one context for which the device chooses. False if there are none."""

    def __init__(self, context: Any, vocab_size: int) -> None:
        self._context = context
        self._count = min(MOST_CANDIDATES, vocab_size)
        self._samplers: dict[int, Any] = {}
        self._is_possible = True

    def __bool__(self) -> bool:
        return bool(self._samplers)

    def choose(self, slot: int, wanted: bool) -> None:
        """Says whether the device chooses for the slot. A change lets llama.cpp plan its graph
        again at the next decoding. Where llama.cpp cannot do it, as with tensors that are split
        over several GPUs, the slot gives all logits."""
        if wanted == (slot in self._samplers) or (wanted and not self._is_possible):
            return
        if not wanted:
            llama_cpp.llama_set_sampler(self._context, slot, None)
            llama_cpp.llama_sampler_free(self._samplers.pop(slot))
            return
        sampler = llama_cpp.llama_sampler_chain_init(llama_cpp.llama_sampler_chain_default_params())
        top_k = llama_cpp.llama_sampler_init_top_k(self._count)
        llama_cpp.llama_sampler_chain_add(sampler, top_k)
        if llama_cpp.llama_set_sampler(self._context, slot, sampler):
            self._samplers[slot] = sampler
        else:
            llama_cpp.llama_sampler_free(sampler)
            self._is_possible = False

    def row(self, index: int) -> Candidates | None:
        """What the device chose behind the token with this index in the last batch; None where it
        did not."""
        count = llama_cpp.llama_get_sampled_logits_count_ith(self._context, index)
        if not count:
            return None
        logits = llama_cpp.llama_get_sampled_logits_ith(self._context, index)
        tokens = llama_cpp.llama_get_sampled_candidates_ith(self._context, index)
        ids = np.ctypeslib.as_array(tokens, (count,))
        order = np.argsort(ids)
        return Candidates(ids[order], np.ctypeslib.as_array(logits, (count,))[order])

    def close(self) -> None:
        """Frees the samplers. The context must not decode afterwards."""
        for slot in list(self._samplers):
            self.choose(slot, False)
