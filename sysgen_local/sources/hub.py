"""Datasets on a Hugging Face hub, through its own client: resume, cache, HF_ENDPOINT, offline."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

from sysgen_local.core.errors import SysgenError, UsageError
from sysgen_local.sources import splits

if TYPE_CHECKING:
    from huggingface_hub import DatasetInfo

_REVISION = r"refs(?:/|%2F)(?:convert|pr)(?:/|%2F)[\w.-]+|[^/]+"
_NAME = re.compile(rf"hf://datasets/([\w.-]+/[\w.-]+)(?:@({_REVISION}))?(?:/(.+))?")
_WEB = re.compile(r"(?:https?://)?(?:www\.)?(huggingface\.co|hf\.co)/(.*)")
_PAGE = re.compile(rf"datasets/([\w.-]+/[\w.-]+)(?:/(tree|blob|resolve|raw)/({_REVISION})(/.+)?)?")
_VIEWER = re.compile(r"datasets/([\w.-]+/[\w.-]+)/viewer(/.+)?")


@dataclass(frozen=True, slots=True)
class Fetched:
    """A data file: its name as the user would say it, where it lies, the repository
    (OWNER/NAME) and the licence on that one's card."""

    path: str
    file: Path
    repo: str
    license: str | None


def address(name: str) -> str | None:
    """hf://... for an address on a hub, that or one of its web pages; None for anything else.

    Raises UsageError for web addresses of anything but a dataset on a hub.
    """
    if name.startswith("hf://"):
        return name
    endpoint = os.environ.get("HF_ENDPOINT", "").rstrip("/")
    if endpoint and name.startswith(f"{endpoint}/"):
        rest = name.removeprefix(f"{endpoint}/")
    elif (web := _WEB.fullmatch(name)) and ("://" in name or not Path(name).exists()):
        rest = web[2]
    elif re.match(r"https?://", name):
        raise UsageError(
            f"{name} is no address of a dataset on a hub",
            hint=f"fetch it, and name the file: curl -LO '{name}'",
        )
    else:
        return None
    page = unquote(re.split(r"[?#]", rest)[0].rstrip("/"))
    if viewed := _VIEWER.fullmatch(page):
        # The viewer's rows are those of this branch, in folders CONFIG/SPLIT.
        return f"hf://datasets/{viewed[1]}" + (
            f"@refs/convert/parquet{viewed[2]}" if viewed[2] else ""
        )
    if named := _PAGE.fullmatch(page):
        repo, _, revision, inside = named.groups()
        at = f"@{revision}" if revision and revision != "main" else ""
        return f"hf://datasets/{repo}{at}{inside or ''}"
    raise UsageError(
        f"{name} is no page of a dataset with OWNER and NAME",
        hint="open the dataset's page on the hub and take its address: .../datasets/OWNER/NAME",
    )


def files(
    name: str,
    is_data: Callable[[str], bool],
    split: str | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> Iterator[Fetched]:
    """Every data file, downloaded.

    `name` is hf://datasets/OWNER/NAME[@REVISION][/FILE OR FOLDER]. Where files belong to splits,
    those of `split` are taken, or of `train`, and `say` is told what is left. Raises UsageError or
    SysgenError.
    """
    from huggingface_hub import HfApi, hf_hub_download

    match = _NAME.fullmatch(name.rstrip("/"))
    if match is None:
        raise UsageError(
            f"{name} names no dataset", hint="write hf://datasets/OWNER/NAME[@REVISION][/FILE]"
        )
    repo, revision, inside = match.groups()
    revision = unquote(revision) if revision else None
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
    if not wanted:
        raise UsageError(f"{name} holds no data file", hint="look at its files on the hub")
    if inside not in wanted and not _names_split(inside):
        wanted = splits.take(wanted, split, name, say, others=False)
    at = f"@{revision}" if revision else ""
    for file in wanted:
        with _explained(repo):
            path = hf_hub_download(repo, file, repo_type="dataset", revision=revision)
        yield Fetched(f"hf://datasets/{repo}{at}/{file}", Path(path), repo, license_)


def _names_split(folder: str | None) -> bool:
    """Whether a folder was asked for that is of one split itself."""
    return folder is not None and splits.named(folder) is not None


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
