"""Reads weights in the form of transformers and PEFT."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sysgen_local.core.errors import SysgenError
from sysgen_local.core.extras import needs

Array = NDArray[np.float32]

_PREFIX, _A, _B = "base_model.model.", ".lora_A.weight", ".lora_B.weight"


class SavedAdapter(NamedTuple):
    """`parts`: name of the weight -> (A, B), see `gguf_weights.write_adapter`."""

    parts: dict[str, tuple[Array, Array]]
    rank: int
    alpha: float


def read_adapter(folder: Path) -> SavedAdapter:
    """A LoRA adapter in the form of PEFT. Raises SysgenError where it is not whole."""
    file = folder / "adapter_model.safetensors"
    config = _json(folder / "adapter_config.json")
    with _opened(file) as tensors:
        names = [name for name in tensors.keys() if name.endswith(_A)]  # noqa: SIM118
    parts = {
        name.removeprefix(_PREFIX).removesuffix(_A) + ".weight": (
            _tensor(file, name),
            _tensor(file, name.removesuffix(_A) + _B),
        )
        for name in names
    }
    return SavedAdapter(parts, int(config["r"]), float(config["lora_alpha"]))


def read_model(folder: Path) -> dict[str, Callable[[], Array]]:
    """Name -> what reads the weight, for a model in the form of transformers."""
    index = folder / "model.safetensors.index.json"
    if index.exists():
        files = {name: folder / file for name, file in _json(index)["weight_map"].items()}
    else:
        with _opened(folder / "model.safetensors") as tensors:
            files = dict.fromkeys(tensors.keys(), folder / "model.safetensors")
    return {name: partial(_tensor, file, name) for name, file in files.items()}


def _tensor(file: Path, name: str) -> Array:
    with _opened(file) as tensors:
        return np.asarray(tensors.get_tensor(name).float().numpy(), np.float32)


def _opened(file: Path) -> Any:
    with needs("train", "writing a trained model as GGUF"):
        from safetensors import SafetensorError, safe_open
    try:
        return safe_open(file, "pt")  # numpy has no bfloat16
    except (OSError, SafetensorError) as error:
        raise SysgenError(f"cannot read {file}: {error}") from error


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SysgenError(f"cannot read {path}: {error}") from error
