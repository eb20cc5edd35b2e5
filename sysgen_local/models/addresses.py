"""Addresses of models on the Hugging Face hub: OWNER/REPO[:QUANT], the forms with hf:// or a host,
and those of single files. A model that was pulled is found by any of them."""

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
    rf"(?:@(?P<revision>[\w./-]+?))?(?::(?P<quant>[\w.-]+))?"
    rf"(?:/(?:(?:blob|resolve|tree|raw)/(?P<shown>[^/?#]+)/?)?(?P<file>[^?#]*))?(?:[?#].*)?"
)


class Address(NamedTuple):
    """An address: OWNER/NAME, and the file or the quantisation in it. `plain`: it has no hf:// and
    no host, so it may also be a path. `revision`: a branch or commit; None for `main`."""

    repo: str
    file: str | None
    quant: str | None
    plain: bool
    revision: str | None = None

    def __str__(self) -> str:
        """The shortest form that means the same."""
        if self.file is not None:
            return f"hf://{self.repo}/{self.file}"
        return f"{self.repo}:{self.quant}" if self.quant else self.repo


def address(name: str) -> Address | None:
    """The name as an address; None where it is no address."""
    found = _ADDRESS.fullmatch(name.strip())
    if found is None:
        return None
    if not found["scheme"] and (found["file"] is not None or name.lower().endswith(".gguf")):
        return None  # a path
    revision = found["revision"] or found["shown"] or "main"
    return Address(
        found["repo"],
        found["file"] or None,
        found["quant"],
        not found["scheme"],
        None if revision == "main" else revision,
    )


def require_model(name: str, at: Address) -> None:
    """Raises UsageError for an address of rows or of a space, and for one with a revision."""
    if at.repo.startswith(("datasets/", "spaces/")):
        raise UsageError(f"{name} is no model", hint="`sysgen models list` shows those known")
    if at.revision is not None:
        raise UsageError(
            f"{name} names the revision {at.revision}, and only `main` can be named here",
            hint=f"name {at._replace(revision=None)}, or enter the repository with its revision "
            "in ~/.config/sysgen/models.toml",
        )


def refuse(name: str, at: Address, catalogue: Catalogue) -> UsageError:
    """The error for an address whose model is not on this machine, with a hint."""
    hint = _hint(at, catalogue)
    if at.plain and at.quant is None:
        return UsageError(f"there is no file {name}", hint=f"if that is a repository: {hint}")
    what = "" if at.plain else " is an address on the Hugging Face hub, and its model"
    return UsageError(f"{name}{what} is not on this machine", hint=hint)


def _hint(at: Address, catalogue: Catalogue) -> str:
    pull = f"`sysgen models pull {at}` fetches"
    known = alike(at, catalogue)
    quant = (at.quant or "").lower()
    if known is None or (quant and quant not in known.files):
        return f"{pull} it"
    named = f"{known.name}:{quant}" if quant else known.name
    hint = f"it is known as {known.name}: `sysgen models pull {named}`, then name {named}"
    other = str(known.repo).lower() != at.repo.lower() and "gguf" in at.repo.lower()
    return f"{hint}; {pull} this repository" if other else hint


def alike(at: Address, catalogue: Catalogue) -> CatalogueEntry | None:
    """The entry for this repository, or for a repository with GGUFs of the model in it."""
    return next((e for e in catalogue.entries.values() if _is(e, at)), None)


def _is(entry: CatalogueEntry, at: Address) -> bool:
    """Whether the entry is from this repository, or is a GGUF of the model in it."""
    if entry.repo is None:
        return False
    if entry.repo.lower() == at.repo.lower():
        return at.file is None or any(at.file == of.file for of in entry.files.values())
    return at.file is None and _bare(entry.repo) == _bare(at.repo)


def _bare(repo: str) -> str:
    return Path(repo).name.lower().removesuffix("-gguf")
