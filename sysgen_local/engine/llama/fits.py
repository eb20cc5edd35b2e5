"""Whether a model fits into the free memory of this machine, before it is loaded."""

from __future__ import annotations

from typing import Literal, NamedTuple

import llama_cpp
import psutil

from sysgen_local.engine.llama.devices import gpus
from sysgen_local.engine.llama.plan import layers_that_fit

Fit = Literal["yes", "part", "no"]
"""`yes`: as a whole, on the GPU or, without one, in the main memory. `part`: with a part of the
layers on the GPU. `no`: not at all."""

LAYERS = 32
"""Layers of a model whose file is not here. It only decides whether one layer fits on the GPU."""


class FreeMemory(NamedTuple):
    """Free bytes: of the main memory, and of the GPUs that this llama.cpp can use."""

    main: int
    gpu: int


def free_memory() -> FreeMemory:
    """What is free now."""
    usable = llama_cpp.llama_supports_gpu_offload()
    free = sum(gpu.free for gpu in gpus()) if usable else 0
    return FreeMemory(psutil.virtual_memory().available, free)


def fit(size: int, free: FreeMemory) -> Fit:
    """Whether weights of `size` bytes fit, with a context. For its KV cache and llama.cpp's buffers
    a quarter of the memory is left, as `layers_that_fit` does on a GPU."""
    on_gpu = layers_that_fit(size, LAYERS, free.gpu)
    if on_gpu < 0:
        return "yes"
    if on_gpu and size * 4 <= (free.main + free.gpu) * 3:
        return "part"
    return "yes" if size * 4 <= free.main * 3 else "no"
