"""The base in torch: loaded by transformers, and compared with llama.cpp before it is trained."""

from __future__ import annotations

import contextlib
import ctypes
import io
import logging
import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sysgen_local.core.errors import SysgenError, UsageError
from sysgen_local.core.extras import needs
from sysgen_local.training import rope
from sysgen_local.training.examples import Example
from sysgen_local.training.gguf_weights import ARCHITECTURES, GgufBase
from sysgen_local.training.settings import Device, Machine, Schedule

LORA_MODULES = (
    "q_proj", "k_proj", "v_proj", "o_proj", "qkv_proj", "gate_proj", "up_proj", "down_proj",
    "gate_up_proj",
)  # fmt: skip
"""Modules of attention and MLP that get an adapter."""

MOST_DIVERGENCE = 0.25
"""Mean Kullback-Leibler divergence in nats above which torch and llama.cpp do not compute the same
model. llama.cpp multiplies in 8 bits, which makes 0.001 to 0.02; a wrong order of heads or a wrong
constant of the rotary embedding makes more than 1."""


APART = 1e-3
"""The same in nats for a row that stands in one sequence with another one. Rounding makes less than
1e-6 in float32 and 1e-4 in bfloat16."""


class Agreement(NamedTuple):
    """How far the next-token distributions of torch and llama.cpp agree over `tokens` tokens:
    mean divergence in nats, and the share of tokens where both prefer the same one."""

    tokens: int
    divergence: float
    same_first: float


@contextmanager
def offline() -> Iterator[None]:
    """Inside it no library asks a hub: peft would, for the config of a base when it saves."""
    from huggingface_hub import constants

    names = ("HF_HUB_OFFLINE", "HF_HUB_DISABLE_TELEMETRY")
    before = {name: getattr(constants, name) for name in names}
    try:
        for name in names:
            setattr(constants, name, True)
        yield
    finally:
        for name, value in before.items():
            setattr(constants, name, value)


