"""Writes what was trained as GGUF: a LoRA adapter, or the base with other weights.

A tensor of transformers and its counterpart in a GGUF differ in name, and in some architectures in
the order of rows or by a constant. Names come from the `gguf` package. The differences are those
that llama.cpp's convert_hf_to_gguf.py makes, for the architectures of ARCHITECTURES only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Literal

import gguf
import numpy as np
from numpy.typing import NDArray

from sysgen_local.core.errors import SysgenError

Array = NDArray[np.float32]

ARCHITECTURES = ("llama", "qwen2", "qwen3", "gemma2", "gemma3", "phi3")
"""What can be trained. The first and those like it (Mistral, SmolLM) reorder rows of two weights,
Gemma's norms are stored with 1 added."""

Quantisation = Literal["f16", "q8_0", "q4_k_m"]
QUANTISATIONS: dict[Quantisation, int] = {"f16": 1, "q8_0": 7, "q4_k_m": 15}
"""Name -> llama.cpp's number of the file type (`llama_ftype`)."""


@dataclass(frozen=True)
class GgufNames:
    """From transformers to GGUF for one model. `heads`: attention heads of queries and of keys."""

    architecture: str
    layers: int
    heads: tuple[int, int]

    def of(self, parameter: str) -> str | None:
        """The tensor's name for a parameter's (`model.layers.0.self_attn.q_proj.weight`)."""
        module, dot, kind = parameter.rpartition(".")
        name = self._map.get_name(module)
        return f"{name}{dot}{kind}" if name else None

    def in_gguf(self, name: str, weights: Array) -> Array:
        """The weights, or the output side of an adapter, as the GGUF stores the tensor `name`.
        `weights` has the shape (output, ...)."""
        if self.architecture == "llama" and name.endswith((".attn_q.weight", ".attn_k.weight")):
            heads = self.heads[name.endswith(".attn_k.weight")]
            halves = weights.reshape(heads, 2, weights.shape[0] // heads // 2, *weights.shape[1:])
            return np.ascontiguousarray(halves.swapaxes(1, 2)).reshape(weights.shape)
        if self.architecture.startswith("gemma") and name.endswith("norm.weight"):
            return weights + 1
        return weights

    @cached_property
    def _map(self) -> gguf.TensorNameMap:
        kinds = {name: kind for kind, name in gguf.MODEL_ARCH_NAMES.items()}
        return gguf.get_tensor_name_map(kinds[self.architecture], self.layers)


@dataclass(frozen=True)
class GgufBase:
    """The GGUF that a training started from."""

    path: Path

    @cached_property
    def reader(self) -> Any:
        return gguf.GGUFReader(self.path)

    @cached_property
    def architecture(self) -> str:
        return str(self.reader.fields["general.architecture"].contents())

    @cached_property
    def names(self) -> GgufNames:
        heads = self.number("attention.head_count")
        kv_heads = self.number("attention.head_count_kv", heads)
        return GgufNames(self.architecture, self.number("block_count"), (heads, kv_heads))

    def number(self, key: str, default: int | None = None) -> int:
        """The number that the header gives for this key of its architecture; of a list the first.
        Raises SysgenError where there is neither it nor a default."""
        field = self.reader.fields.get(f"{self.architecture}.{key}")
        if field is None:
            if default is None:
                raise SysgenError(f"{self.path} has no {self.architecture}.{key} in its header")
            return default
        value = field.contents()
        return int(value[0] if isinstance(value, list) else value)

    def tensor_of(self, parameter: str) -> str:
        """The tensor's name for a parameter's name in transformers. Raises SysgenError where this
        GGUF does not have it."""
        name = self.names.of(parameter)
        if name not in self._tensors:
            raise SysgenError(f"{self.path} has no tensor for {parameter}")
        return str(name)

    def tensor(self, name: str) -> Array | None:
        """The weights of this tensor as float32; None where there is none."""
        return next((_floats(of) for of in self.reader.tensors if of.name == name), None)

    @cached_property
    def _tensors(self) -> frozenset[str]:
        return frozenset(tensor.name for tensor in self.reader.tensors)


def write_adapter(
    base: GgufBase, path: Path, parts: Mapping[str, tuple[Array, Array]], alpha: float, name: str
) -> None:
    """Writes a LoRA adapter for llama.cpp. `parts` is name of the weight in transformers -> (A with
    the shape (rank, input), B with the shape (output, rank)).

    Raises SysgenError for a weight that the base does not have.
    """
    writer = gguf.GGUFWriter(path, base.architecture)
    writer.add_type(gguf.GGUFType.ADAPTER)
    writer.add_string(gguf.Keys.Adapter.TYPE, "lora")
    writer.add_float32(gguf.Keys.Adapter.LORA_ALPHA, alpha)
    writer.add_name(name)
    if license_ := base.reader.fields.get("general.license"):
        writer.add_license(license_.contents())
    for parameter, (a, b) in sorted(parts.items()):
        tensor = base.tensor_of(parameter)
        outside = base.names.in_gguf(tensor, b)
        writer.add_tensor(f"{tensor}.lora_a", np.ascontiguousarray(a, np.float32))
        writer.add_tensor(f"{tensor}.lora_b", np.ascontiguousarray(outside, np.float32))
    _write(writer)


Change = Callable[[str, Callable[[], Array]], Array | None]
"""Given a tensor's name in the GGUF and what reads its weights: the new weights; None where they
stay as they are."""


def adapted(base: GgufBase, parts: Mapping[str, tuple[Array, Array]], scale: float) -> Change:
    """Adds an adapter to the weights: W + scale * B A. `parts` as in `write_adapter`."""
    by_name = {base.tensor_of(parameter): of for parameter, of in parts.items()}

    def change(name: str, weights: Callable[[], Array]) -> Array | None:
        if name not in by_name:
            return None
        a, b = by_name[name]
        return weights() + scale * (base.names.in_gguf(name, b) @ a)

    return change


def replaced(base: GgufBase, parts: Mapping[str, Callable[[], Array]]) -> Change:
    """Takes the weights of transformers. `parts` is the name of each weight there -> what reads
    it. Raises SysgenError for a weight that the base does not have."""
    by_name = {base.tensor_of(parameter): read for parameter, read in parts.items()}

    def change(name: str, weights: Callable[[], Array]) -> Array | None:
        return base.names.in_gguf(name, by_name[name]()) if name in by_name else None

    return change


def write_model(base: GgufBase, path: Path, change: Change, name: str) -> None:
    """Writes the base with other weights, in f16 (vectors in f32). All keys of the header stay as
    they are, those of tokenizer and chat template to the byte; only the model's name and the type
    of the file change."""
    writer = gguf.GGUFWriter(path, base.architecture)
    for key, field in base.reader.fields.items():
        if key.startswith("GGUF.") or key in (
            "general.architecture", "general.name", "general.file_type",
            "general.quantization_version",
        ):  # fmt: skip
            continue
        kind = field.types[0]
        items = field.types[-1] if kind == gguf.GGUFValueType.ARRAY else None
        writer.add_key_value(key, field.contents(), kind, items)
    writer.add_name(name)
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_F16)
    kinds = {of.name: np.float16 if _is_matrix(of) else np.float32 for of in base.reader.tensors}
    for tensor in base.reader.tensors:
        shape = [int(n) for n in reversed(tensor.shape)]
        kind = np.dtype(kinds[tensor.name])
        writer.add_tensor_info(tensor.name, shape, kind, int(np.prod(shape)) * kind.itemsize)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    for tensor in base.reader.tensors:
        weights = change(tensor.name, partial(_floats, tensor))
        if weights is None:
            weights = _floats(tensor)
        writer.write_tensor_data(weights.astype(kinds[tensor.name]))
    writer.close()


def quantise(source: Path, path: Path, to: Quantisation) -> None:
    """Writes the GGUF `source` in another quantisation. Raises SysgenError where llama.cpp
    refuses."""
    import llama_cpp

    params = llama_cpp.llama_model_quantize_default_params()
    params.ftype = QUANTISATIONS[to]
    if llama_cpp.llama_model_quantize(bytes(source), bytes(path), params) != 0:
        raise SysgenError(f"llama.cpp cannot write {source} as {to}")


def _floats(tensor: Any) -> Array:
    """The weights of a tensor as float32, with the shape (output, input)."""
    weights = gguf.quants.dequantize(tensor.data, tensor.tensor_type)
    return np.asarray(weights, np.float32).reshape([int(n) for n in reversed(tensor.shape)])


def _is_matrix(tensor: Any) -> bool:
    return len([n for n in tensor.shape if n > 1]) > 1


def _write(writer: gguf.GGUFWriter) -> None:
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
