"""A folder with data and card to a dataset on a Hugging Face hub, by the hub's own client."""

from __future__ import annotations

import re
from pathlib import Path

from sysgen_local.core.errors import SysgenError, UsageError


def check_repo(repo: str) -> None:
    """UsageError unless `repo` is OWNER/NAME."""
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", repo):
        raise UsageError(f"{repo} names no repository", hint="write OWNER/NAME")


def upload(repo: str, folder: Path, *, private: bool) -> str:
    """Makes the dataset where it is missing and commits the folder's files; the commit's address.

    Raises SysgenError with the way out where the hub refuses or cannot be reached.
    """
    from huggingface_hub import HfApi, errors

    http: type[Exception] = errors.HTTPError  # type: ignore[attr-defined]
    api = HfApi()
    try:
        api.create_repo(repo, repo_type="dataset", private=private, exist_ok=True)
        done = api.upload_folder(
            repo_id=repo,
            repo_type="dataset",
            folder_path=folder,
            commit_message="Rows with system messages, by sysgen-local",
        )
    except (http, errors.OfflineModeIsEnabled, OSError, ValueError) as error:
        why = next(iter(str(error).splitlines()), type(error).__name__)
        raise SysgenError(
            f"the dataset {repo} could not be uploaded: {why}",
            hint="is there a network, and are you logged in (`hf auth login`) with a token that "
            "may write? The same command goes on where it stopped",
        ) from error
    return str(done.commit_url)
