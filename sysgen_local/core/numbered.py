"""What the number of a record in its file counts: lines, items of a JSON list, or records."""

from __future__ import annotations

_PACKED = (".gz", ".zst", ".bz2", ".xz")
_COUNTED = {".json": "item", ".parquet": "record", ".arrow": "record"}
"""Ending -> what is counted in such a file; in all others it is lines."""


def numbered(path: str, number: int) -> str:
    """ "line 3", "item 3" or "record 3", by the ending of the file's name."""
    name = path.lower()
    for ending in _PACKED:
        name = name.removesuffix(ending)
    noun = next((noun for ending, noun in _COUNTED.items() if name.endswith(ending)), "line")
    return f"{noun} {number}"
