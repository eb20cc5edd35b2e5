"""GGUFs in the Hugging Face cache: found without network, fetched so that they can be trusted.

huggingface_hub does the talking and owns the cache; HF_ENDPOINT, HF_HOME, HF_HUB_OFFLINE and
the user's token mean what they always mean. What is added: a transfer that broke, even with
the process, goes on where it stopped, and nothing enters the cache before its hash is right.
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
from sysgen_local.models.catalogue import Entry

_ELSEWHERE = "make room, or let HF_HOME name a folder on a larger disk"
OnProgress = Callable[[int, int], None]
"""Told (bytes here, bytes in all) after every chunk."""


def local_path(entry: Entry, quant: str | None = None) -> Path | None:
    """Where the GGUF lies on this machine; None if it does not. Asks no network."""
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


def fetch(entry: Entry, quant: str, on_progress: OnProgress | None = None) -> Path:
    """Downloads one GGUF into the cache and returns its path.

    Raises SysgenError (network, disk, damage) or UsageError (no such file, no access), each
    with what to do next.
    """
    from huggingface_hub import constants, get_hf_file_metadata, hf_hub_download, hf_hub_url
    from huggingface_hub.file_download import repo_folder_name
    from huggingface_hub.utils import WeakFileLock  # type: ignore[attr-defined]

    repo, file = str(entry.repo), entry.files[quant]
    what = f"{entry.name}:{quant} ({repo}, {file.file})"
    try:
        url = hf_hub_url(repo, file.file, revision=entry.revision)
        remote = get_hf_file_metadata(url)
        if not remote.etag or not remote.size:
            raise SysgenError(f"{constants.ENDPOINT} does not say how large {what} is")
        cache, folder = (
            Path(constants.HF_HUB_CACHE),
            repo_folder_name(repo_id=repo, repo_type="model"),
        )
        blob = cache / folder / "blobs" / remote.etag
        part = blob.with_name(f"{remote.etag}.sysgen-part")
        lock = cache / ".locks" / folder / f"{remote.etag}.lock"  # the hub's own place for it
        for file_here in (blob, lock):
            file_here.parent.mkdir(parents=True, exist_ok=True)
        with WeakFileLock(lock):
            if not blob.is_file() or blob.stat().st_size != remote.size:
                _transfer(url, part, remote.size, on_progress)
                _verify(part, remote.etag, file.sha256, what)
                os.replace(part, blob)
        # The blob is there: this only enters it into the cache's index.
        return Path(hf_hub_download(repo, file.file, revision=entry.revision))
    except SysgenError:
        raise
    except Exception as error:
        raise _explained(error, what, constants.ENDPOINT) from error


def discard(path: Path) -> None:
    """Takes a file out of the cache, so that it is fetched anew."""
    path.resolve().unlink(missing_ok=True)
    path.unlink(missing_ok=True)


class _Part(BufferedWriter):
    """The growing file; says how far it is."""

    def __init__(self, path: Path, total: int, on_progress: OnProgress | None) -> None:
        super().__init__(FileIO(path, "ab"))
        self._total, self._on_progress = total, on_progress

    def write(self, data: Any) -> int:
        written = super().write(data)
        if self._on_progress is not None:
            self._on_progress(self.tell(), self._total)
        return written


def _transfer(url: str, part: Path, size: int, on_progress: OnProgress | None) -> None:
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
        with _Part(part, size, on_progress) as file:
            if on_progress is not None:
                on_progress(here, size)
            http_get(url, file, resume_size=here, headers=build_hf_headers(), expected_size=size)
    finally:
        enable_progress_bars("huggingface_hub.http_get")


def _verify(part: Path, etag: str, pinned: str | None, what: str) -> None:
    """The hub names a large file by its SHA-256; one that differs is thrown away."""
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
    """The hub's error in one sentence; an unknown error as it is."""
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
