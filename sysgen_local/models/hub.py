"""GGUF files in the Hugging Face cache: finds them without network, downloads and verifies them.

huggingface_hub makes the requests and manages the cache, so HF_ENDPOINT, HF_HOME, HF_HUB_OFFLINE
and the user's token have their usual meaning. Two things are added. A download that was interrupted
resumes where it stopped, also in a new process. And a file enters the cache only after its SHA-256
was verified.

`hf_hub_download` alone is not enough: it downloads to a temporary file
with a random name, so a new process starts from zero
(https://github.com/huggingface/huggingface_hub/issues/4196). Until that is fixed, `fetch` writes
the blob itself, with `http_get` and `WeakFileLock`, which upstream does not document. Then
`hf_hub_download` with a check of the hash replaces both.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import shutil
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from io import BufferedWriter, FileIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from sysgen_local.core.counted import gigabytes
from sysgen_local.core.errors import SysgenError, UsageError
from sysgen_local.models import package
from sysgen_local.models.cache import folder_of
from sysgen_local.models.catalogue import CatalogueEntry

if TYPE_CHECKING:
    from huggingface_hub import ModelInfo

_ELSEWHERE = "make room, or let HF_HOME name a folder on a larger disk"
OnProgress = Callable[[int, int], None]
"""Called with (bytes so far, bytes in total) after every chunk."""


def local_path(entry: CatalogueEntry, quant: str | None = None) -> Path | None:
    """The path of the GGUF on this machine; None where it is not here. It does not use the
    network."""
    if entry.servers:
        return None
    if entry.path is not None:
        return entry.path if entry.path.is_file() else None
    if entry.package is not None:
        try:
            return package.find(entry)
        except UsageError:
            return None
    from huggingface_hub import try_to_load_from_cache

    file = entry.files[entry.quant(quant) or ""]
    found = try_to_load_from_cache(str(entry.repo), file.file, revision=entry.revision)
    return Path(found) if isinstance(found, str) else None


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be fetched: files of one repository, and how messages call them. `sha256`: file ->
    the hash that models.toml requires. `listed`: it is an entry of models.toml."""

    name: str
    repo: str
    files: tuple[str, ...]
    revision: str = "main"
    sha256: Mapping[str, str] = field(default_factory=dict)
    listed: bool = False

    def __str__(self) -> str:
        if self.listed:
            return f"{self.name} ({self.repo}, {self.files[0]})"
        return self.name


@dataclass(frozen=True, slots=True)
class Download:
    """What a download will do: the bytes of all files, the bytes of them that are to come, the
    folder of the cache that they go to, and the free bytes there. `again`: files that are here
    already are replaced."""

    wanted: Wanted
    again: bool
    files: tuple[RemoteFile, ...]
    size: int
    to_come: int
    folder: Path
    free: int


class RemoteFile(NamedTuple):
    """A file on the hub. `etag` is the SHA-256 of large files."""

    name: str
    url: str
    etag: str
    size: int


def look_up(repo: str) -> ModelInfo:
    """The repository on the hub, with the sizes of its files and the data of its card.

    Raises UsageError (no such repository, no access) or SysgenError (network), each with a hint.
    """
    from huggingface_hub import HfApi, constants, errors

    try:
        return HfApi().model_info(repo, files_metadata=True)
    except errors.HFValidationError as error:
        raise UsageError(
            f"{repo} is not the name of a repository", hint="name it as OWNER/REPO"
        ) from error
    except (ValueError, KeyError, TypeError) as error:
        raise SysgenError(
            f"{constants.ENDPOINT} did not answer as a hub does for {repo}",
            hint="see whether HF_ENDPOINT is right, and whether the network asks for a log-in",
        ) from error
    except Exception as error:
        raise explained(error, Wanted(repo, repo, ()), constants.ENDPOINT) from error


def prepare(wanted: Wanted, *, again: bool = False) -> Download:
    """Asks the hub for the size and the hash of each file; downloads nothing. With `again` files
    that are here already will be replaced.

    Raises SysgenError where the network fails or the disk has too little room, UsageError where
    there is no such file or no access, each with a hint.
    """
    from huggingface_hub import constants, get_hf_file_metadata, hf_hub_url

    try:
        files = []
        for name in wanted.files:
            url = hf_hub_url(wanted.repo, name, revision=wanted.revision)
            at = get_hf_file_metadata(url)
            if not at.size or not re.fullmatch(r"[\w-]+", at.etag or ""):
                raise SysgenError(f"{constants.ENDPOINT} does not say how large {wanted} is")
            files.append(RemoteFile(name, url, str(at.etag), at.size))
    except SysgenError:
        raise
    except Exception as error:
        raise explained(error, wanted, constants.ENDPOINT) from error
    to_come = sum(_to_come(wanted.repo, file, again) for file in files)
    folder = Path(constants.HF_HUB_CACHE)
    there = next(parent for parent in (folder, *folder.absolute().parents) if parent.exists())
    free = shutil.disk_usage(there).free
    _require_room(to_come, free, folder)
    size = sum(file.size for file in files)
    return Download(wanted, again, tuple(files), size, to_come, folder, free)


