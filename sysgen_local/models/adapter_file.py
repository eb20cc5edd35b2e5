"""LoRA adapters as GGUF files: whether one fits to a model, found out without loading either.

The rules are those of llama.cpp (`llama_adapter_lora_init`), which gives no reason to its caller.
"""

from __future__ import annotations

import re
from pathlib import Path

from sysgen_local.core.errors import UsageError
from sysgen_local.models.gguf_file import read_header, read_info, require_gguf, shapes

_HINT = "llama.cpp's convert_lora_to_gguf.py makes a GGUF of a PEFT adapter"
_LAYER = re.compile(r"blk\.(\d+)\.")
_PART = re.compile(r"(?P<name>.+)\.lora_(?P<part>[ab])")
_EMBEDDING = "token_embd.weight"
_UNTOUCHED = "_norm.weight"
"""llama.cpp leaves tensors of an adapter with this ending alone."""

Shape = tuple[int, ...]
"""The dimension that is contiguous in memory first, as in GGUF."""


def require_adapter_file(path: Path) -> None:
    """Raises UsageError unless this is a file that can be read and a GGUF."""
    if not path.exists():
        raise UsageError(f"the LoRA adapter {path} does not exist", hint="name a .gguf file")
    require_gguf(path)


def check_adapter(path: Path, base: Path) -> None:
    """Compares the adapter's header with that of the model `base`.

    Raises UsageError where the file is no LoRA adapter, or one for another model, and SysgenError
    where a file is cut short or damaged.
    """
    require_adapter_file(path)
    info, model = read_info(path), read_info(base)
    _require_lora(path, info.kind)
    if info.architecture != model.architecture:
        raise _another(
            path, f"it is for the architecture {info.architecture}, and {base.name} has "
            f"{model.architecture}",
        )  # fmt: skip
    there = shapes(base)
    layers = 1 + max((int(of[1]) for name in there if (of := _LAYER.match(name))), default=-1)
    for name, shape in _changes(path).items():
        layer = _LAYER.match(name)
        if layer and int(layer[1]) >= layers:
            raise _another(path, f"it has {name}, and {base.name} has {layers} layers")
        if name not in there:
            raise _another(path, f"it has {name}, which {base.name} has not")
        if shape != there[name][:2]:
            sizes = f"{_by(shape)} in it and {_by(there[name])} in {base.name}"
            raise _another(path, f"{name} is {sizes}")


def adapter_license(path: Path) -> str:
    """The licence in the header of an adapter; "unknown" where it states none."""
    return read_info(path).license or "unknown"


def _require_lora(path: Path, kind: str) -> None:
    """Raises UsageError for a GGUF that is no plain LoRA adapter. `kind`: its general.type."""
    if kind == "model":
        raise UsageError(
            f"{path} is a whole model and no LoRA adapter", hint="name it as the model"
        )
    if kind != "adapter":
        raise UsageError(
            f"{path} is no LoRA adapter but another part of a model ({kind})", hint=_HINT
        )
    header = read_header(path)
    stated = header.get_field("adapter.type")
    method = "no stated method" if stated is None else str(stated.contents())
    if method != "lora":
        raise UsageError(f"{path} is an adapter of {method}, and not of LoRA", hint=_HINT)
    if header.get_field("adapter.alora.invocation_tokens") is not None:
        raise UsageError(
            f"{path} is an activated LoRA, which works only behind certain tokens of the prompt",
            hint="take a plain LoRA adapter",
        )


def _changes(path: Path) -> dict[str, Shape]:
    """Name of a tensor of the base -> the first two dimensions of what the adapter adds to it. Of
    `NAME.lora_a`, shape (in, rank), and `NAME.lora_b`, shape (rank, out), that is (in, out); those
    of the token embeddings are stored as (rank, vocabulary) and (rank, width). Raises UsageError
    where a half is missing, the ranks differ, or there is no change at all."""
    halves: dict[str, dict[str, Shape]] = {}
    for name, shape in shapes(path).items():
        if found := _PART.fullmatch(name):
            halves.setdefault(found["name"], {})[found["part"]] = shape
        elif not name.endswith(_UNTOUCHED):
            raise UsageError(f"{path} has {name}, which is no part of a LoRA adapter", hint=_HINT)
    changes: dict[str, Shape] = {}
    for name, of in halves.items():
        if of.keys() != {"a", "b"}:
            raise UsageError(f"{path} has only one half of {name}", hint=_HINT)
        embeds = name == _EMBEDDING
        (a_in, a_out), (b_in, b_out) = of["a"][:2], of["b"][:2]
        if (a_in if embeds else a_out) != b_in:
            raise UsageError(f"{path} has two halves of {name} with different ranks", hint=_HINT)
        changes[name] = (b_out, a_out) if embeds else (a_in, b_out)
    if not changes:
        raise UsageError(f"{path} is a LoRA adapter without tensors", hint=_HINT)
    return changes


def _another(path: Path, why: str) -> UsageError:
    return UsageError(
        f"{path} is an adapter for another base: {why}",
        hint="name the model that the adapter was trained on",
    )


def _by(shape: Shape) -> str:
    return " x ".join(map(str, shape[:2]))
