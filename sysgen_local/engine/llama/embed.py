"""Embeds texts with an embedding model in llama.cpp."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import llama_cpp
import numpy as np
from numpy.typing import NDArray

from sysgen_local.core.errors import UsageError
from sysgen_local.engine.llama import amx


class Embedder:
    """An embedding GGUF such as bge, nomic-embed or Qwen3-Embedding. Texts longer than its context
    are cut. Raises UsageError for a model of another kind."""

    def __init__(self, path: Path, *, gpu_layers: int = 0, threads: int | None = None) -> None:
        amx.disable_if_broken()
        try:
            self._model: Any = llama_cpp.Llama(
                str(path),
                embedding=True,
                n_ctx=0,  # the context length of the model
                n_batch=2048,
                n_ubatch=2048,
                n_gpu_layers=gpu_layers,
                n_threads=threads,
                verbose=False,
            )
        except ValueError as error:
            raise UsageError(
                f"{path} could not be loaded as an embedding model", hint=str(error)
            ) from error
        pooling: int = llama_cpp.llama_pooling_type(self._model.ctx)
        if pooling in (llama_cpp.LLAMA_POOLING_TYPE_NONE, llama_cpp.LLAMA_POOLING_TYPE_RANK):
            self.close()
            raise UsageError(
                f"{path} is no embedding model: it does not say how a text's vector is made of "
                "its tokens'",
                hint="take one that is, as bge, nomic-embed or Qwen3-Embedding",
            )

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Unit vectors, shape (texts, embedding size)."""
        return np.array(self._model.embed(list(texts), normalize=True), dtype=np.float32)

    def close(self) -> None:
        """Frees the model."""
        self._model.close()
