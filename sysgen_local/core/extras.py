"""Libraries that only some commands need: extras of the package."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sysgen_local.core.errors import UsageError


@contextmanager
def needs(extra: str, what: str) -> Iterator[None]:
    """Around an import: where a library is missing, raises UsageError that says that `what` needs
    it, and which extra installs it."""
    try:
        yield
    except ImportError as error:
        name = error.name or str(error)
        raise UsageError(
            f"{what} needs the library {name}, which is not installed",
            hint=f"pip install 'sysgen-local[{extra}]'",
        ) from error
