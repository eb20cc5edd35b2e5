"""Small LoRA adapters as GGUF files, and models into whose weights one was merged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import gguf
import numpy as np
from numpy.typing import NDArray

Weights = NDArray[np.float32]
Change = tuple[Weights, Weights]
"""`A`, shape (rank, in), and `B`, shape (out, rank): a weight W of shape (out, in) becomes
W + scale * alpha / rank * B @ A."""

TARGETS = ("attn_q", "attn_v", "ffn_down")
"""Weights of each layer that an adapter changes, unless a test says which."""


def changes(base: Path, *, rank: int = 4, size: float = 1.0, seed: int = 0, layers: int = 99,
            targets: Sequence[str] = TARGETS) -> dict[str, Change]:  # fmt: skip
    """Random changes of the weights of a model: name of the tensor -> change. The entries of B @ A
    are as large as `size` times usual weights."""
    random = np.random.default_rng(seed)
    found = {}
    for tensor in gguf.GGUFReader(base).tensors:
        kind, layer, *rest = tensor.name.split(".")
        if kind == "blk" and rest[0] in targets and int(layer) < layers:
            width_in, width_out = map(int, tensor.shape)
            a = random.normal(0, 1 / np.sqrt(width_in), (rank, width_in))
            b = random.normal(0, size / np.sqrt(rank), (width_out, rank))
            found[tensor.name] = a.astype(np.float32), b.astype(np.float32)
    return found


def write(path: Path, of: Mapping[str, Change], *, alpha: float = 8.0, architecture: str = "llama",
          kind: str = "adapter", method: str | None = "lora", terms: str | None = None,
          more: Mapping[str, Weights] | None = None,
          tokens: Sequence[int] = ()) -> Path:  # fmt: skip
    """Writes an adapter with these changes. `more` are other tensors in it, `tokens` those behind
    which an activated LoRA works."""
    writer = gguf.GGUFWriter(path, architecture)
    writer.add_type(kind)
    if method is not None:
        writer.add_string(gguf.Keys.Adapter.TYPE, method)
    if terms is not None:
        writer.add_license(terms)
    writer.add_float32(gguf.Keys.Adapter.LORA_ALPHA, alpha)
    if tokens:
        writer.add_array("adapter.alora.invocation_tokens", tokens)
    for name, (a, b) in of.items():
        writer.add_tensor(f"{name}.lora_a", a)
        writer.add_tensor(f"{name}.lora_b", b)
    for name, data in (more or {}).items():
        writer.add_tensor(name, data)
    _finish(writer)
    return path


def adapter(path: Path, base: Path, **more: Any) -> Path:
    """Writes an adapter with random changes for this model, as `changes`."""
    return write(path, changes(base, **more))


def merged(path: Path, base: Path, of: Mapping[str, Change], factor: float) -> Path:
    """Writes the model `base`, whose weights are of 32 bits, with factor * B @ A added to each
    weight that has a change."""
    reader = gguf.GGUFReader(base)
    writer = gguf.GGUFWriter(path, str(reader.fields["general.architecture"].contents()))
    for name, field in reader.fields.items():
        if not name.startswith("GGUF.") and name != "general.architecture":
            kind = field.types[0]
            sub = field.types[-1] if kind == gguf.GGUFValueType.ARRAY else None
            writer.add_key_value(name, field.contents(), kind, sub)
    for tensor in reader.tensors:
        data = np.array(tensor.data)
        if tensor.name in of:
            a, b = of[tensor.name]
            data = data + np.float32(factor) * (b @ a)
        writer.add_tensor(tensor.name, data)
    _finish(writer)
    return path


def _finish(writer: gguf.GGUFWriter) -> None:
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