def fetch(download: Download, on_progress: OnProgress | None = None) -> Path:
    """Downloads the files into the cache, verifies them, and returns the path of the first one.
    What is here already is not downloaded again.

    Raises SysgenError (network, disk, damage) or UsageError (no access), each with a hint.
    """
    from huggingface_hub import constants, hf_hub_download
    from huggingface_hub.utils import WeakFileLock  # type: ignore[attr-defined]

    wanted = download.wanted
    paths = []
    before = 0
    try:
        for file in download.files:
            blob = _blob(wanted.repo, file)
            part = _part(wanted.repo, file)
            # where huggingface_hub has it
            lock = download.folder / ".locks" / folder_of(wanted.repo).name / f"{file.etag}.lock"
            for file_here in (blob, lock):
                file_here.parent.mkdir(parents=True, exist_ok=True)
            with WeakFileLock(lock):
                if download.again or not _is_here(wanted.repo, file):
                    _transfer(file.url, part, file.size, _shifted(on_progress, before, download))
                    _verify(part, file.etag, wanted.sha256.get(file.name), str(wanted))
                    os.replace(part, blob)
            # The blob is complete, so this only adds its link under `snapshots`.
            link = hf_hub_download(wanted.repo, file.name, revision=wanted.revision)
            paths.append(Path(link))
            before += file.size
        return paths[0]
    except SysgenError:
        raise
    except Exception as error:
        raise explained(error, wanted, constants.ENDPOINT) from error


def fetch_card(repo: str) -> None:
    """Downloads the card of the repository, from which `cache.cached_license` reads the licence.
    Where that fails, the licence stays unknown."""
    from huggingface_hub import hf_hub_download
    from huggingface_hub.utils import (  # type: ignore[attr-defined]
        disable_progress_bars,
        enable_progress_bars,
    )

    disable_progress_bars("huggingface_hub.http_get")
    try:
        with suppress(Exception):
            hf_hub_download(repo, "README.md")
    finally:
        enable_progress_bars("huggingface_hub.http_get")


def _blob(repo: str, file: RemoteFile) -> Path:
    """Where the cache has the content of this file."""
    return folder_of(repo) / "blobs" / file.etag


def _is_here(repo: str, file: RemoteFile) -> bool:
    blob = _blob(repo, file)
    return blob.is_file() and blob.stat().st_size == file.size


def _part(repo: str, file: RemoteFile) -> Path:
    """Where a download of this file begins, and goes on after an interruption."""
    return _blob(repo, file).with_name(f"{file.etag}.sysgen-part")


def _to_come(repo: str, file: RemoteFile, again: bool) -> int:
    """The bytes of the file that are not here, or all those behind the partial file."""
    if not again and _is_here(repo, file):
        return 0
    part = _part(repo, file)
    here = part.stat().st_size if part.is_file() else 0
    return file.size - (here if here <= file.size else 0)


def _shifted(on_progress: OnProgress | None, before: int, download: Download) -> OnProgress | None:
    """The progress of one file as that of all files of the download."""
    if on_progress is None:
        return None
    return lambda here, _: on_progress(before + here, download.size)


def _require_room(bytes_to_come: int, free: int, folder: Path) -> None:
    """Raises SysgenError where the disk has too little room."""
    if free < bytes_to_come:
        raise SysgenError(
            f"the disk is too full: {gigabytes(bytes_to_come)} are to come and "
            f"{gigabytes(free)} are free in {folder}",
            hint=_ELSEWHERE,
        )


class _PartialFile(BufferedWriter):
    """The partial file. It reports progress at each write."""

    def __init__(self, path: Path, total: int, on_progress: OnProgress | None) -> None:
        super().__init__(FileIO(path, "ab"))
        self._total, self._on_progress = total, on_progress

    def write(self, data: Any) -> int:
        written = super().write(data)
        if self._on_progress is not None:
            self._on_progress(self.tell(), self._total)
        return written


