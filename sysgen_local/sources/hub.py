"""Datasets on a Hugging Face hub, through its own client: resume, cache, HF_ENDPOINT, offline."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sysgen_local.errors import SysgenError, UsageError

if TYPE_CHECKING:
    from huggingface_hub import DatasetInfo

_NAME = re.compile(r"hf://datasets/([\w.-]+/[\w.-]+?)(?:@([\w./-]+?))?(?:/(.+))?")


@dataclass(frozen=True, slots=True)
class Fetched:
    """A data file: its name as the user would say it, where it lies, the repository
    (OWNER/NAME) and the licence on that one's card."""

    path: str
    file: Path
    repo: str
    license: str | None


def files(name: str, is_data: Callable[[str], bool]) -> Iterator[Fetched]:
    """Every data file, downloaded.

    `name` is hf://datasets/OWNER/NAME[@REVISION][/FILE OR FOLDER]. Where files belong to splits,
    those of `train` are taken. Raises UsageError or SysgenError.
    """
    from huggingface_hub import HfApi, hf_hub_download

    match = _NAME.fullmatch(name.rstrip("/"))
    if match is None:
        raise UsageError(
            f"{name} names no dataset", hint="write hf://datasets/OWNER/NAME[@REVISION][/FILE]"
        )
    repo, revision, inside = match.groups()
    with _explained(repo):
        everything, license_ = _listed(repo, revision), None
        if everything is None:
            info = HfApi().dataset_info(repo, revision=revision)
            everything = [sibling.rfilename for sibling in info.siblings or ()]
            license_ = _license(info)
    wanted = sorted(
        file for file in everything
        if is_data(file) and (not inside or file == inside or file.startswith(f"{inside}/"))
    )  # fmt: skip
    train = [file for file in wanted if re.search(r"(^|[/_.-])train([/_.-]|$)", file)]
    if not wanted:
        raise UsageError(f"{name} holds no data file", hint="look at its files on the hub")
    for file in train or wanted:
        with _explained(repo):
            path = hf_hub_download(repo, file, repo_type="dataset", revision=revision)
        at = f"@{revision}" if revision else ""
        yield Fetched(f"hf://datasets/{repo}{at}/{file}", Path(path), repo, license_)


def _license(info: DatasetInfo) -> str | None:
    """The card's, where it names one and no more."""
    named = info.card_data.get("license") if info.card_data else None
    return named if isinstance(named, str) else None


def _listed(repo: str, revision: str | None) -> list[str] | None:
    """The files of the snapshot in the cache, if the hub may not be asked."""
    from huggingface_hub import constants, snapshot_download

    if not constants.HF_HUB_OFFLINE:
        return None
    folder = Path(snapshot_download(repo, repo_type="dataset", revision=revision))
    return [str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()]


@contextmanager
def _explained(repo: str) -> Iterator[None]:
    """The client's errors in one sentence each."""
    from huggingface_hub import errors

    http: type[Exception] = errors.HTTPError  # type: ignore[attr-defined]
    try:
        yield
    except errors.GatedRepoError as error:
        raise SysgenError(
            f"the dataset {repo} is gated",
            hint="accept its terms on the hub, then `hf auth login`",
        ) from error
    except (errors.RepositoryNotFoundError, errors.RevisionNotFoundError) as error:
        raise UsageError(
            f"the hub has no dataset {repo} of that revision, or it is private",
            hint="look at the spelling; for a private one `hf auth login`",
        ) from error
    except (http, errors.OfflineModeIsEnabled, OSError) as error:
        why = next(iter(str(error).splitlines()), type(error).__name__)
        raise SysgenError(
            f"the dataset {repo} could not be fetched: {why}",
            hint="is there a network? The same command goes on where it stopped; "
            "HF_HUB_OFFLINE=1 uses only what was fetched before",
        ) from error
