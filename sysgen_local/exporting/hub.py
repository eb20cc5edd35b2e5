"""Uploads a folder with data and card to a dataset repository on a Hugging Face hub."""

from __future__ import annotations

import re
from pathlib import Path

from sysgen_local.core.errors import SysgenError, UsageError


def check_repo(repo: str) -> None:
    """Raises UsageError if `repo` is not OWNER/NAME."""
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", repo):
        raise UsageError(f"{repo} names no repository", hint="write OWNER/NAME")


def upload(repo: str, folder: Path, *, private: bool) -> str:
    """Creates the dataset if it does not exist and commits the folder's files. Returns the URL of
    the commit.

    Raises SysgenError with a hint if the hub refuses or cannot be reached.
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
