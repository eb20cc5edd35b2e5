"""Workaround: disables AMX where llama.cpp's code for it crashes the process.

AMX is the matrix unit of newer Xeon processors. In GCC 12, the header for `ldtilecfg` declares that
the instruction reads 8 bytes, but it reads 64. The compiler drops the writes to the other bytes,
and the first batch of several tokens ends the process with "Illegal instruction".
Upstream: https://github.com/ggml-org/llama.cpp/pull/26954, which keeps the compiler from dropping
them. This module can go when llama-cpp-python ships a llama.cpp with that fix.

A build without AMX (`builds.WITHOUT_AMX`) needs none of this.

`python -m sysgen_local.engine.llama.amx FOLDER` runs the trial: a process of its own, because it
may crash.
"""

from __future__ import annotations

import subprocess
import sys
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

from llama_cpp import llama_cpp

from sysgen_local.engine.llama.devices import cpu_features

UPSTREAM = "https://github.com/ggml-org/llama.cpp/pull/26954"

_EMBEDDING_SIZE = _TOKENS = 64
_default_params = llama_cpp.llama_model_default_params


@cache
def is_broken() -> bool:
    """Whether AMX is built in and the trial fails; the trial takes half a second. True as well
    where the trial cannot be run, as on a full disk: without AMX llama.cpp is slower, but safe."""
    if "AMX_INT8" not in cpu_features():
        return False
    try:
        with TemporaryDirectory() as folder:
            command = [sys.executable, "-P", "-m", __name__, folder]
            return subprocess.run(command, capture_output=True).returncode != 0
    except OSError:
        return True


def state() -> Literal["used", "left out"] | None:
    """Whether llama.cpp uses AMX; None where it is not built in or the processor has none."""
    if "AMX_INT8" not in cpu_features():
        return None
    return "left out" if is_broken() else "used"


def disable_if_broken() -> None:
    """Changes llama.cpp's default model parameters in this process, which `llama_cpp.Llama` uses
    too, so that AMX is off where it is broken.

    llama.cpp has one switch (`use_extra_bufts`) for AMX and all other repacked weight layouts, so
    those are off as well.
    """
    if is_broken():
        llama_cpp.llama_model_default_params = _params_without_amx


def _params_without_amx() -> Any:
    params = _default_params()
    params.use_extra_bufts = False
    return params


def _run_trial(folder: Path) -> None:
    """Decodes a batch through a model of one layer with eight-bit weights."""
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    path = folder / "layer.gguf"
    _write_model(path)
    params = _default_params()
    params.n_gpu_layers = 0
    model = llama_cpp.llama_model_load_from_file(str(path).encode(), params)
    context = llama_cpp.llama_init_from_model(model, llama_cpp.llama_context_default_params())
    tokens = (llama_cpp.llama_token * _TOKENS)(*range(_TOKENS))
    if llama_cpp.llama_decode(context, llama_cpp.llama_batch_get_one(tokens, _TOKENS)):
        raise SystemExit(1)


def _write_model(path: Path) -> None:
    import gguf
    import numpy as np

    writer = gguf.GGUFWriter(path, "llama")
    writer.add_tokenizer_model("none")
    writer.add_vocab_size(_TOKENS)
    writer.add_context_length(_TOKENS)
    writer.add_embedding_length(_EMBEDDING_SIZE)
    writer.add_feed_forward_length(_EMBEDDING_SIZE)
    writer.add_block_count(1)
    writer.add_head_count(1)
    writer.add_layer_norm_rms_eps(1e-5)
    for name in ("output_norm", "blk.0.attn_norm", "blk.0.ffn_norm"):
        writer.add_tensor(f"{name}.weight", np.ones(_EMBEDDING_SIZE, np.float32))
    eight_bits = gguf.GGMLQuantizationType.Q8_0
    weights = gguf.quantize(np.eye(_EMBEDDING_SIZE, dtype=np.float32), eight_bits)
    layer = ("attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down")
    for name in ("token_embd", "output", *(f"blk.0.{part}" for part in layer)):
        writer.add_tensor(f"{name}.weight", weights, raw_dtype=eight_bits)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


if __name__ == "__main__":
    _run_trial(Path(sys.argv[1]))
