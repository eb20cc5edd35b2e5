"""Reads a file as a stream of conversations and rejects. At most one line or record is in memory.

The order is that of the file, so that a caller can skip what it has read before. Broken content
becomes a `Reject` with its line number. Only a file that cannot be opened, or that is ambiguous,
raises an error.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import zstandard

from sysgen_local.core.errors import UsageError
from sysgen_local.core.records import Conversation, Reject, Source
from sysgen_local.sources.formats import json_text, separated, tables
from sysgen_local.sources.formats.record import Record, text_of
from sysgen_local.sources.formats.rows import shaped
from sysgen_local.sources.opening import form_of, open_text

Say = Callable[[str], None]


def read(
    source: Source, *, skip_system: bool = False, say: Say = lambda line: None
) -> Iterator[Conversation | Reject]:
    """Yields every record of the source in order: a conversation, or a reject with its reason. With
    `skip_system`, rows with a system message are rejected too. `say` is called with a sentence
    about which of several splits is read.

    Raises UsageError for a file that cannot be opened, and for one with several splits where none
    is `train` or was asked for.
    """
    try:
        for record in _records(source, say):
            if isinstance(record, Reject):
                yield record
                continue
            made = shaped(record.row, record.line, source.mapping)
            if skip_system and isinstance(made, Conversation) and made.system:
                made = Reject(record.line, "has_system", made.system[:100])
            if isinstance(made, Reject):
                raw = record.row if record.raw is None else record.raw
                made = replace(made, raw=text_of(raw))
            yield made
    except (OSError, EOFError, zlib.error, zstandard.ZstdError) as error:  # BadGzipFile: OSError
        raise UsageError(f"{source.path} cannot be read: {error}") from error
    except UnicodeError as error:
        raise UsageError(
            f"{source.path} is not in {source.encoding}: {error}", hint="try another --encoding"
        ) from error


def _records(source: Source, say: Say) -> Iterator[Record | Reject]:
    path = Path(source.file)
    form, compression = form_of(path.name)
    if form == "parquet":
        yield from tables.parquet(path)
    elif form == "arrow":
        yield from tables.arrow(path)
    elif form in ("csv", "tsv"):
        with open_text(path, compression, source.encoding) as stream:
            yield from separated.rows(stream, "," if form == "csv" else "\t")
    else:
        yield from json_text.rows(
            lambda: open_text(path, compression, source.encoding),
            by_line=form == "jsonl",
            mapping=source.mapping,
            split=source.split,
            path=source.path,
            say=say,
        )
