"""Downloads datasets from a Hugging Face hub with huggingface_hub, which resumes, caches, and reads
HF_ENDPOINT and HF_HUB_OFFLINE."""

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
    """A downloaded data file: its name for the user, its local path, the repository (OWNER/NAME),
    and the licence on the repository's card."""

    path: str
    file: Path
    repo: str
    license: str | None


def address(name: str) -> str | None:
    """The hf:// address for an hf:// address or a web page of a dataset; None for any other name.

    Raises UsageError for web addresses that are not of a dataset on a hub.
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
        # The dataset viewer shows the rows of this branch, in folders CONFIG/SPLIT.
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
    """Downloads the data files one by one.

    `name` is hf://datasets/OWNER/NAME[@REVISION][/FILE OR FOLDER]. Where files belong to splits,
    those of `split` are taken, else those of `train`, and `say` is called with a sentence about the
    others. Raises UsageError where there is no such dataset, file or split, and SysgenError where a
    file cannot be downloaded.
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
    """Whether the folder is the folder of one split."""
    return folder is not None and splits.named(folder) is not None


def _license(info: DatasetInfo) -> str | None:
    """The licence on the card, where it names exactly one."""
    named = info.card_data.get("license") if info.card_data else None
    return named if isinstance(named, str) else None


def _listed(repo: str, revision: str | None) -> list[str] | None:
    """The files of the cached snapshot, if HF_HUB_OFFLINE is set; else None."""
    from huggingface_hub import constants, snapshot_download

    if not constants.HF_HUB_OFFLINE:
        return None
    folder = Path(snapshot_download(repo, repo_type="dataset", revision=revision))
    return [str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()]


@contextmanager
def _explained(repo: str) -> Iterator[None]:
    """Raises huggingface_hub's errors as errors with one sentence for the user."""
    from huggingface_hub import errors

    # The HTTP client of huggingface_hub is httpx in version 1 and httpx2 in version 2.
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
