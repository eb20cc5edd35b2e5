"""Loads a GGUF into llama.cpp, or raises an error that says in one sentence why it cannot.

llama.cpp's log is kept off the terminal; its last warnings are kept for error messages.
"""

from __future__ import annotations

import ctypes
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import llama_cpp
import psutil

from sysgen_local.core.counted import gigabytes
from sysgen_local.core.errors import ModelFileError, ModelTooLargeError
from sysgen_local.core.model_files import ModelFiles
from sysgen_local.engine.llama import amx
from sysgen_local.engine.llama.devices import gpus

_warnings: list[str] = []


@llama_cpp.llama_log_callback  # type: ignore[untyped-decorator]
def _on_log(level: int, text: bytes, _: ctypes.c_void_p) -> None:
    """Keeps the last 20 warnings and errors of llama.cpp."""
    if level >= 3:  # GGML_LOG_LEVEL_WARN
        _warnings.append(text.decode(errors="replace").strip())
        del _warnings[:-20]


def last_warnings() -> str:
    """The last two warnings or errors in llama.cpp's log, on one line."""
    return " ".join(_warnings[-2:])


def load(path: Path, gpu_layers: int) -> Any:
    """A llama_model with `gpu_layers` layers on the GPU (-1: all of them). Raises ModelFileError
    where llama.cpp cannot load it."""
    amx.disable_if_broken()
    return _load(path, gpu_layers=gpu_layers)


def load_adapter(model: Any, path: Path) -> Any:
    """A llama_adapter_lora for contexts of this model that are made later. The caller frees it,
    before the model and after its contexts. Raises ModelFileError where llama.cpp cannot load it.
    """
    _warnings.clear()
    adapter = llama_cpp.llama_adapter_lora_init(model, str(path).encode())
    if not adapter:  # a null pointer
        raise ModelFileError(f"llama.cpp cannot load the LoRA adapter {path}: {_load_error()}")
    return adapter


def set_adapters(context: Any, loaded: Sequence[Any], scales: Sequence[float]) -> None:
    """Applies these adapters in the context, each with its scale."""
    number = len(loaded)
    pointers = (llama_cpp.llama_adapter_lora_p_ctypes * number)(*loaded)
    factors = (ctypes.c_float * number)(*scales)
    llama_cpp.llama_set_adapters_lora(context, pointers, number, factors)


@contextmanager
def load_vocab_only(path: Path) -> Iterator[Any]:
    """A llama_model without weights, for vocabulary and sizes. Raises ModelFileError."""
    model = _load(path, vocab_only=True)
    try:
        yield model
    finally:
        llama_cpp.llama_model_free(model)


def metadata(model: Any, key: str) -> str:
    """The value of this key of the GGUF as text; empty where the file has no such key."""
    text = ctypes.create_string_buffer(256)
    llama_cpp.llama_model_meta_val_str(model, key.encode(), text, len(text))
    return text.value.decode(errors="replace")


def require_memory(files: ModelFiles) -> None:
    """Raises ModelTooLargeError where the weights, those of adapters included, do not fit into the
    free memory, that of GPUs included."""
    size, path = files.size, files.path
    free = psutil.virtual_memory().available + sum(gpu.free for gpu in gpus())
    if size > free:
        raise ModelTooLargeError(
            f"{path} needs {gigabytes(size)} of memory for its weights alone, "
            f"and {gigabytes(free)} are free",
        )


def _load(path: Path, **settings: int) -> Any:
    """A llama_model. `settings`: gpu_layers, vocab_only. Raises ModelFileError."""
    llama_cpp.llama_log_set(_on_log, ctypes.c_void_p(0))
    llama_cpp.llama_backend_init()
    params = llama_cpp.llama_cpp.llama_model_default_params()
    params.n_gpu_layers = settings.get("gpu_layers", 0)
    params.vocab_only = bool(settings.get("vocab_only"))
    _warnings.clear()
    model = llama_cpp.llama_model_load_from_file(str(path).encode(), params)
    if model is None:
        raise ModelFileError(f"llama.cpp cannot load {path}: {_load_error()}")
    return model


def _load_error() -> str:
    """The first error in llama.cpp's log, else the last warning, without the name of the function
    that reported it."""
    why = next((line for line in _warnings if "error" in line.lower()), "".join(_warnings[-1:]))
    return re.sub(r"^\w+: (error loading model: )?", "", why) or "no reason given"
