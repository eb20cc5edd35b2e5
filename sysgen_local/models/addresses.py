"""Addresses of models on the Hugging Face hub. Other programs accept them; here they are refused,
with a hint at what to name instead."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from sysgen_local.core.errors import UsageError
from sysgen_local.models.catalogue import Catalogue, CatalogueEntry

_WEB = r"(?:https?://)?(?:www\.)?(?:huggingface\.co|hf\.co)/(?:models/)?"
_PART = r"[A-Za-z0-9][\w.-]*"
_ADDRESS = re.compile(
    rf"(?P<scheme>hf://(?:models/)?|{_WEB})?(?P<repo>{_PART}/{_PART})"
    rf"(?:@[\w./-]+?)?(?::(?P<quant>[\w.-]+))?"
    rf"(?:/(?:(?:blob|resolve|tree|raw)/[^/]+/?)?(?P<file>[^?#]*))?(?:[?#].*)?"
)


class Address(NamedTuple):
    """An address: OWNER/NAME, and the file or the quantisation in it. `plain`: it has no hf:// and
    no host, so it may also be a path."""

    repo: str
    file: str | None
    quant: str | None
    plain: bool


def address(name: str) -> Address | None:
    """The name as an address; None where it is no address."""
    found = _ADDRESS.fullmatch(name.strip())
    if found is None:
        return None
    if not found["scheme"] and (found["file"] is not None or name.lower().endswith(".gguf")):
        return None  # a path
    return Address(found["repo"], found["file"] or None, found["quant"], not found["scheme"])


def refuse(name: str, at: Address, catalogue: Catalogue) -> UsageError:
    """The error for an address in place of a model, with a hint."""
    if at.repo.startswith(("datasets/", "spaces/")):
        return UsageError(f"{name} is no model", hint="`sysgen models list` shows those known")
    hint = _hint(at, catalogue)
    if at.plain:
        return UsageError(f"there is no file {name}", hint=f"if that is a repository: {hint}")
    return UsageError(
        f"{name} is an address on the Hugging Face hub, and models are named by a name that "
        "`sysgen models list` shows, or by a .gguf file on this machine",
        hint=hint,
    )


def _hint(at: Address, catalogue: Catalogue) -> str:
    known = next((e for e in catalogue.entries.values() if _is(e, at)), None)
    if known is not None:
        quant = (at.quant or "").lower()
        named = f"{known.name}:{quant}" if quant in known.files else known.name
        return f"it is known as {known.name}: `sysgen models pull {named}`, then name {named}"
    file = at.file if at.file and at.file.endswith(".gguf") else "FILE.gguf"
    return (
        f"fetch its GGUF (`hf download {at.repo} {file} --local-dir .`) and name that file, or "
        "enter the repository in ~/.config/sysgen/models.toml"
    )


def _is(entry: CatalogueEntry, at: Address) -> bool:
    """Whether the entry is from this repository, or is a GGUF of the model in it."""
    if entry.repo is None:
        return False
    if entry.repo.lower() == at.repo.lower():
        return at.file is None or any(at.file == of.file for of in entry.files.values())
    return at.file is None and _bare(entry.repo) == _bare(at.repo)


def _bare(repo: str) -> str:
    return Path(repo).name.lower().removesuffix("-gguf")