def _transfer(url: str, part: Path, size: int, on_progress: OnProgress | None) -> None:
    """Downloads `url` to the partial file, from where that ends. `size` is the complete size in
    bytes. Raises SysgenError where the disk has too little room."""
    from huggingface_hub.file_download import http_get
    from huggingface_hub.utils import (  # type: ignore[attr-defined]
        build_hf_headers,
        disable_progress_bars,
        enable_progress_bars,
    )

    here = part.stat().st_size if part.exists() else 0
    if here > size:
        part.unlink()
        here = 0
    _require_room(size - here, shutil.disk_usage(part.parent).free, part.parent)
    disable_progress_bars("huggingface_hub.http_get")
    try:
        with _PartialFile(part, size, on_progress) as file:
            if on_progress is not None:
                on_progress(here, size)
            http_get(url, file, resume_size=here, headers=build_hf_headers(), expected_size=size)
    finally:
        enable_progress_bars("huggingface_hub.http_get")


def _verify(part: Path, etag: str, pinned: str | None, what: str) -> None:
    """Compares the file's SHA-256 with the hub's, which is the ETag of large files, and with the
    one in `models.toml`. A file that differs is deleted."""
    stated = etag if re.fullmatch(r"[0-9a-f]{64}", etag) else None
    if stated is None and pinned is None:
        return
    with part.open("rb") as file:
        actual = hashlib.file_digest(file, "sha256").hexdigest()
    if stated not in (None, actual):
        part.unlink()
        raise SysgenError(
            f"{what} arrived damaged: its SHA-256 is {actual}, the hub says {stated}",
            hint="what arrived is thrown away; pull it again",
        )
    if pinned not in (None, actual):
        part.unlink()
        raise SysgenError(
            f"{what} is not the file that models.toml means: its SHA-256 is {actual}, not {pinned}",
            hint="if the change is meant, correct sha256 in models.toml",
        )


def explained(error: Exception, wanted: Wanted, endpoint: str) -> Exception:
    """The error of huggingface_hub as an error with one sentence and a hint. An unknown error is
    returned as it is."""
    from huggingface_hub import errors

    again = "pull it again: it goes on where it stopped"
    page = f"{endpoint}/{wanted.repo}"
    if isinstance(error, errors.OfflineModeIsEnabled):
        return UsageError(
            f"{wanted} is not on this machine, and HF_HUB_OFFLINE forbids to fetch it",
            hint="unset HF_HUB_OFFLINE, or name a .gguf file that is here",
        )
    if isinstance(error, errors.GatedRepoError):
        return UsageError(
            f"{wanted} is gated: its owner lets in only those who accepted the terms",
            hint=f"accept them on {page}, then log in with `hf auth login`",
        )
    if isinstance(error, errors.EntryNotFoundError | errors.RevisionNotFoundError):
        return UsageError(
            f"{endpoint} has no such file or revision: {wanted}",
            hint="correct repo, files or revision in your models.toml"
            if wanted.listed
            else f"see what there is on {page}",
        )
    if isinstance(error, errors.RepositoryNotFoundError):
        correct = "correct repo in your models.toml" if wanted.listed else "correct its name"
        return UsageError(
            f"{endpoint} has no such repository, or not for you: {wanted}",
            hint=f"{correct}, or log in with `hf auth login`",
        )
    if isinstance(error, errors.HfHubHTTPError):
        status = error.response.status_code
        if status in (401, 403):
            return UsageError(
                f"{endpoint} gives no access to {wanted} (status {status})",
                hint="log in with `hf auth login`, or check your token",
            )
        return SysgenError(f"{endpoint} answered {status} for {wanted}", hint=again)
    # The HTTP client of huggingface_hub is httpx in version 1 and httpx2 in version 2.
    if isinstance(error, errors.HTTPError):  # type: ignore[attr-defined]
        return SysgenError(
            f"the connection to {endpoint} failed while fetching {wanted}: {error}",
            hint="is there a network? Then pull it again: what is here is not fetched twice; or "
            "bring a .gguf file from elsewhere, and name its path",
        )
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return SysgenError(f"the disk is full: {wanted} did not fit", hint=_ELSEWHERE)
    if isinstance(error, OSError) and error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return SysgenError(
            f"cannot write {error.filename}: {error.strerror}",
            hint="let HF_HOME name a folder that you may write to",
        )
    if isinstance(error, OSError):
        return SysgenError(f"{wanted} could not be fetched: {error}", hint=again)
    return error
