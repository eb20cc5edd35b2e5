"""Finished rows -> one JSONL or Parquet file, by the ending of its name.

messages: {"messages": [{"role", "content"}, ...]}, the system message first, tool calls under
"assistant" and their results under "tool". sharegpt: {"conversations": [{"from", "value"}, ...],
"system"}. Both carry "tools" where any row has them. alpaca: system, instruction, input, output,
history; rows with tool calls have no place in it and are skipped.

The file appears whole or not at all: it is written beside its place and then moved there.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from sysgen_local.errors import SysgenError, UsageError
from sysgen_local.store import FORMATS, VARIANTS, Format, Store, Variant

_ENDINGS = (".jsonl", ".parquet")


@dataclass(frozen=True, slots=True)
class Exported:
    """How many finished rows the file holds, and how many had no place in its format."""

    rows: int
    skipped: int


def export(
    store: Store,
    path: Path,
    *,
    format: Format = "messages",  # noqa: A002 - the word users know
    variant: Variant = "full",
) -> Exported:
    """Write the finished rows to `path` in ascending order, replacing a file that is there.

    Without finished rows the file is empty. Raises UsageError for an ending, format, variant or
    folder that will not do, SysgenError where writing fails.
    """
    check(path, format=format, variant=variant)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        rows, skipped = store.copy_final(
            part, layout=format, variant=variant, parquet=path.suffix.lower() == ".parquet"
        )
        os.replace(part, path)
    except OSError as error:
        raise SysgenError(f"{path} could not be written: {error.strerror}") from error
    finally:
        part.unlink(missing_ok=True)
    return Exported(rows, skipped)


def check(
    path: Path,
    *,
    format: str = "messages",  # noqa: A002
    variant: str = "full",
) -> None:
    """UsageError unless `export` can write there; to be called before a long run."""
    if path.suffix.lower() not in _ENDINGS:
        raise UsageError(
            f"{path} has an ending that is not known here",
            hint="end it in .jsonl or .parquet",
        )
    if format not in FORMATS:
        raise UsageError(f"There is no format {format}", hint=f"one of {', '.join(FORMATS)}")
    if variant not in VARIANTS:
        raise UsageError(f"There is no variant {variant}", hint=f"one of {', '.join(VARIANTS)}")
    folder = path.parent
    if path.is_dir():
        raise UsageError(f"{path} is a folder", hint="name a file in it")
    if not folder.is_dir():
        raise UsageError(f"The folder {folder} does not exist", hint=f"mkdir -p {folder}")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise UsageError(f"The folder {folder} cannot be written to", hint="choose another one")
