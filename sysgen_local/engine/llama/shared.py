"""Weights in memory that the engines of this process share.

Two engines of the same GGUF with the same layers on the GPU use the same llama_model. LoRA adapters
do not change it: llama.cpp keeps an adapter beside the weights, and applies it in the contexts that
it was set for.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import llama_cpp

from sysgen_local.core.model_files import ModelFiles
from sysgen_local.engine.llama import weights


class _File(NamedTuple):
    """What identifies a file with its content in this process."""

    path: Path
    size: int
    changed: int

    @classmethod
    def of(cls, path: Path) -> _File:
        at = path.stat()
        return cls(path.resolve(), at.st_size, at.st_mtime_ns)


class _Loaded:
    """A llama_model, and how many engines use it."""

    def __init__(self, file: _File, gpu_layers: int, model: Any) -> None:
        self.file = file
        self.gpu_layers = gpu_layers
        self.model = model
        self.users = 0


class SharedModels:
    """The models that are loaded. Safe in several threads."""

    def __init__(self) -> None:
        self._loaded: list[_Loaded] = []
        self._keepers = 0
        self._lock = threading.RLock()

    def load(self, files: ModelFiles, gpu_layers: int) -> Any:
        """A llama_model with `gpu_layers` layers on the GPU (-1: all of them), which is read from
        the disk only if it is not loaded. `unload` gives it back.

        Raises ModelTooLargeError where weights and adapters do not fit into memory, ModelFileError
        where llama.cpp cannot load the weights.
        """
        with self._lock:
            found = next((of for of in self._of(files.path) if of.gpu_layers == gpu_layers), None)
            self._free_unused(found)
            if found is None:
                weights.require_memory(files)
                model = weights.load(files.path, gpu_layers)
                found = _Loaded(_File.of(files.path), gpu_layers, model)
                self._loaded.append(found)
            found.users += 1
            return found.model

    def unload(self, model: Any) -> None:
        """One engine less uses the model. One that none uses is freed, or in a `keeping` block when
        another one is opened."""
        with self._lock:
            found = next(of for of in self._loaded if of.model == model)
            found.users -= 1
            if not self._keepers:
                self._free_unused()

    @contextmanager
    def keeping(self) -> Iterator[None]:
        """In the `with` block, a model that no engine uses stays until another one is opened."""
        with self._lock:
            self._keepers += 1
        try:
            yield
        finally:
            with self._lock:
                self._keepers -= 1
                if not self._keepers:
                    self._free_unused()

    def make_room(self, path: Path) -> int | None:
        """Frees the models that no engine uses, except that of this GGUF. Returns how many layers
        of this one are on the GPU, in the sense of `load`; None where it is not loaded."""
        with self._lock:
            found = next(self._of(path), None)
            self._free_unused(found)
            return found.gpu_layers if found else None

    def _of(self, path: Path) -> Iterator[_Loaded]:
        file = _File.of(path)
        return (of for of in self._loaded if of.file == file)

    def _free_unused(self, but: _Loaded | None = None) -> None:
        for unused in [of for of in self._loaded if not of.users and of is not but]:
            self._loaded.remove(unused)
            llama_cpp.llama_model_free(unused.model)


MODELS = SharedModels()
