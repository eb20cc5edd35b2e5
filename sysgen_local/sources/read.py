"""Files to a stream of conversations and rejects. Nothing is read whole but a line or a record.

The order is that of the file, so that a reader taken up again can skip what it had. Content that
is broken becomes a `Reject` with its line; only a file that cannot be opened raises.
"""

from __future__ import annotations

import csv
import glob
import gzip
import hashlib
import io
import json
import shutil
import sys
import tempfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import cast

import zstandard

from sysgen_local.errors import UsageError
from sysgen_local.records import Conversation, Reject, Source
from sysgen_local.sources import hub
from sysgen_local.sources.presets import preset
from sysgen_local.sources.shapes import shape

FORMATS = {".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "json", ".csv": "csv", ".tsv": "tsv",
           ".parquet": "parquet"}  # fmt: skip
PACKED = (".gz", ".zst")
UTF16 = "it looks like UTF-16, not UTF-8"
Record = tuple[int, object] | tuple[int, object, bytes] | Reject
"""Line or record number with a decoded row (and its line), or what is wrong there."""


def find(
    inputs: Sequence[str],
    *,
    mapping: Mapping[str, str] | None = None,
    license: str | None = None,  # noqa: A002 - the field's name
) -> list[Source]:
    """The files behind INPUTs: files, directories (recursively, sorted), hf://datasets/...

    `license` is the user's word on it, over that of a hub's card and of what is known by name.

    Raises UsageError for what is missing, unreadable, empty or of an unknown kind.
    """
    sources = []
    for name in inputs:
        if name.startswith("hf://"):
            sources += [
                _source(of.path, of.file, mapping, license or of.license, of.repo)
                for of in hub.files(name, is_data)
            ]
            continue
        path = Path(name)
        if path.is_dir():
            inside = sorted(
                p for p in path.rglob("*")
                if p.is_file() and is_data(p.name)
                and not any(part.startswith(".") for part in p.relative_to(path).parts)
            )  # fmt: skip
            if not inside:
                raise UsageError(f"{name} holds no data file", hint=f"understood: {_endings()}")
            sources += [_source(str(p), p, mapping, license) for p in inside]
        elif not path.exists() and (found := sorted(glob.glob(name, recursive=True))):
            sources += find(found, mapping=mapping, license=license)
        elif not path.exists():
            raise UsageError(f"there is no file {name}", hint="look at the path, or quote it")
        elif not is_data(path.name):
            raise UsageError(f"{name} has an ending that is not known", hint=f"known: {_endings()}")
        else:
            sources.append(_source(name, path, mapping, license))
    return sources


def is_data(name: str) -> bool:
    return _format(name)[0] is not None


def read(source: Source, *, skip_system: bool = False) -> Iterator[Conversation | Reject]:
    """Every record of the source, in order: usable, or rejected with its reason. With
    `skip_system` those that come with a system message are rejected too."""
    for record, raw in _read(source):
        if skip_system and isinstance(record, Conversation) and record.system:
            record = Reject(record.line, "has_system", record.system[:100])
        if isinstance(record, Reject) and not record.raw:
            record = replace(record, raw=_text_of(raw))
        yield record


def _read(source: Source) -> Iterator[tuple[Conversation | Reject, object]]:
    """Every record, with the row it was made of: its line, or what it was decoded to."""
    path = Path(source.file)
    form, packed = _format(path.name)
    try:
        with ExitStack() as stack:
            if form == "parquet":
                records = _parquet(path)
            else:
                opened = stack.enter_context(_open(path, packed))
                if not opened.seekable() and form == "json":  # which is looked into twice
                    whole = stack.enter_context(tempfile.TemporaryFile())
                    shutil.copyfileobj(opened, whole)
                    whole.seek(0)
                    opened = cast(io.BufferedReader, whole)
                parse = {"jsonl": _jsonl, "json": _json, "csv": _csv, "tsv": _tsv}[form or ""]
                records = parse(opened)
            for record in records:
                if isinstance(record, Reject):
                    yield record, b""
                else:
                    number, row, *line = record
                    yield shape(row, number, source.mapping), line[0] if line else row
    except (
        OSError,
        EOFError,
        zlib.error,
        zstandard.ZstdError,
    ) as error:  # BadGzipFile is an OSError
        raise UsageError(f"{source.path} cannot be read: {error}") from error


def _open(path: Path, packed: str | None) -> io.BufferedReader:
    if packed == ".gz":
        return cast(io.BufferedReader, gzip.open(path))
    if packed == ".zst":
        return io.BufferedReader(cast(io.RawIOBase, zstandard.open(path, "rb")))
    return path.open("rb")


def _source(
    path: str,
    file: Path,
    mapping: Mapping[str, str] | None,
    named: str | None,
    repo: str | None = None,
) -> Source:
    known = preset(repo or file.name)
    try:
        with file.open("rb") as stream:
            fingerprint = hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from error
    return Source(
        path=path,
        file=str(file),
        fingerprint=fingerprint,
        dataset=known.name if known else repo or file.name.split(".")[0],
        license=named or (known.license if known else None),
        mapping=mapping,
    )


def _jsonl(stream: io.BufferedReader) -> Iterator[Record]:
    for number, line in enumerate(stream, 1):
        line = line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line
        if not line.strip():
            continue
        try:
            yield number, json.loads(line.decode("utf-8").strip()), line
        except (RecursionError, ValueError) as error:
            yield Reject(number, *_wrong(line, error), raw=_text_of(line))


