"""What the installed llama.cpp can run on: devices, their memory, CPU features."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from typing import Any

import llama_cpp


@dataclass(frozen=True, slots=True)
class Device:
    """A ggml device; memory in bytes. `kind` is cpu, gpu, igpu or accel."""

    name: str
    description: str
    kind: str
    free: int
    total: int


def _ggml() -> Any:
    """ggml as llama.cpp has loaded it. `llama_cpp._ggml` would load a second copy of it, with a
    registry of its own."""
    ggml = llama_cpp.llama_cpp._lib
    ggml.ggml_backend_dev_get.restype = ctypes.c_void_p
    ggml.ggml_backend_dev_count.restype = ctypes.c_size_t
    for name in ("name", "description"):
        function = getattr(ggml, f"ggml_backend_dev_{name}")
        function.restype = ctypes.c_char_p
        function.argtypes = [ctypes.c_void_p]
    ggml.ggml_backend_dev_type.argtypes = [ctypes.c_void_p]
    ggml.ggml_backend_dev_memory.argtypes = [ctypes.c_void_p] + 2 * [
        ctypes.POINTER(ctypes.c_size_t)
    ]
    return ggml


def devices() -> list[Device]:
    """Every device of the build, CPU included."""
    ggml = _ggml()
    llama_cpp.llama_backend_init()
    found = []
    for i in range(ggml.ggml_backend_dev_count()):
        device = ctypes.c_void_p(ggml.ggml_backend_dev_get(ctypes.c_size_t(i)))
        free, total = ctypes.c_size_t(), ctypes.c_size_t()
        ggml.ggml_backend_dev_memory(device, ctypes.byref(free), ctypes.byref(total))
        kinds = ("cpu", "gpu", "igpu", "accel")
        kind = ggml.ggml_backend_dev_type(device)
        found.append(
            Device(
                name=ggml.ggml_backend_dev_name(device).decode(),
                description=ggml.ggml_backend_dev_description(device).decode(),
                kind=kinds[kind] if kind < len(kinds) else "other",
                free=free.value,
                total=total.value,
            )
        )
    return found


def gpus() -> list[Device]:
    return [d for d in devices() if d.kind in ("gpu", "igpu")]


def cpu_features() -> list[str]:
    """Instruction sets the CPU backend was built for and found, e.g. AVX2."""
    info = llama_cpp.llama_print_system_info().decode()
    return [
        name.strip()
        for name, _, value in (part.rpartition("=") for part in info.replace(":", "|").split("|"))
        if value.strip() == "1"
    ]
