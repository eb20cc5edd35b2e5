"""Makes the llama.cpp context of an engine, with its KV cache."""

from __future__ import annotations

import os
from typing import Any

import llama_cpp
import psutil

from sysgen_local.core.counted import counted
from sysgen_local.core.errors import MemoryShortError
from sysgen_local.engine.llama import weights
from sysgen_local.engine.llama.plan import SlotLayout
from sysgen_local.engine.options import BATCH, Options

SPARE_ROWS = 8
"""Rows of logits beside one for each slot, so that the likelihood of a text does not go token by
token."""


def new_context(
    model: Any, layout: SlotLayout, options: Options, *, on_gpu: bool, name: str
) -> Any:
    """A context with a stream for each slot and prefix slot. `name`: the model's, for an error.
    Raises MemoryShortError where llama.cpp cannot allocate it."""
    params = llama_cpp.llama_context_default_params()
    params.n_batch = params.n_ubatch = options.batch or BATCH
    params.n_seq_max = layout.slots + layout.prefix_slots
    params.n_ctx = layout.slot_tokens * params.n_seq_max
    params.n_outputs_max = rows_of_logits(layout)
    # One stream for each sequence: attention sees only its own cells, so the answer does not
    # depend on the other sequences.
    params.kv_unified = False
    # Sliding-window models keep all cells, so that a slot can be rolled back to a prefix.
    params.swa_full = True
    params.flash_attn_type = _flash_attention(options.flash, on_gpu)
    threads = options.threads or psutil.cpu_count(logical=False) or os.cpu_count() or 1
    params.n_threads = params.n_threads_batch = threads
    params.no_perf = True
    context = llama_cpp.llama_init_from_model(model, params)
    if context is None:
        raise MemoryShortError(
            f"no context of {counted(layout.slots, 'slot')} x {layout.slot_tokens} tokens for "
            f"{name}: {weights.last_warnings()}",
        )
    return context


def rows_of_logits(layout: SlotLayout) -> int:
    """How many rows of logits a step can give."""
    return layout.slots + SPARE_ROWS


def _flash_attention(wanted: bool | None, on_gpu: bool) -> int:
    """llama.cpp's flash attention setting; on a GPU llama.cpp decides. Off on CPUs: there it reads
    1.05 to 1.2 times as fast, but writes 0.4 to 0.9 times as fast (`docs/engine.md`)."""
    if wanted is None and on_gpu:
        return int(llama_cpp.LLAMA_FLASH_ATTN_TYPE_AUTO)
    kinds = llama_cpp.LLAMA_FLASH_ATTN_TYPE_DISABLED, llama_cpp.LLAMA_FLASH_ATTN_TYPE_ENABLED
    return int(kinds[bool(wanted)])
