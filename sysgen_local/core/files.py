"""Names of files, and files that are written atomically: to a temporary file in the same folder,
which is then renamed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sysgen_local.core.errors import SysgenError, UsageError

ROW_FILES = (".jsonl", ".parquet")
"""Endings of the files that rows are written to."""


def names_folder(name: str | Path) -> bool:
    """Whether a user who names an output means a folder: the name ends with a slash, or a folder
    of this name exists. A name that ends in one of ROW_FILES without a slash is a file."""
    path = Path(name).expanduser()
    there = str(name) != "" and path.is_dir()  # the path of no name is the current folder
    return str(name).endswith("/") or (there and not path.name.lower().endswith(ROW_FILES))


def check_ending(path: Path, endings: tuple[str, ...]) -> None:
    """Raises UsageError unless the name ends in one of these (".json", ".json.gz", ...), in upper
    or lower case."""
    if not path.name.lower().endswith(endings):
        *others, last = endings
        known = f"{', '.join(others)} or {last}" if others else last
        raise UsageError(f"{path} has no ending that is known here: this takes {known}")


def check_folder(path: Path) -> None:
    """Raises UsageError unless a file can be written at this path. To be called before long
    work."""
    if path.is_dir():
        raise UsageError(f"{path} is a folder", hint="name a file in it")
    if not path.parent.is_dir():
        raise UsageError(f"The folder {path.parent} does not exist", hint=f"mkdir -p {path.parent}")
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise UsageError(
            f"The folder {path.parent} cannot be written to", hint="choose another one"
        )


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """Yields the path of a temporary file, which replaces `path` at the end of the `with` block.
    Raises SysgenError where writing fails; then the file at `path` stays as it was."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield part
        os.replace(part, path)
    except OSError as error:
        check_folder(path)
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
