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
from collections.abc import Callable
from io import BufferedWriter, FileIO
from pathlib import Path
from typing import Any

from sysgen_local.core.errors import SysgenError, UsageError
from sysgen_local.models import package
from sysgen_local.models.catalogue import CatalogueEntry

_ELSEWHERE = "make room, or let HF_HOME name a folder on a larger disk"
OnProgress = Callable[[int, int], None]
"""Called with (bytes so far, bytes in total) after every chunk."""


def local_path(entry: CatalogueEntry, quant: str | None = None) -> Path | None:
    """The path of the GGUF on this machine; None where it is not here. It does not use the
    network."""
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


def fetch(entry: CatalogueEntry, quant: str, on_progress: OnProgress | None = None) -> Path:
    """Downloads one GGUF into the cache and returns its path.

    Raises SysgenError (network, disk, damage) or UsageError (no such file, no access), each with a
    hint.
    """
    from huggingface_hub import constants, get_hf_file_metadata, hf_hub_download, hf_hub_url
    from huggingface_hub.utils import WeakFileLock  # type: ignore[attr-defined]

    repo, file = str(entry.repo), entry.files[quant]
    what = f"{entry.name}:{quant} ({repo}, {file.file})"
    try:
        url = hf_hub_url(repo, file.file, revision=entry.revision)
        remote = get_hf_file_metadata(url)
        if not remote.etag or not remote.size:
            raise SysgenError(f"{constants.ENDPOINT} does not say how large {what} is")
        # The layout of the cache: https://huggingface.co/docs/huggingface_hub/guides/manage-cache
        cache, folder = Path(constants.HF_HUB_CACHE), f"models--{repo.replace('/', '--')}"
        blob = cache / folder / "blobs" / remote.etag
        part = blob.with_name(f"{remote.etag}.sysgen-part")
        lock = cache / ".locks" / folder / f"{remote.etag}.lock"  # where huggingface_hub has it
        for file_here in (blob, lock):
            file_here.parent.mkdir(parents=True, exist_ok=True)
        with WeakFileLock(lock):
            if not blob.is_file() or blob.stat().st_size != remote.size:
                _transfer(url, part, remote.size, on_progress)
                _verify(part, remote.etag, file.sha256, what)
                os.replace(part, blob)
        # The blob is complete, so this only adds its link under `snapshots`.
        return Path(hf_hub_download(repo, file.file, revision=entry.revision))
    except SysgenError:
        raise
    except Exception as error:
        raise _explained(error, what, constants.ENDPOINT) from error


def discard(path: Path) -> None:
    """Deletes a file from the cache, so that it is downloaded again."""
    path.resolve().unlink(missing_ok=True)
    path.unlink(missing_ok=True)


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
    free = shutil.disk_usage(part.parent).free
    if free < size - here:
        raise SysgenError(
            f"the disk is too full: {(size - here) / 1e9:.2f} GB are to come and {free / 1e9:.2f}"
            f" GB are free in {part.parent}",
            hint=_ELSEWHERE,
        )
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


def _explained(error: Exception, what: str, endpoint: str) -> Exception:
    """The error of huggingface_hub as an error with one sentence and a hint. An unknown error is
    returned as it is."""
    from huggingface_hub import errors

    again = "pull it again: it goes on where it stopped"
    if isinstance(error, errors.OfflineModeIsEnabled):
        return UsageError(
            f"{what} is not on this machine, and HF_HUB_OFFLINE forbids to fetch it",
            hint="unset HF_HUB_OFFLINE, or name a .gguf file that is here",
        )
    if isinstance(error, errors.GatedRepoError):
        return UsageError(
            f"{what} is gated: its owner lets in only those who accepted the terms",
            hint="accept them on the model's page, then log in with `hf auth login`",
        )
    if isinstance(error, errors.EntryNotFoundError | errors.RevisionNotFoundError):
        return UsageError(
            f"{endpoint} has no such file or revision: {what}",
            hint="correct repo, files or revision in your models.toml",
        )
    if isinstance(error, errors.RepositoryNotFoundError):
        return UsageError(
            f"{endpoint} has no such repository, or not for you: {what}",
            hint="correct repo in your models.toml, or log in with `hf auth login`",
        )
    if isinstance(error, errors.HfHubHTTPError):
        status = error.response.status_code
        if status in (401, 403):
            return UsageError(
                f"{endpoint} gives no access to {what} (status {status})",
                hint="log in with `hf auth login`, or check your token",
            )
        return SysgenError(f"{endpoint} answered {status} for {what}", hint=again)
    # The HTTP client of huggingface_hub is httpx in version 1 and httpx2 in version 2.
    if isinstance(error, errors.HTTPError):  # type: ignore[attr-defined]
        return SysgenError(
            f"the connection to {endpoint} failed while fetching {what}: {error}", hint=again
        )
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return SysgenError(f"the disk is full: {what} did not fit", hint=_ELSEWHERE)
    if isinstance(error, OSError) and error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return SysgenError(
            f"cannot write {error.filename}: {error.strerror}",
            hint="let HF_HOME name a folder that you may write to",
        )
    if isinstance(error, OSError):
        return SysgenError(f"{what} could not be fetched: {error}", hint=again)
    return error
