"""Parquet and Arrow files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sysgen_local.core.errors import UsageError
from sysgen_local.core.records import Reject
from sysgen_local.sources.formats.record import UNREAD, Record

Found = Iterator[Record | Reject]


def parquet(path: Path) -> Found:
    """The rows of a Parquet file, read with DuckDB. A damaged file ends in a reject."""
    import duckdb

    number = 0
    try:
        with duckdb.connect(config={"autoinstall_known_extensions": False}) as connection:
            result = connection.execute("SELECT * FROM read_parquet(?)", [str(path)])
            names = [column[0] for column in result.description or ()]
            while rows := result.fetchmany(256):
                for row in rows:
                    number += 1
                    yield Record(number, dict(zip(names, row, strict=True)))
    except duckdb.Error as error:
        what = str(error).splitlines()[0]
        yield Reject(number + 1, "bad_row", f"{what}; {UNREAD}")


def arrow(path: Path) -> Found:
    """The rows of an Arrow file, as `datasets.save_to_disk` and others write it. A damaged file
    ends in a reject. Raises UsageError where pyarrow is not installed."""
    try:
        import pyarrow
    except ImportError as error:
        raise UsageError(
            f"{path} is an Arrow file, which takes pyarrow to read",
            hint="pip install 'sysgen-local[arrow]', or save the dataset with `to_parquet`",
        ) from error
    number = 0
    try:
        with pyarrow.memory_map(str(path)) as source:
            for batch in _batches(pyarrow, source):
                for row in batch.to_pylist():
                    number += 1
                    yield Record(number, row)
    except pyarrow.ArrowException as error:
        what = (str(error).splitlines() or ["it is no Arrow file"])[0]
        yield Reject(number + 1, "bad_row", f"{what}; {UNREAD}")


def _batches(pyarrow: Any, source: Any) -> Iterator[Any]:
    """Batches of at most 256 rows, from the Arrow file format or the streaming format, which
    `datasets` writes."""
    begins = source.read(6)
    source.seek(0)
    if begins == b"ARROW1":
        reader = pyarrow.ipc.open_file(source)
        batches = map(reader.get_batch, range(reader.num_record_batches))
    else:
        batches = iter(pyarrow.ipc.open_stream(source))
    for batch in batches:
        for at in range(0, batch.num_rows, 256):
            yield batch.slice(at, 256)
