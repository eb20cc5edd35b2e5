"""The files of a model on this machine: what llama.cpp loads."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sysgen_local.core.adapters import Adapter
from sysgen_local.core.gguf_parts import size_of


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """A GGUF (of a split one the first part), and the LoRA adapters that are applied to it, in
    their order."""

    path: Path
    adapters: tuple[Adapter, ...] = ()

    def __str__(self) -> str:
        """The path, and the adapters as they are written behind the name of a model."""
        return "+".join(map(str, (self.path, *self.adapters)))

    @property
    def size(self) -> int:
        """Bytes of all files that are there."""
        return size_of(self.path) + sum(size_of(of.path) for of in self.adapters)
