"""GGUF files of repositories in the Hugging Face cache, found without network.

The layout of the cache: https://huggingface.co/docs/huggingface_hub/guides/manage-cache
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from sysgen_local.models.repository import Gguf, RepositoryFile, ggufs


class CachedGguf(NamedTuple):
    """A whole GGUF in the cache, and the folder of the snapshot that it is in."""

    gguf: Gguf
    snapshot: Path

    @property
    def path(self) -> Path:
        """The file that is loaded: the only one, or the first part."""
        return self.snapshot / self.gguf.name


def folder_of(repo: str) -> Path:
    """The folder of a repository in the cache; it may be missing. The case of letters does not
    matter, as on the hub."""
    from huggingface_hub import constants

    cache, name = Path(constants.HF_HUB_CACHE), f"models--{repo.replace('/', '--')}"
    if not (cache / name).is_dir():
        for other in _folders(cache):
            if other.name.lower() == name.lower():
                return other
    return cache / name


def spelled(repo: str) -> str:
    """The name of a repository as the cache has it; as given where it is not there."""
    parts = folder_of(repo).name.split("--")
    return f"{parts[1]}/{parts[2]}" if len(parts) == 3 else repo


def repositories() -> list[str]:
    """The model repositories that the cache has something of, sorted."""
    from huggingface_hub import constants

    names = (folder.name.split("--") for folder in _folders(Path(constants.HF_HUB_CACHE)))
    return sorted(f"{parts[1]}/{parts[2]}" for parts in names if len(parts) == 3)


def cached(repo: str) -> list[CachedGguf]:
    """The GGUFs of a repository that are here whole. Of one that is in several snapshots, that in
    the newest one."""
    found: dict[str, CachedGguf] = {}
    for snapshot in _snapshots(repo):
        files = [
            RepositoryFile(path.relative_to(snapshot).as_posix(), path.stat().st_size)
            for path in snapshot.rglob("*")
            if path.suffix.lower() == ".gguf" and path.is_file()
        ]
        for gguf in ggufs(files):
            found.setdefault(gguf.name, CachedGguf(gguf, snapshot))
    return list(found.values())


def cached_license(repo: str) -> str | None:
    """The licence in the card of the repository (its README.md) in the cache; None where the card
    is not here or names none."""
    for snapshot in _snapshots(repo):
        if card := _card(snapshot / "README.md"):
            return license_name(card)
    return None


def license_name(card: Mapping[str, Any]) -> str | None:
    """The licence of a card: its identifier, or its name where the identifier is only `other`."""
    given, name = card.get("license"), card.get("license_name")
    text = _line(", ".join(map(str, given)) if isinstance(given, list) else given)
    return (_line(name) or text if text.lower() == "other" else text) or None


def _line(value: object) -> str:
    """The value of a card on one line, cut after 100 characters: a card can be anything."""
    return " ".join(str(value or "").split())[:100]


def _card(path: Path) -> dict[str, Any]:
    """The data of a repository's card; empty where there is none or it cannot be read."""
    from huggingface_hub import metadata_load

    try:
        return metadata_load(path) or {}
    except Exception:  # no file, no text, no YAML: a card can be anything
        return {}


def _folders(cache: Path) -> Iterator[Path]:
    return cache.glob("models--*")


def _snapshots(repo: str) -> list[Path]:
    """The snapshots of a repository: that of `main` first, then the newest."""
    folder = folder_of(repo)
    try:
        main = (folder / "refs" / "main").read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        main = ""

    def order(snapshot: Path) -> Any:
        return snapshot.name != main, -snapshot.stat().st_mtime

    return sorted((p for p in (folder / "snapshots").glob("*") if p.is_dir()), key=order)
