"""Opens files: detects the format by name or first bytes, decompresses and decodes."""

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
COMPRESSED = (".gz", ".zst")
_BINARY = ("parquet", "arrow")
_HEAD = 1 << 20
_JSON_TEXT = re.compile(rb'"(?:[^"\\]|\\.)*+"', re.DOTALL)
_MAGIC = {b"\x1f\x8b": ".gz", b"\x28\xb5\x2f\xfd": ".zst", b"PAR1": ".parquet",
          b"ARROW1": ".arrow", b"\xff\xff\xff\xff": ".arrow"}  # fmt: skip


def form_of(name: str) -> tuple[str | None, str | None]:
    """The format by the file's ending (None: not known), and the compression: .gz, .zst or None."""
    name = name.lower()
    compression = next((ending for ending in COMPRESSED if name.endswith(ending)), None)
    form = FORMATS.get(Path(name.removesuffix(compression or "")).suffix)
    return (None if compression and form in _BINARY else form), compression


def is_data(name: str) -> bool:
    return form_of(name)[0] is not None


def endings() -> str:
    """The known endings, for a message."""
    return f"{', '.join(FORMATS)} (text ones also as {' or '.join(COMPRESSED)})"


def ending_of(path: Path) -> str:
    """The ending that a file without one should have, by its first bytes."""
    with path.open("rb") as file:
        start = file.read(6)
    found = next((end for magic, end in _MAGIC.items() if start.startswith(magic)), "")
    if found and found not in COMPRESSED:
        return found
    with open_text(path, found or None) as text:
        head = text.read(1 << 16).removeprefix(b"\xef\xbb\xbf").lstrip()
    if head[:1] in (b"{", b"[", b"") or not re.search(rb"[\r\n]", head):
        return f".jsonl{found}"
    return f".tsv{found}" if b"\t" in head.splitlines()[0] else f".csv{found}"


def open_text(
    path: Path, compression: str | None, encoding: str | None = None
) -> io.BufferedReader:
    """A stream of the file's text as UTF-8 bytes. Raises OSError or the errors of the
    compression."""
    if compression == ".gz":
        stream = cast(io.BufferedReader, gzip.GzipFile(path))
    elif compression == ".zst":
        stream = io.BufferedReader(cast(io.RawIOBase, zstandard.open(path, "rb")))
    else:
        stream = path.open("rb")
    return io.BufferedReader(_Utf8Stream(stream, encoding)) if encoding else stream


def with_line_ends(open_: Callable[[], BinaryIO]) -> Callable[[], BinaryIO]:
    """`open_`, with CR replaced by LF where the lines of the JSON end in CR alone (classic Mac OS).
    Where CR is only within JSON strings, the bytes stay as they are."""
    with open_() as stream:
        head = stream.read(_HEAD)
    if b"\n" in head or b"\r" not in head or b"\r" not in _JSON_TEXT.sub(b"", head):
        return open_
    return lambda: io.BufferedReader(_LfStream(open_()))


def check_encoding(name: str) -> None:
    """Raises UsageError where there is no text encoding with that name."""
    try:
        "".encode(name)
    except (LookupError, ValueError) as error:
        raise UsageError(
            f"--encoding {name} is not known", hint="for example utf-8, cp1252, utf-16 or gb18030"
        ) from error


class _ConvertedStream(io.RawIOBase):
    """A stream whose bytes are converted as they are read."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._left = b""
        self._over = False

    def _convert(self, data: bytes) -> bytes:
        """The converted bytes. `data` is empty at the end of the stream."""
        raise NotImplementedError

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._left and not self._over:
            data = self._stream.read(1 << 16)
            self._over = not data
            self._left = self._convert(data)
        size = min(len(buffer), len(self._left))
        buffer[:size] = self._left[:size]
        self._left = self._left[size:]
        return size

    def close(self) -> None:
        self._stream.close()
        super().close()


class _Utf8Stream(_ConvertedStream):
    """A stream in another encoding, converted to UTF-8. Bytes that are not valid in that encoding
    stay as they are, so that only their row is rejected."""

    def __init__(self, stream: BinaryIO, encoding: str) -> None:
        super().__init__(stream)
        self._decoder = codecs.getincrementaldecoder(encoding)("surrogateescape")

    def _convert(self, data: bytes) -> bytes:
        text = self._decoder.decode(data, final=not data)
        return text.encode("utf-8", "surrogateescape")


class _LfStream(_ConvertedStream):
    """A stream with CR and CRLF replaced by LF."""

    def __init__(self, stream: BinaryIO) -> None:
        super().__init__(stream)
        self._held = b""  # a CR at the end, which an LF may follow

    def _convert(self, data: bytes) -> bytes:
        whole = self._held + data
        self._held = b"\r" if data and whole.endswith(b"\r") else b""
        whole = whole.removesuffix(self._held)
        return whole.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
