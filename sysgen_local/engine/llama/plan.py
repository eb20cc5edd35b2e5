"""Chooses the layout of a model on this machine: GPU layers, slots, tokens of a slot.

It follows from the size of the model, the free memory and the longest request, unless set by the
user.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

import llama_cpp
import psutil

from sysgen_local.core.counted import counted, gigabytes
from sysgen_local.core.errors import MemoryShortError
from sysgen_local.core.model_files import ModelFiles
from sysgen_local.engine.llama import weights
from sysgen_local.engine.llama.devices import gpus
from sysgen_local.engine.llama.shared import MODELS
from sysgen_local.engine.llama.slot_sizes import CELL_PADDING, round_up_to_cells, slot_tokens
from sysgen_local.engine.llama.step_costs import CPU_COSTS, GPU_COSTS
from sysgen_local.engine.options import Options
from sysgen_local.engine.request import Costs

SLOTS_ON_CPU = 16
"""Twice as many gained 3 % on a CPU, and each takes memory."""

SLOTS_ON_GPU = 48
"""On a GPU the time of a step hardly grows with the sequences in it."""

PREFERRED_SLOTS = 8
"""Where memory is short, slots longer than DEFAULT_SLOT_TOKENS are shortened before there are
fewer slots than this."""

KEPT_TOKENS = 16384
"""Tokens of all kept prefixes where memory allows. The default prompts have eight prefixes of up to
1,100 tokens: five groups of demonstrations for phrases, one for verdicts, and one for each of the
two questions of the checks."""

PREFIX_SLOTS = 8
"""Prefix slots of a model that needs them, where memory allows: the default prompts have as many
prefixes."""

MIN_PREFIX_SLOTS = 3
"""Prefix slots where memory is short."""

DEFAULT_SLOT_TOKENS = 4096
"""Tokens of a slot where the length of requests is unknown."""


def gpu_layers(files: ModelFiles, wanted: int | None) -> int:
    """How many layers go to the GPU: `wanted` if it is given, else as many as are there where the
    weights are in memory, else -1 (all) where the model fits into the free memory of the GPUs, else
    as many as fit. 0 where llama.cpp was built without a GPU. Models that no engine uses are freed
    first."""
    there = MODELS.make_room(files.path)
    if not llama_cpp.llama_supports_gpu_offload():
        return 0
    if wanted is not None:
        return wanted
    if there is not None:
        return there
    with weights.load_vocab_only(files.path) as model:
        layers = llama_cpp.llama_model_n_layer(model)
    return layers_that_fit(files.size, layers, sum(gpu.free for gpu in gpus()))


def layers_that_fit(size: int, layers: int, free: int) -> int:
    """How many layers of a model of `size` bytes fit into `free` bytes of GPU memory; -1 for all.

    A quarter is left for the KV cache and for llama.cpp's compute buffers.
    """
    if size * 4 <= free * 3:
        return -1
    return max(0, int(free * 3 / 4 // (size / (layers + 1))))


def head_sizes(model: Any) -> tuple[int, int]:
    """Numbers of a key and of a value of one head."""
    heads = max(llama_cpp.llama_model_n_head(model), 1)
    usual = llama_cpp.llama_model_n_embd(model) // heads
    # In Gemma, Qwen3 and others the size of a head is not the embedding size divided by the heads.
    kind = weights.metadata(model, "general.architecture")
    keys, values = (
        int(weights.metadata(model, f"{kind}.attention.{name}_length") or usual)
        for name in ("key", "value")
    )
    return keys, values


def kv_bytes_per_token(model: Any) -> int:
    """Bytes that a token takes in the KV cache, at 16 bits a number."""
    width = sum(head_sizes(model)) * int(llama_cpp.llama_model_n_head_kv(model))
    return max(1, 2 * width * int(llama_cpp.llama_model_n_layer(model)))


class SlotLayout(NamedTuple):
    """Number of slots, tokens of a slot or prefix slot, number of prefix slots, and tokens of the
    prefixes that are kept outside of slots."""

    slots: int
    slot_tokens: int
    prefix_slots: int
    kept_tokens: int


def choose_layout(model: Any, options: Options) -> SlotLayout:
    """The layout that fits into half of the memory that is free once the weights are loaded.

    Raises MemoryShortError where the user's settings take more memory than the machine has. Without
    this check llama.cpp allocates for a minute before it fails, or the system kills the process.
    """
    cell = kv_bytes_per_token(model)
    on_gpu = llama_cpp.llama_supports_gpu_offload() and bool(gpus())
    free = sum(g.free for g in gpus()) if on_gpu else psutil.virtual_memory().available
    plan = fit_layout(
        options,
        trained=llama_cpp.llama_model_n_ctx_train(model),
        cells=int(free * options.memory_share) // 2 // cell,
        slots=options.wanted_slots or (SLOTS_ON_GPU if on_gpu else SLOTS_ON_CPU),
        in_slots=llama_cpp.llama_model_n_swa(model) > 0,  # why: see `prefixes`
        costs=GPU_COSTS if on_gpu else CPU_COSTS,
    )
    is_known = not (llama_cpp.llama_model_is_hybrid(model) or on_gpu)  # a hybrid's cache is smaller
    wanted = (plan.slots + plan.prefix_slots) * plan.slot_tokens * cell
    there = psutil.virtual_memory().total
    if is_known and wanted > there and (options.slots or options.context):
        raise MemoryShortError(
            f"{counted(plan.slots, 'slot')} x {plan.slot_tokens} tokens take {gigabytes(wanted)} "
            f"of memory, and this machine has {gigabytes(there)}",
        )
    return plan


def fit_layout(
    options: Options,
    *,
    trained: int,
    cells: int,
    slots: int,
    in_slots: bool = False,
    costs: Costs = CPU_COSTS,
) -> SlotLayout:
    """The layout for a KV cache of `cells` tokens. `trained`: context length of the model;
    `slots`: the number of slots wanted; `in_slots`: whether prefixes are kept in slots; `costs`:
    of a step.

    A slot holds the longest request if possible, or those that `slot_sizes` chooses where the
    lengths of all rows are known. `options.least` tokens come before the number of slots. Prefixes
    outside of slots take an eighth of the memory at most. Where memory is short, these are reduced
    in turn: prefix slots to MIN_PREFIX_SLOTS, because decoding a prefix again
    costs less than a missing slot; slots to PREFERRED_SLOTS; the length of a slot to
    DEFAULT_SLOT_TOKENS; the remaining slots.
    """
    options, slots = _for_rows(options, trained, cells, slots, costs)
    if not in_slots:
        kept = min(KEPT_TOKENS, cells // 8)
        return _fit(options, trained, cells - kept, slots, 0)._replace(kept_tokens=kept)
    whole = _fit(options, trained, cells, slots, PREFIX_SLOTS)
    wanted = options.context or min(
        trained, options.least or options.longest or DEFAULT_SLOT_TOKENS
    )
    if whole.slots >= min(slots, PREFERRED_SLOTS) and whole.slot_tokens >= wanted:
        return whole
    return _fit(options, trained, cells, slots, MIN_PREFIX_SLOTS)


def _for_rows(
    options: Options, trained: int, cells: int, slots: int, costs: Costs
) -> tuple[Options, int]:
    """The options with the size of slots that follows from the lengths of the rows, and how many
    slots are wanted, if the rows are known.

    There are no more slots than rows: the requests of a row go on from what its slot holds, and in
    another slot they would have to be read from their beginning."""
    rows = options.late_rows or sum(rows for _, rows in options.lengths)
    slots = min(slots, rows) if rows else slots
    if options.slots is not None and options.late_rows is not None:
        options = replace(options, slots=min(options.slots, options.late_rows))
    if not options.lengths or options.context is not None:
        return options, slots
    wanted = slot_tokens(
        options.lengths, trained=trained, cells=cells, slots=options.slots or slots, costs=costs
    )
    if options.least is not None:
        return replace(options, least=max(options.least, wanted)), slots
    return replace(options, longest=wanted), slots


def _fit(options: Options, trained: int, cells: int, slots: int, prefix_slots: int) -> SlotLayout:
    """The layout with a fixed number of prefix slots."""
    if options.least is not None and options.context is None:
        there = max(1, cells // (1 + prefix_slots) // CELL_PADDING) * CELL_PADDING
        size = min(round_up_to_cells(min(trained, options.least)), there)
        return SlotLayout(
            max(1, min(options.slots or slots, cells // size - prefix_slots)),
            size,
            prefix_slots,
            0,
        )
    wanted = options.longest or DEFAULT_SLOT_TOKENS
    size = options.context or min(trained, max(1024, wanted))
    slots = options.slots or slots
    if options.context is None:
        least = min(size, DEFAULT_SLOT_TOKENS)
        size = max(least, min(size, cells // (min(slots, PREFERRED_SLOTS) + prefix_slots)))
    size = round_up_to_cells(size)
    if options.slots is None:
        slots = max(1, min(slots, cells // size - prefix_slots))
    return SlotLayout(slots, size, prefix_slots, 0)
