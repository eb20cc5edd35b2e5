"""From what the user typed to a model: a GGUF on this machine, with LoRA adapters or without, or a
server."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

from sysgen_local.core.adapters import Adapter, split
from sysgen_local.core.errors import UsageError
from sysgen_local.core.model_files import ModelFiles
from sysgen_local.core.server import Server
from sysgen_local.models import package
from sysgen_local.models.adapter_file import check_adapter, require_adapter_file
from sysgen_local.models.addresses import Address, address, refuse, require_model
from sysgen_local.models.cache import cached, cached_license, repositories
from sysgen_local.models.catalogue import Catalogue, CatalogueEntry, load_catalogue
from sysgen_local.models.gguf_file import GgufInfo, check, fingerprint, require_gguf
from sysgen_local.models.hub import local_path
from sysgen_local.models.repository import Gguf, named, preferred


@dataclass(frozen=True, slots=True)
class ResolvedModel:
    """A GGUF that is here. `base` is its name, `adapters` are the LoRA adapters that are applied to
    it. `entry` is None for a file that no catalogue knows. `repo`: the hub repository that it was
    found by, where it was named so; then `base` is OWNER/REPO. `terms`: the licence of the entry or
    of the repository's card; None where nobody says."""

    base: str
    path: Path
    entry: CatalogueEntry | None = None
    quant: str | None = None
    repo: str | None = None
    terms: str | None = None
    adapters: tuple[Adapter, ...] = ()

    @property
    def name(self) -> str:
        """The name of the GGUF, and behind it the adapters, without their folders."""
        return "+".join([self.base, *(of.name for of in self.adapters)])

    @property
    def spelling(self) -> str:
        """What `resolve` takes to find this model again, from any folder."""
        return "+".join([self.base_spelling, *(of.spelling for of in self.adapters)])

    @property
    def base_spelling(self) -> str:
        """The same without the adapters."""
        if self.entry is None and self.repo is None:
            return str(self.path.absolute())
        return f"{self.base}:{self.quant}" if self.quant else self.base

    @property
    def files(self) -> ModelFiles:
        """What llama.cpp loads."""
        return ModelFiles(self.path, self.adapters)


Model = ResolvedModel | Server


def place(model: Model) -> ModelFiles | Server:
    """Where the model is: what an engine opens."""
    return model if isinstance(model, Server) else model.files


def identity(model: Model) -> dict[str, str]:
    """The facts of a recipe that identify this model. `lora` is there only for a model with LoRA
    adapters: `FINGERPRINT=SCALE` of each, with blanks between. Raises SysgenError for a GGUF that
    is not whole, UsageError for an adapter that does not fit."""
    if isinstance(model, Server):
        return {"model": model.name, "model_file": model.weights}
    check_files(model)
    facts = {"model": model.name, "model_file": fingerprint(model.path)}
    if model.adapters:
        facts["lora"] = " ".join(f"{fingerprint(of.path)}={of.scale!r}" for of in model.adapters)
    return facts


def check_files(model: ResolvedModel) -> GgufInfo:
    """What the header of the model says. Raises as `gguf_file.check`, and as `check_adapter` for an
    adapter that does not fit to it."""
    info = check(model.path)
    for adapter in model.adapters:
        check_adapter(adapter.path, model.path)
    return info


def resolve(name: str | Path, catalogue: Catalogue | None = None) -> Model:
    """A name -> the model: `NAME[:QUANT]` of a model here or on servers, `OWNER/REPO[:QUANT]`, the
    path of a .gguf, or http://HOST:PORT/v1[#MODEL], several with commas between. Asks no network.
    Behind a model that is here may be LoRA adapters, `+FILE.gguf[=SCALE]` each.

    Raises UsageError for an unknown name, a model that is not on this machine, a file that is no
    GGUF, and adapters behind servers.
    """
    name = str(name)
    if _is_url(name):
        _refuse_adapters(name)
        return _servers(name)
    base, adapters = _split(name, catalogue)
    if (server := _listed_server(base, catalogue)) is not None:
        if adapters:
            raise _no_adapter(base)
        return server
    return resolve_file(name, catalogue)


def _is_url(name: str) -> bool:
    """Whether it begins as the address of a server, and not of a repository on a hub."""
    of_web = name.startswith(("http://", "https://"))
    return of_web and address(name.partition("+")[0]) is None


def _split(name: str, catalogue: Catalogue | None) -> tuple[str, tuple[Adapter, ...]]:
    """The model and its adapters. Raises UsageError as `adapters.split`."""
    if "+" not in name:
        return name, ()
    known = catalogue or load_catalogue()

    def is_model(text: str) -> bool:
        base, _, quant = text.partition(":")
        if Path(text).expanduser().exists() or ("+" not in quant and base in known.entries):
            return True
        at = address(text)
        here = [of.gguf for of in cached(at.repo)] if at and at.file else []
        return bool(at and named(here, at.quant, at.file))

    return split(name, is_model)


def _refuse_adapters(url: str) -> None:
    """Raises UsageError for the address of a server with an adapter behind it. In the name of a
    model behind `#` a `+` may stand for itself: there only a file that exists is an adapter."""
    found = re.search(r"\+([^+]*\.gguf)(=[^+]*)?$", url, re.IGNORECASE)
    if found and ("#" not in url[: found.start()] or Path(found[1]).expanduser().exists()):
        raise _no_adapter(url[: found.start()])


def _no_adapter(server: str) -> UsageError:
    return UsageError(
        f"{server} is a server, and a LoRA adapter is applied only to a model on this machine",
        hint="load the adapter into the server, as with llama-server's --lora, and name the server "
        "without it",
    )


