"""How a model is laid out on this machine: GPU layers, slots, tokens a slot.

Chosen from the model's size and the memory there is, unless set by hand.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import llama_cpp
import psutil

from sysgen_local.engine.devices import gpus
from sysgen_local.engine.memory import KEPT


@dataclass(frozen=True, slots=True)
class Options:
    """What can be set by hand; None means chosen from model, memory and machine.

    `context` is tokens a slot; `gpu_layers` -1 means all of them.
    """

    slots: int | None = None
    context: int | None = None
    batch: int = 512
    gpu_layers: int | None = None
    threads: int | None = None


def gpu_layers(path: Path) -> int:
    """-1 (all) where the model fits into the GPUs' free memory, else as many layers as do."""
    if not llama_cpp.llama_supports_gpu_offload():
        return 0
    params = llama_cpp.llama_model_default_params()
    params.vocab_only = True
    head = llama_cpp.llama_model_load_from_file(str(path).encode(), params)
    if head is None:
        return 0  # loading in earnest will say what is wrong
    layers = llama_cpp.llama_model_n_layer(head)
    llama_cpp.llama_model_free(head)
    return layers_that_fit(path.stat().st_size, layers, sum(gpu.free for gpu in gpus()))


def layers_that_fit(size: int, layers: int, free: int) -> int:
    """How many of a model's layers go into `free` bytes of GPU memory; -1 for all of them.

    A quarter is left for the context and for what llama.cpp computes in.
    """
    if size * 4 <= free * 3:
        return -1
    return max(0, int(free * 3 / 4 // (size / (layers + 1))))


def slots_and_room(model: Any, options: Options) -> tuple[int, int]:
    """(slots, tokens a slot) within half of the memory that the weights leave free."""
    trained = llama_cpp.llama_model_n_ctx_train(model)
    room = options.context or min(trained, 4096)
    slots = options.slots or 16
    heads = max(llama_cpp.llama_model_n_head(model), 1)
    width = llama_cpp.llama_model_n_embd(model) // heads * llama_cpp.llama_model_n_head_kv(model)
    cell = max(1, 2 * 2 * width * llama_cpp.llama_model_n_layer(model))
    on_gpu = llama_cpp.llama_supports_gpu_offload() and bool(gpus())
    free = sum(g.free for g in gpus()) if on_gpu else psutil.virtual_memory().available
    cells = free // 2 // cell
    if options.context is None:
        while room > 2048 and cells < room * (slots + KEPT):
            room //= 2
    room = -(-room // 256) * 256  # llama.cpp rounds a stream up so
    if options.slots is None:
        slots = int(max(1, min(slots, cells // room - KEPT)))
    return slots, room
