"""The GGUFs of a trained model: each is written whole or not at all."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from sysgen_local.training import saved
from sysgen_local.training.folder import ADAPTER, MODEL, scratch
from sysgen_local.training.gguf_weights import (
    GgufBase,
    Quantisation,
    adapted,
    quantise,
    replaced,
    write_adapter,
    write_model,
)
from sysgen_local.training.settings import Method


def saved_name(method: Method) -> str:
    """The folder's name of what was trained, in the form of transformers."""
    return MODEL if method == "full" else ADAPTER


def write_gguf(
    folder: Path, source: Path, base_name: str, method: Method, wanted: Sequence[Quantisation]
) -> Iterator[tuple[Path, Path | None]]:
    """Writes the GGUFs of what is saved in the folder of a training, over the GGUF `source`: of an
    adapter the adapter, of a full training the model in f16, and both in the quantisations that are
    wanted. Yields what llama.cpp loads: a model, and the adapter with it."""
    base = GgufBase(source)
    name = f"{Path(base_name).name.removesuffix('.gguf')}, trained by sysgen-local"
    with scratch(folder) as new:
        if method == "full":
            change = replaced(base, saved.read_model(folder / MODEL))
            kinds: list[Quantisation] = ["f16", *wanted]
        else:
            adapter = saved.read_adapter(folder / ADAPTER)
            part = new / f"{ADAPTER}.gguf"
            write_adapter(base, part, adapter.parts, adapter.alpha, name)
            yield source, part.replace(folder / part.name)
            change = adapted(base, adapter.parts, adapter.alpha / adapter.rank)
            kinds = [*wanted]
        if not kinds:
            return
        whole = new / f"{MODEL}-f16.gguf"
        write_model(base, whole, change, name)
        for kind in dict.fromkeys(kinds):
            if kind != "f16":
                part = new / f"{MODEL}-{kind}.gguf"
                quantise(whole, part, kind)
                yield part.replace(folder / part.name), None
        if "f16" in kinds:
            yield whole.replace(folder / whole.name), None
