"""The files of a GGUF on this machine. llama.cpp can split one into several, which it finds by
their names: `m-00001-of-00003.gguf`."""

from __future__ import annotations

import re
from pathlib import Path

PART = re.compile(r"(?P<stem>.+)-\d{5}-of-(?P<count>\d{5})\.gguf", re.IGNORECASE)
"""The name of one part."""


def parts_of(path: Path) -> list[Path]:
    """All parts of the split GGUF that this file is of, in their order and whether they are there
    or not; otherwise just this file."""
    found = PART.fullmatch(path.name)
    if found is None:
        return [path]
    count = int(found["count"])
    names = (f"{found['stem']}-{i:05}-of-{count:05}.gguf" for i in range(1, count + 1))
    return [path.with_name(name) for name in names]


def size_of(path: Path) -> int:
    """The number of bytes of all parts that are there."""
    return sum(part.stat().st_size for part in parts_of(path) if part.is_file())
