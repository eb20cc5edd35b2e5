"""The base of a training: a GGUF, or a model in the form of transformers with a GGUF made of it."""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sysgen_local.core.errors import UsageError
from sysgen_local.core.gguf_parts import parts_of
from sysgen_local.models import GgufInfo, fingerprint, read_info, resolve_file
from sysgen_local.training import convert, torch_model
from sysgen_local.training.folder import BASE, read_recipe
from sysgen_local.training.gguf_weights import ARCHITECTURES, GgufBase
from sysgen_local.training.settings import ModelShape

if TYPE_CHECKING:
    from collections.abc import Callable

_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")


@dataclass(frozen=True, slots=True)
class Base:
    """`name` is how it is called in recipes. `source` is what torch loads: a GGUF, or a folder.
    `gguf` is what llama.cpp loads: the same GGUF, or the one that was made of the folder.
    `identity`: a digest of the weights. `license`: its identifier, None where nobody says."""

    name: str
    source: Path
    gguf: Path
    info: GgufInfo
    identity: str
    license: str | None

    @property
    def is_converted(self) -> bool:
        return self.source != self.gguf

    @property
    def shape(self) -> ModelShape:
        header = GgufBase(self.gguf)
        return ModelShape(
            self.info.parameters,
            header.names.layers,
            header.number("embedding_length"),
            header.number("feed_forward_length"),
            self.info.vocabulary,
            self.info.context or header.number("context_length"),
        )


def find_base(name: str, folder: Path, scratch: Path, say: Callable[[str], None]) -> Base:
    """The base of this name: a GGUF by any name, a folder of transformers, or OWNER/NAME on a hub.

    Of the last two a GGUF is made in `scratch`, or taken from `folder`, that of the training, where
    it was made before. Raises UsageError for what cannot be trained.
    """
    source = _transformers_folder(name, say)
    if source is None:
        model = resolve_file(name)
        if model.adapters:
            raise UsageError(
                f"a model is trained without LoRA adapters, and {name} names one",
                hint="name the base alone, or a GGUF with the adapter merged into it",
            )
        path = model.path
        info = _trainable(path)
        return Base(path.name, path, path, info, fingerprint(path), model.terms or info.license)
    label = name if _HUB_ID.fullmatch(name) else source.absolute().name
    identity = _identity(source)
    made = folder / BASE
    if read_recipe(folder).get("base_file") != identity or not made.exists():
        say(f"{label} is written as GGUF")
        made = scratch / BASE
        with torch_model.offline():
            convert.convert(source, made, torch_model.tokens_of)
    return Base(label, source, made, _trainable(made), identity, _license(source))


def _transformers_folder(name: str, say: Callable[[str], None]) -> Path | None:
    """The folder of a model in the form of transformers, downloaded where `name` is one on a hub;
    None where it is the name of a GGUF."""
    path = Path(name).expanduser()
    if path.is_dir():
        if not convert.is_transformers_model(path):
            raise UsageError(
                f"{path} holds no model: there is no config.json with safetensors in it",
                hint="name a .gguf file, or a folder in the form of transformers",
            )
        return path
    if path.exists() or not _HUB_ID.fullmatch(name) or name.lower().endswith(".gguf"):
        return None
    try:
        resolve_file(name)
    except UsageError:
        return _download(name, say)
    return None


def _download(name: str, say: Callable[[str], None]) -> Path:
    """The folder of a hub's model in the cache. Raises UsageError where there is none."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    patterns = ["*.json", "*.safetensors", "*.jinja", "tokenizer*", "README.md"]
    try:
        found = Path(snapshot_download(name, allow_patterns=patterns, local_files_only=True))
        if convert.is_transformers_model(found):
            return found
    except (LocalEntryNotFoundError, OSError):
        pass
    say(f"{name} is fetched from {os.environ.get('HF_ENDPOINT', 'https://huggingface.co')}")
    try:
        found = Path(snapshot_download(name, allow_patterns=patterns))
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        raise UsageError(
            f"{name} is no model on this machine, and could not be fetched: "
            f"{str(error).splitlines()[0]}",
            hint="name a .gguf file, a folder, or a model that `sysgen models list` shows",
        ) from error
    if not convert.is_transformers_model(found):
        raise UsageError(
            f"{name} has no weights as safetensors", hint="`sysgen models pull` fetches GGUFs"
        )
    return found


def _license(folder: Path) -> str | None:
    """The licence in the head of the folder's card."""
    from huggingface_hub import ModelCard

    try:
        found = ModelCard.load(folder / "README.md", ignore_metadata_errors=True).data.license
    except (OSError, ValueError):
        return None
    return found if isinstance(found, str) else None


def _identity(folder: Path) -> str:
    """A digest of a folder's weights, config and tokenizer."""
    files = [*sorted(folder.glob("*.safetensors")), folder / "config.json"]
    files += [folder / "tokenizer.json", folder / "chat_template.jinja"]
    prints = [fingerprint(file.resolve()) for file in files if file.exists()]
    return hashlib.sha256("".join(prints).encode()).hexdigest()


def _trainable(path: Path) -> GgufInfo:
    """The header of a GGUF. Raises UsageError where it cannot be trained."""
    info = read_info(path)
    if info.kind != "model":
        raise UsageError(f"{path} is no language model but {info.kind}")
    if not info.has_template:
        raise UsageError(
            f"{path} has no chat template, so it cannot be trained to chat",
            hint="take the instruct (chat) version of the model, or a newer GGUF of it",
        )
    if info.architecture not in ARCHITECTURES:
        raise UsageError(
            f"{path} has the architecture {info.architecture}, which cannot be trained here",
            hint=f"these can: {', '.join(ARCHITECTURES)}; for others see docs/trainers.md",
        )
    if len(parts_of(path)) > 1:
        raise UsageError(
            f"{path} is split into several files, and training reads one",
            hint="join them with `llama-gguf-split --merge`",
        )
    return info
