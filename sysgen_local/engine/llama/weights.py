"""Loads a GGUF into llama.cpp, or raises an error that says in one sentence why it cannot.

llama.cpp's log is kept off the terminal; its last warnings are kept for error messages.
"""

from __future__ import annotations

import ctypes
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import llama_cpp
import psutil

from sysgen_local.core.errors import ModelFileError, ModelTooLargeError
from sysgen_local.engine.llama import amx
from sysgen_local.engine.llama.devices import gpus

_GIB = 1 << 30
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
    """A llama_model with `gpu_layers` layers on the GPU (-1: all of them).

    Raises ModelTooLargeError where it does not fit into memory, ModelFileError where llama.cpp
    cannot load it.
    """
    require_memory(path)
    amx.disable_if_broken()
    return _load(path, gpu_layers=gpu_layers)


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


def require_memory(path: Path) -> None:
    """Raises ModelTooLargeError where the weights do not fit into the free memory, that of GPUs
    included."""
    size = sum(part.stat().st_size for part in split_files(path))
    free = psutil.virtual_memory().available + sum(gpu.free for gpu in gpus())
    if size > free:
        raise ModelTooLargeError(
            f"{path} needs {size / _GIB:.1f} GiB of memory for its weights alone, "
            f"and {free / _GIB:.1f} GiB are free",
        )


def split_files(path: Path) -> list[Path]:
    """All files of a GGUF that is split into several; otherwise just this one."""
    split = re.fullmatch(r"(.*)-\d{5}-of-(\d{5})\.gguf", path.name)
    return sorted(path.parent.glob(f"{split[1]}-*-of-{split[2]}.gguf")) if split else [path]


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