@contextmanager
def libraries() -> Iterator[None]:
    """Around imports of torch and what trains with it."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    theirs = r"(transformers|trl|peft|accelerate)\b"
    warnings.filterwarnings("ignore", category=FutureWarning, module=theirs)  # about each other
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)  # peft imports it where it is there
    with needs("train", "training"):
        yield


def require_libraries() -> None:
    """Raises UsageError where a library of the extra `train` is missing. Loads none of them."""
    for name in ("torch", "transformers", "peft", "trl"):
        if find_spec(name) is None:
            with needs("train", "training"):
                raise ModuleNotFoundError(name=name)


def machine() -> Machine:
    """The device that torch would train on, and its free memory."""
    with libraries():
        import psutil
        import torch
    if torch.cuda.is_available():
        free, _ = torch.cuda.mem_get_info()
        return Machine("cuda", int(free), torch.cuda.is_bf16_supported())
    free = psutil.virtual_memory().available
    if torch.backends.mps.is_available():
        return Machine("mps", free, bfloat16=False)
    return Machine("cpu", free, bfloat16=False)


def load(source: Path, schedule: Schedule, device: Device) -> tuple[Any, Any]:
    """Model and tokenizer of a GGUF, or of a folder in the form of transformers. Weights that are
    trained are float32.

    Raises UsageError for a model that transformers cannot load.
    """
    with libraries():
        import torch
        from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer
        from transformers.utils import logging as transformers_logging
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    half = schedule.precision == "bfloat16" and schedule.method != "full"
    more: dict[str, Any] = {"dtype": torch.bfloat16 if half else torch.float32}
    is_gguf = source.is_file()
    where = {"gguf_file": source.name} if is_gguf else {}
    folder = str(source.parent if is_gguf else source)
    try:
        with contextlib.redirect_stderr(io.StringIO()):  # bars that no setting switches off
            tokenizer = AutoTokenizer.from_pretrained(folder, **where)
            config = AutoConfig.from_pretrained(folder, **where)
            if is_gguf:
                _complete(config, source)
            if schedule.method == "qlora":
                more |= _four_bits(schedule, device)
            model = AutoModelForCausalLM.from_pretrained(folder, config=config, **where, **more)
    except (ValueError, NotImplementedError, KeyError, RuntimeError) as error:
        raise UsageError(
            f"transformers cannot load {source}: {str(error).splitlines()[0]}",
            hint=f"architectures that can be trained: {', '.join(ARCHITECTURES)}",
        ) from error
    if is_gguf:
        _forget_quantiser(model)
    return model if schedule.method == "qlora" else model.to(device), tokenizer


def tokens_of(folder: Path) -> Callable[[str], Sequence[int]]:
    """The tokenizer of a model in the form of transformers: text -> tokens, without special
    ones."""
    with libraries():
        from transformers import AutoTokenizer
        from transformers.utils import logging as transformers_logging
    transformers_logging.set_verbosity_error()
    tokenizer = AutoTokenizer.from_pretrained(str(folder))
    return lambda text: list(tokenizer(text, add_special_tokens=False)["input_ids"])


def _four_bits(schedule: Schedule, device: Device) -> dict[str, Any]:
    """Options with which transformers loads weights in four bits (QLoRA, arXiv 2305.14314)."""
    with needs("qlora", "training over weights in four bits"):
        import bitsandbytes  # noqa: F401
    import torch
    from transformers import BitsAndBytesConfig

    compute = torch.bfloat16 if schedule.precision == "bfloat16" else torch.float32
    config = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=compute,
    )
    return {"quantization_config": config, "device_map": {"": 0 if device == "cuda" else device}}


def _complete(config: Any, path: Path) -> None:
    """Sets what transformers does not read from a GGUF: the size of a head (of qwen3), what gemma's
    attention is scaled by, which is that size in llama.cpp, and scaled frequencies."""
    base = GgufBase(path)
    if head := base.number("attention.key_length", 0):
        config.head_dim = head
    if hasattr(config, "query_pre_attn_scalar"):
        config.query_pre_attn_scalar = config.head_dim
    divisors = base.tensor(rope.TENSOR)
    if divisors is not None and not np.allclose(divisors, 1):
        theta = float(config.rope_parameters["rope_theta"])
        config.rope_parameters = rope.parameters(divisors, theta, config.max_position_embeddings)


def _forget_quantiser(model: Any) -> None:
    """Lets transformers train what it loaded from a GGUF: its weights are plain tensors by now, but
    the model is still marked as quantised, which is refused."""
    model.is_quantized = False
    model.hf_quantizer = None
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config


def with_adapter(model: Any, schedule: Schedule) -> Any:
    """The model with a LoRA adapter on attention and MLP. Everything else is frozen."""
    with libraries():
        from peft import LoraConfig, get_peft_model
        from transformers import set_seed
    set_seed(schedule.seed)
    there = {name.rpartition(".")[2] for name, _ in model.named_modules()}
    config = LoraConfig(
        r=schedule.rank,
        lora_alpha=schedule.alpha,
        lora_dropout=0.0,
        target_modules=[name for name in LORA_MODULES if name in there],
        task_type="CAUSAL_LM",
    )
    return get_peft_model(model, config, autocast_adapter_dtype=True)


def save(model: Any, tokenizer: Any, folder: Path) -> None:
    """Writes what was trained for transformers and PEFT: the adapter, or the whole model."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about the base's config, which a GGUF has in its header
        model.save_pretrained(folder, safe_serialization=True)
        tokenizer.save_pretrained(folder)


def keeps_rows_apart(model: Any, first: Example, second: Example) -> bool:
    """Whether two examples in one sequence get the logits that each gets alone."""
    with libraries():
        import torch
        from trl.trainer.sft_trainer import DataCollatorForLanguageModeling
    collate = DataCollatorForLanguageModeling(pad_token_id=0, padding_free=True)
    both = collate([{"input_ids": of.tokens, "labels": of.labels} for of in (first, second)])
    both.pop("labels")
    with torch.no_grad():
        packed = model(**{name: _on(model, of) for name, of in both.items()}, use_cache=False)
    alone = np.concatenate([logits(model, of.tokens.tolist()) for of in (first, second)])
    return agreement(_numpy(packed.logits[0]), alone).divergence < APART


