"""Writes files atomically: to a temporary file in the same folder, which is then renamed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sysgen_local.core.errors import SysgenError


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """Yields the path of a temporary file, which replaces `path` at the end of the `with` block.
    Raises SysgenError where writing fails; then the file at `path` stays as it was."""
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
        with suppress(OSError):  # on a file system without write access
            part.unlink()


def write(path: Path, text: str) -> None:
    """Replaces the content of the file by the text. Raises as `whole`."""
    with whole(path) as part:
        part.write_text(text, encoding="utf-8")
