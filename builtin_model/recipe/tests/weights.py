"""The weights of an exported GGUF, by the model's own names."""

from __future__ import annotations

from pathlib import Path

import gguf
import numpy as np
import torch


def weights(path: Path) -> dict[str, torch.Tensor]:
    found = {}
    for tensor in gguf.GGUFReader(path).tensors:
        if tensor.name != "rope_freqs.weight":
            values = gguf.quants.dequantize(tensor.data, tensor.tensor_type)
            found[tensor.name] = torch.from_numpy(np.array(values, dtype=np.float32))
    return found