def _on(model: Any, value: Any) -> Any:
    return value.to(model.device) if hasattr(value, "to") else value


def logits(model: Any, tokens: Sequence[int]) -> NDArray[np.float32]:
    """The logits of torch behind every token, shape (tokens, vocabulary)."""
    import torch

    ids = torch.tensor(np.asarray(tokens, np.int64)[None], device=model.device)
    with torch.no_grad():
        return _numpy(model(input_ids=ids, use_cache=False).logits[0])


def llama_logits(
    path: Path, tokens: Sequence[int], adapter: Path | None = None
) -> NDArray[np.float32]:
    """The same of llama.cpp, on the CPU."""
    import llama_cpp

    from sysgen_local.engine.llama import weights

    model = weights.load(path, 0)
    try:
        params = llama_cpp.llama_context_default_params()
        params.n_ctx = params.n_batch = params.n_ubatch = len(tokens)
        params.flash_attn_type = int(llama_cpp.LLAMA_FLASH_ATTN_TYPE_DISABLED)
        context = llama_cpp.llama_init_from_model(model, params)
        if context is None:
            raise SysgenError(f"llama.cpp has no memory for a context of {path}")
        try:
            if adapter is not None:
                _apply(model, context, adapter)
            batch = llama_cpp.llama_batch_init(len(tokens), 0, 1)
            batch.n_tokens = len(tokens)
            for i, token in enumerate(tokens):
                batch.token[i], batch.pos[i], batch.logits[i] = token, i, 1
                batch.n_seq_id[i], batch.seq_id[i][0] = 1, 0
            done = llama_cpp.llama_decode(context, batch)
            llama_cpp.llama_batch_free(batch)
            if done != 0:
                raise SysgenError(f"llama.cpp cannot decode {len(tokens)} tokens with {path}")
            size = llama_cpp.llama_vocab_n_tokens(llama_cpp.llama_model_get_vocab(model))
            start = llama_cpp.llama_get_logits(context)
            raw = ctypes.cast(start, ctypes.POINTER(ctypes.c_float))
            return np.ctypeslib.as_array(raw, (len(tokens), size)).copy()
        finally:
            llama_cpp.llama_free(context)
    finally:
        llama_cpp.llama_model_free(model)


def _apply(model: Any, context: Any, adapter: Path) -> None:
    import llama_cpp

    loaded = llama_cpp.llama_adapter_lora_init(model, bytes(adapter))
    if not loaded:
        raise SysgenError(f"llama.cpp cannot load the adapter {adapter}")
    adapters = (llama_cpp.llama_adapter_lora_p_ctypes * 1)(loaded)
    scales = (ctypes.c_float * 1)(1.0)
    llama_cpp.llama_set_adapters_lora(context, adapters, 1, scales)


def agreement(ours: NDArray[np.float32], theirs: NDArray[np.float32]) -> Agreement:
    """Compares two arrays of logits of the same tokens."""
    size = min(ours.shape[1], theirs.shape[1])  # transformers may pad the vocabulary
    p, q = _log_softmax(theirs[:, :size]), _log_softmax(ours[:, :size])
    divergence = float((np.exp(p) * (p - q)).sum(axis=1).mean())
    same = float((p.argmax(axis=1) == q.argmax(axis=1)).mean())
    return Agreement(len(p), divergence, same)


def _log_softmax(values: NDArray[np.float32]) -> NDArray[np.float64]:
    shifted = values.astype(np.float64) - values.max(axis=1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True)))


def _numpy(tensor: Any) -> NDArray[np.float32]:
    return np.asarray(tensor.detach().float().cpu().numpy(), np.float32)
