"""The devices that the installed llama.cpp can use, their memory, and CPU features."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from typing import Any

import llama_cpp


@dataclass(frozen=True, slots=True)
class Device:
    """A ggml device. `kind` is cpu, gpu, igpu, accel or other. Memory is in bytes."""

    name: str
    description: str
    kind: str
    free: int
    total: int


def _ggml() -> Any:
    """The library that llama-cpp-python has loaded, with the types of its device functions.

    Workaround: this is a private attribute, because llama-cpp-python has no public binding for
    ggml's devices (https://github.com/abetlen/llama-cpp-python/issues/2069). Its other private way,
    `llama_cpp._ggml`, would load a second copy with a device registry of its own. Can go when
    there is a public binding.
    """
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
    """All devices, the CPU included."""
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
    """The GPUs, integrated ones included."""
    return [d for d in devices() if d.kind in ("gpu", "igpu")]


def cpu_features() -> list[str]:
    """Instruction sets, such as AVX2, that the CPU backend was built with and that this CPU has."""
    info = llama_cpp.llama_print_system_info().decode()
    return [
        name.strip()
        for name, _, value in (part.rpartition("=") for part in info.replace(":", "|").split("|"))
        if value.strip() == "1"
    ]