def _listed_server(name: str, catalogue: Catalogue | None) -> Server | None:
    """The servers of this name in the catalogue; None where it is a name of something else."""
    if os.sep in name or "/" in name or name.lower().endswith(".gguf"):
        return None
    entry = (catalogue or load_catalogue()).named(name)
    if entry is None or not entry.servers:
        return None
    server = Server.at(*entry.servers)
    keyed = (replace(of, key=entry.key_env or of.key) for of in server.addresses)
    return replace(server, addresses=tuple(keyed), label=entry.name)


def _servers(name: str) -> Server:
    """The servers at these addresses. Raises UsageError for what is no address."""
    addresses = [part.strip() for part in name.split(",")]
    for one in addresses:
        if not _is_address(one):
            raise UsageError(
                f"{one.rpartition('@')[2] or name} is not the address of a server",
                hint="write http://HOST:PORT/v1#MODEL, several with commas between",
            )
        url = urlsplit(one)
        if url.username or url.password:
            raise UsageError(
                f"the address of {url.hostname} has a name or password in it",
                hint="leave it out, and set the key in an environment variable: OPENAI_API_KEY",
            )
    server = Server.at(*addresses)
    if len({of.url for of in server.addresses}) < len(addresses):
        raise UsageError(f"{name} names a server twice", hint="name each server once")
    return server


def _is_address(text: str) -> bool:
    try:
        url = urlsplit(text)
        _ = url.port  # raises for what is no port
    except ValueError:
        return False
    return url.scheme in ("http", "https") and bool(url.hostname)


def resolve_file(name: str, catalogue: Catalogue | None = None) -> ResolvedModel:
    """The same for what needs a model's file: a server is refused too."""
    base, adapters = (name, ()) if _is_url(name) else _split(name, catalogue)
    model = _resolve_base(base, catalogue)
    for adapter in adapters:
        require_adapter_file(adapter.path)
    return replace(model, adapters=adapters)


def _resolve_base(name: str, catalogue: Catalogue | None) -> ResolvedModel:
    """The model of a name without adapters."""
    path = Path(name).expanduser()
    at = address(name)
    if at is not None and not path.exists():
        catalogue = catalogue or load_catalogue()
        found = find_cached(name, at, catalogue)
        if found is None:
            raise refuse(name, at, catalogue)
        return found
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
    if entry.servers:
        raise UsageError(
            f"{name} runs on servers, and this needs a model on this machine",
            hint="name a .gguf file, or another model that `sysgen models list` shows",
        )
    there = package.find(entry) if entry.package else local_path(entry, quant)
    if there is None and entry.path is not None and entry.path.exists():
        there = entry.path  # a folder, say
    if there is None:
        raise UsageError(
            f"the model {name} is not on this machine"
            + (f": {entry.path} does not exist" if entry.path else ""),
            hint=None if entry.path else f"`sysgen models pull {name}` fetches it",
        )
    require_gguf(there)
    return listed(entry, there, quant)


def find_cached(name: str, at: Address, catalogue: Catalogue) -> ResolvedModel | None:
    """The model of this address in the Hugging Face cache; None where it is not there. Of several
    quantisations the best one by `repository.PREFERRED`.

    Raises UsageError where there is no clear choice, and for an address of something else.
    """
    require_model(name, at)
    here = cached(at.repo)
    found = named([of.gguf for of in here], at.quant, at.file)
    if not found:
        return None
    gguf = preferred(found)
    if gguf is None:
        raise UsageError(
            f"{name} can mean {len(found)} models that are here",
            hint=f"name one: {', '.join(spellings(at.repo, found))}",
        )
    return of_repository(at.repo, gguf, next(of.path for of in here if of.gguf == gguf), catalogue)


def pulled(catalogue: Catalogue) -> Iterator[ResolvedModel]:
    """The models in the Hugging Face cache that no entry of the catalogue lists."""
    for repo in repositories():
        for gguf, snapshot in cached(repo):
            with suppress(UsageError):  # a file that is no GGUF
                model = of_repository(repo, gguf, snapshot / gguf.name, catalogue)
                if model.repo is not None:
                    yield model


def spellings(repo: str, found: Sequence[Gguf]) -> list[str]:
    """How each of these GGUFs of a repository is named: by quantisation where that is enough."""
    quants = [gguf.quant for gguf in found]
    return [
        f"{repo}:{gguf.quant}"
        if gguf.quant and quants.count(gguf.quant) == 1
        else f"hf://{repo}/{gguf.name}"
        for gguf in found
    ]


def listed(entry: CatalogueEntry, path: Path, quant: str | None) -> ResolvedModel:
    """The model of a catalogue's entry."""
    return ResolvedModel(entry.name, path, entry, quant, terms=entry.license)


def of_repository(repo: str, gguf: Gguf, path: Path, catalogue: Catalogue) -> ResolvedModel:
    """The model of a repository's GGUF that is here: that of the catalogue's entry where it lists
    the file."""
    require_gguf(path)
    entry = next((e for e in catalogue.entries.values() if _same(e.repo, repo)), None)
    for quant, file in entry.files.items() if entry else ():
        if entry and file.file == gguf.name:
            return listed(entry, path, quant)
    all_here = [of.gguf for of in cached(repo)]
    spelled = dict(zip((of.name for of in all_here), spellings(repo, all_here), strict=True))
    name, _, quant_named = spelled[gguf.name].partition(f"{repo}:")
    return ResolvedModel(
        repo if quant_named else name,
        path,
        entry.model_copy(update={"name": repo}) if entry else None,
        quant_named or None,
        repo,
        entry.license if entry else cached_license(repo),
    )


def _same(repo: str | None, other: str) -> bool:
    return repo is not None and repo.lower() == other.lower()
