"""Opening a file: what it holds by its name or its first bytes, how it is packed and encoded."""

from __future__ import annotations

import codecs
import gzip
import io
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, cast

import zstandard

from sysgen_local.core.errors import UsageError

FORMATS = {".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "json", ".csv": "csv", ".tsv": "tsv",
           ".parquet": "parquet", ".arrow": "arrow"}  # fmt: skip
PACKED = (".gz", ".zst")
_BINARY = ("parquet", "arrow")
_HEAD = 1 << 20
_JSON_TEXT = re.compile(rb'"(?:[^"\\]|\\.)*+"', re.DOTALL)
_MAGIC = {b"\x1f\x8b": ".gz", b"\x28\xb5\x2f\xfd": ".zst", b"PAR1": ".parquet",
          b"ARROW1": ".arrow", b"\xff\xff\xff\xff": ".arrow"}  # fmt: skip


def form_of(name: str) -> tuple[str | None, str | None]:
    """The format by the file's ending, and how it is packed: .gz, .zst or not at all."""
    name = name.lower()
    packed = next((ending for ending in PACKED if name.endswith(ending)), None)
    form = FORMATS.get(Path(name.removesuffix(packed or "")).suffix)
    return (None if packed and form in _BINARY else form), packed


def is_data(name: str) -> bool:
    return form_of(name)[0] is not None


def endings() -> str:
    """The endings that are understood, in words."""
    return f"{', '.join(FORMATS)} (text ones also as {' or '.join(PACKED)})"


def ending_of(path: Path) -> str:
    """The ending that a file without one should have, by what it begins with."""
    with path.open("rb") as file:
        start = file.read(6)
    found = next((end for magic, end in _MAGIC.items() if start.startswith(magic)), "")
    if found and found not in PACKED:
        return found
    with open_text(path, found or None) as text:
        head = text.read(1 << 16).removeprefix(b"\xef\xbb\xbf").lstrip()
    if head[:1] in (b"{", b"[", b"") or not re.search(rb"[\r\n]", head):
        return f".jsonl{found}"
    return f".tsv{found}" if b"\t" in head.splitlines()[0] else f".csv{found}"


def open_text(path: Path, packed: str | None, encoding: str | None = None) -> io.BufferedReader:
    """The file's text as bytes in UTF-8. Raises OSError or what the packing raises."""
    if packed == ".gz":
        stream = cast(io.BufferedReader, gzip.GzipFile(path))
    elif packed == ".zst":
        stream = io.BufferedReader(cast(io.RawIOBase, zstandard.open(path, "rb")))
    else:
        stream = path.open("rb")
    return io.BufferedReader(_Recoded(stream, encoding)) if encoding else stream


def with_line_ends(open_: Callable[[], BinaryIO]) -> Callable[[], BinaryIO]:
    """The same for JSON whose lines end in CR alone, as those of old Macs: they end in LF then.
    Where a CR only stands within texts, it is theirs, and nothing is changed."""
    with open_() as stream:
        head = stream.read(_HEAD)
    if b"\n" in head or b"\r" not in head or b"\r" not in _JSON_TEXT.sub(b"", head):
        return open_
    return lambda: io.BufferedReader(_Lined(open_()))


def check_encoding(name: str) -> None:
    """Raises UsageError where there is no encoding of text of that name."""
    try:
        "".encode(name)
    except (LookupError, ValueError) as error:
        raise UsageError(
            f"--encoding {name} is not known", hint="for example utf-8, cp1252, utf-16 or gb18030"
        ) from error


class _Changed(io.RawIOBase):
    """A stream whose bytes are changed as they are read."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._left = b""
        self._over = False

    def _change(self, data: bytes) -> bytes:
        """What is read in place of these bytes; none are the end."""
        raise NotImplementedError

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._left and not self._over:
            data = self._stream.read(1 << 16)
            self._over = not data
            self._left = self._change(data)
        size = min(len(buffer), len(self._left))
        buffer[:size] = self._left[:size]
        self._left = self._left[size:]
        return size

    def close(self) -> None:
        self._stream.close()
        super().close()


class _Recoded(_Changed):
    """Bytes in UTF-8 of a stream in another encoding. What is not of that encoding stays as it
    is, so that only its row is rejected."""

    def __init__(self, stream: BinaryIO, encoding: str) -> None:
        super().__init__(stream)
        self._decoder = codecs.getincrementaldecoder(encoding)("surrogateescape")

    def _change(self, data: bytes) -> bytes:
        text = self._decoder.decode(data, final=not data)
        return text.encode("utf-8", "surrogateescape")


class _Lined(_Changed):
    """Lines that end in LF, in place of CR or both."""

    def __init__(self, stream: BinaryIO) -> None:
        super().__init__(stream)
        self._held = b""  # a CR, behind which an LF may come

    def _change(self, data: bytes) -> bytes:
        whole = self._held + data
        self._held = b"\r" if data and whole.endswith(b"\r") else b""
        whole = whole.removesuffix(self._held)
        return whole.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