def _text_of(row: object) -> str:
    """A row's own text: what is not UTF-8 as `\\xff`, what is no text as JSON."""
    if isinstance(row, bytes):
        return row.decode("utf-8", "backslashreplace").rstrip("\r\n")
    try:
        return json.dumps(row, ensure_ascii=False, default=str)
    except (TypeError, ValueError, RecursionError):
        return repr(row)


def _wrong(line: bytes, error: Exception) -> tuple[str, str]:
    """Reason and detail of a line that is no JSON."""
    if _is_utf16(line):
        return "bad_encoding", UTF16
    if isinstance(error, UnicodeDecodeError):
        return "bad_encoding", f"byte {error.start} is not UTF-8"
    if isinstance(error, json.JSONDecodeError):
        return "bad_json", f"{error.msg.removesuffix(' at')} at character {error.pos + 1}"
    return "bad_json", str(error)[:200]


def _json(stream: io.BufferedReader) -> Iterator[Record]:
    """An array of rows, an object that holds one, or (though named .json) JSON lines."""
    import ijson.common

    if stream.peek(3)[:3] == b"\xef\xbb\xbf":
        stream.read(3)
    start = stream.tell()
    head = stream.peek(4096)[:4096].lstrip()
    if not head:
        return
    if _is_utf16(head):
        yield Reject(1, "bad_encoding", f"{UTF16}; nothing of it could be read")
        return
    prefix = "item"
    if head[:1] == b"{":
        if b"\n" in head and _is_json(head.split(b"\n", 1)[0]):
            yield from _jsonl(stream)
            return
        key = _first_list(stream)
        stream.seek(start)
        if key is None:
            yield from _whole(stream)
            return
        prefix = f"{key}.item"
    number = 0
    try:
        for row in ijson.items(stream, prefix, use_float=True):
            number += 1
            inner = row.get("row") if isinstance(row, dict) and "row_idx" in row else None
            yield number, row if inner is None else inner
    except (ijson.common.JSONError, UnicodeDecodeError, RecursionError) as error:
        said = error.args[0] if error.args else ""
        # ijson says it in bytes where what it quotes is no text.
        text = said.decode(errors="replace") if isinstance(said, bytes) else str(error)
        what = (text.splitlines() or ["broken JSON"])[0][:200]
        no_text = isinstance(said, bytes) or "UTF" in what.upper()
        reason = "bad_encoding" if no_text else "bad_json"
        yield Reject(number + 1, reason, f"{what}; nothing behind it could be read")


def _first_list(stream: io.BufferedReader) -> str | None:
    """The key of the first list inside a JSON object, if it is one of its own keys."""
    import ijson.common

    try:
        for prefix, event, _ in ijson.parse(stream):
            if event == "start_array":
                found = str(prefix)
                return found if found and "." not in found else None
    except (ijson.common.JSONError, UnicodeDecodeError):
        pass
    return None


def _whole(stream: io.BufferedReader) -> Iterator[Record]:
    """A single row in a file of its own."""
    try:
        yield 1, json.loads(stream.read().decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        yield Reject(1, "bad_encoding", f"byte {error.start} is not UTF-8")
    except (ValueError, RecursionError) as error:
        yield Reject(1, "bad_json", str(error)[:200])


def _is_utf16(text: bytes) -> bool:
    """By the zeros in it, every other byte where it is JSON."""
    return text.count(0) * 3 > len(text)


def _is_json(text: bytes) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _csv(stream: io.BufferedReader) -> Iterator[Record]:
    return _separated(stream, ",")


def _tsv(stream: io.BufferedReader) -> Iterator[Record]:
    return _separated(stream, "\t")


def _separated(stream: io.BufferedReader, separator: str) -> Iterator[Record]:
    csv.field_size_limit(sys.maxsize)
    # What is not UTF-8 comes through as surrogates, so that one bad row does not end the file.
    with io.TextIOWrapper(stream, "utf-8-sig", errors="surrogateescape", newline="") as text:
        reader = csv.reader(text, delimiter=separator)
        header = next(reader, None)
        while header is not None:
            line = reader.line_num + 1
            try:
                row = next(reader, None)
            except csv.Error as error:
                yield Reject(line, "bad_row", str(error))
                continue
            if row is None:
                return
            if any("\udc80" <= c <= "\udcff" for cell in row for c in cell):
                bad = separator.join(row).encode("utf-8", "surrogateescape")
                yield Reject(line, "bad_encoding", "the row is not UTF-8", _text_of(bad))
            elif row and len(row) != len(header):
                detail = f"{len(row)} columns under a header of {len(header)}"
                yield Reject(line, "bad_row", detail, separator.join(row))
            elif row:
                yield line, dict(zip(header, row, strict=True))


def _parquet(path: Path) -> Iterator[Record]:
    import duckdb

    number = 0
    try:
        with duckdb.connect(config={"autoinstall_known_extensions": False}) as connection:
            result = connection.execute("SELECT * FROM read_parquet(?)", [str(path)])
            names = [column[0] for column in result.description or ()]
            while rows := result.fetchmany(256):
                for row in rows:
                    number += 1
                    yield number, dict(zip(names, row, strict=True))
    except duckdb.Error as error:
        what = str(error).splitlines()[0]
        yield Reject(number + 1, "bad_row", f"{what}; nothing behind it could be read")


def _format(name: str) -> tuple[str | None, str | None]:
    """The format by the file's ending, and how it is packed: .gz, .zst or not at all."""
    name = name.lower()
    packed = next((ending for ending in PACKED if name.endswith(ending)), None)
    form = FORMATS.get(Path(name.removesuffix(packed or "")).suffix)
    return (None if packed and form == "parquet" else form), packed


def _endings() -> str:
    return f"{', '.join(FORMATS)} (text ones also as {' or '.join(PACKED)})"
