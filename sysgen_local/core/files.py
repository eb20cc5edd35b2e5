"""Files that appear whole or not at all: written beside their place, and then moved there."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sysgen_local.core.errors import SysgenError


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """Where to write what shall stand at `path`. Raises SysgenError where that fails; what stood
    there before stays then."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield part
        os.replace(part, path)
    except OSError as error:
        raise SysgenError(
            f"{path} could not be written: {error.strerror or error}",
            hint="see whether the disk is full, or write to another folder",
        ) from error
    finally:
        with suppress(OSError):  # where nothing can be written, nothing can be removed
            part.unlink()


def write(path: Path, text: str) -> None:
    """The text as the whole of the file. Raises as `whole`."""
    with whole(path) as part:
        part.write_text(text, encoding="utf-8")
