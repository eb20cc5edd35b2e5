"""How a model is laid out on this machine: GPU layers, slots, tokens a slot.

Chosen from the model's size, the memory there is and the longest job, unless set by hand.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import llama_cpp
import psutil

from sysgen_local.core.errors import MemoryShortError
from sysgen_local.engine.llama import weights
from sysgen_local.engine.llama.devices import gpus
from sysgen_local.engine.llama.kv_cache import PREFIX_SLOTS
from sysgen_local.engine.options import Options

SLOTS_ON_CPU = 16
"""Twice as many gained 3 % there; each takes memory."""

SLOTS_ON_GPU = 48
"""A GPU's decode step hardly grows with the rows in it."""

PREFERRED_SLOTS = 8
"""Slots that are not given up for the sake of rows longer than USUAL tokens."""

MIN_PREFIX_SLOTS = 3
"""Prefixes that are kept where memory is short."""

DEFAULT_SLOT_TOKENS = 4096

CELL_PADDING = 256


def gpu_layers(path: Path, wanted: int | None) -> int:
    """As many as wanted; else -1 (all) where the model fits into the GPUs' free memory, or as many
    layers as do. None where llama.cpp was built without a GPU."""
    if not llama_cpp.llama_supports_gpu_offload():
        return 0
    if wanted is not None:
        return wanted
    with weights.load_vocab_only(path) as model:
        layers = llama_cpp.llama_model_n_layer(model)
    size = sum(part.stat().st_size for part in weights.split_files(path))
    return layers_that_fit(size, layers, sum(gpu.free for gpu in gpus()))


def layers_that_fit(size: int, layers: int, free: int) -> int:
    """How many of a model's layers go into `free` bytes of GPU memory; -1 for all of them.

    A quarter is left for the context and for what llama.cpp computes in.
    """
    if size * 4 <= free * 3:
        return -1
    return max(0, int(free * 3 / 4 // (size / (layers + 1))))


def kv_bytes_per_token(model: Any) -> int:
    """Bytes that keys and values of a token take, at 16 bits each."""
    heads = max(llama_cpp.llama_model_n_head(model), 1)
    usual = llama_cpp.llama_model_n_embd(model) // heads
    # Gemma, Qwen3 and others have heads of another size than the model's width suggests.
    kind = weights.metadata(model, "general.architecture")
    keys, values = (
        int(weights.metadata(model, f"{kind}.attention.{name}_length") or usual)
        for name in ("key", "value")
    )
    width = (keys + values) * int(llama_cpp.llama_model_n_head_kv(model))
    return max(1, 2 * width * int(llama_cpp.llama_model_n_layer(model)))


class SlotLayout(NamedTuple):
    """Slots, tokens a slot (of a kept prefix too), and prefixes that can be kept."""

    slots: int
    slot_tokens: int
    prefix_slots: int


def choose_layout(model: Any, options: Options) -> SlotLayout:
    """The layout within half of the memory that the weights leave free. Raises
    MemoryShortError where what was set by hand takes more than the whole machine has: asked for it,
    llama.cpp takes memory for a minute before it fails, or the system ends the process."""
    cell = kv_bytes_per_token(model)
    on_gpu = llama_cpp.llama_supports_gpu_offload() and bool(gpus())
    free = sum(g.free for g in gpus()) if on_gpu else psutil.virtual_memory().available
    slots, slot_tokens, prefix_slots = plan = fit_layout(
        options,
        trained=llama_cpp.llama_model_n_ctx_train(model),
        cells=free // 2 // cell,
        slots=SLOTS_ON_GPU if on_gpu else SLOTS_ON_CPU,
    )
    counted = not (llama_cpp.llama_model_is_hybrid(model) or on_gpu)  # a hybrid has fewer cells
    wanted, there = (slots + prefix_slots) * slot_tokens * cell, psutil.virtual_memory().total
    if counted and wanted > there and (options.slots or options.context):
        raise MemoryShortError(
            f"{slots} slots x {slot_tokens} tokens take {wanted / (1 << 30):,.0f} GiB of memory, "
            f"and this machine has {there / (1 << 30):,.0f} GiB",
        )
    return plan


def fit_layout(options: Options, *, trained: int, cells: int, slots: int) -> SlotLayout:
    """The layout for a memory of `cells` tokens; `slots` are worth having.

    A slot holds the longest job if it can, and what it has to hold (`least`) before there are
    many. Where memory is short, prefixes are given up first, down to FEW: reading some anew costs
    less than having no slots. Then slots go down to ENOUGH, then long jobs down to USUAL tokens,
    then the other slots.
    """
    whole = _fit(options, trained, cells, slots, PREFIX_SLOTS)
    wanted = options.context or min(
        trained, options.least or options.longest or DEFAULT_SLOT_TOKENS
    )
    if whole.slots >= min(slots, PREFERRED_SLOTS) and whole.slot_tokens >= wanted:
        return whole
    return _fit(options, trained, cells, slots, MIN_PREFIX_SLOTS)


def round_up_to_cells(tokens: int) -> int:
    """As llama.cpp rounds a stream up."""
    return -(-tokens // CELL_PADDING) * CELL_PADDING


def _fit(options: Options, trained: int, cells: int, slots: int, prefix_slots: int) -> SlotLayout:
    if options.least is not None and options.context is None:
        there = max(1, cells // (1 + prefix_slots) // CELL_PADDING) * CELL_PADDING
        slot_tokens = min(round_up_to_cells(min(trained, options.least)), there)
        return SlotLayout(
            max(1, min(options.slots or slots, cells // slot_tokens - prefix_slots)),
            slot_tokens,
            prefix_slots,
        )
    wanted = options.longest or DEFAULT_SLOT_TOKENS
    slot_tokens = options.context or min(trained, max(1024, wanted))
    slots = options.slots or slots
    if options.context is None:
        least = min(slot_tokens, DEFAULT_SLOT_TOKENS)
        slot_tokens = max(
            least, min(slot_tokens, cells // (min(slots, PREFERRED_SLOTS) + prefix_slots))
        )
    slot_tokens = round_up_to_cells(slot_tokens)
    if options.slots is None:
        slots = max(1, min(slots, cells // slot_tokens - prefix_slots))
    return SlotLayout(slots, slot_tokens, prefix_slots)
