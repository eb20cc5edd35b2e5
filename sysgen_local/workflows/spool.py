"""Rows that are Python objects -> files, which are read as any input is."""

from __future__ import annotations

import atexit
import json
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from sysgen_local.core.errors import UsageError

Rows = Iterable[Mapping[str, Any]]
"""Dicts, as a `datasets.Dataset` yields them too."""

Input = str | Path | Rows
"""A path, hf:// address or - as on the command line; rows; a table of pandas, polars or Arrow."""


def named(inputs: Input | Sequence[Input]) -> Iterator[tuple[str, bool]]:
    """What `sources.find` takes for each input, and whether it is a file made here of rows.

    Raises UsageError for rows that are no dicts.
    """
    for one in _each(inputs):
        if isinstance(one, str | Path):
            yield str(one), False
        else:
            yield str(_spooled(one)), True


def _each(inputs: Input | Sequence[Input]) -> Iterable[Input]:
    if isinstance(inputs, str | Path) or _is_table(inputs):
        return [inputs]  # type: ignore[list-item]
    if isinstance(inputs, Sequence) and all(
        isinstance(one, str | Path) or not isinstance(one, Mapping) for one in inputs
    ):
        return inputs
    return [inputs]  # type: ignore[list-item]


def _is_table(given: object) -> bool:
    return hasattr(given, "__arrow_c_stream__") or hasattr(given, "__dataframe__")


def _spooled(rows: Rows) -> Path:
    folder = Path(tempfile.mkdtemp(prefix="sysgen-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    if _is_table(rows):
        import duckdb

        file = folder / "rows.parquet"
        with duckdb.connect() as con:
            con.register("given", rows)
            con.sql("FROM given").write_parquet(str(file))
        return file
    if not isinstance(rows, Iterable):
        raise UsageError(f"an input is a path, rows or a table, and this is {type(rows).__name__}")
    file = folder / "rows.jsonl"
    with file.open("w", encoding="utf-8", errors="surrogatepass") as out:
        for row in rows:
            if not isinstance(row, Mapping):
                raise UsageError(
                    f"a row is a dict, and this is {type(row).__name__}: {str(row)[:80]}",
                    hint="give dicts with the keys of a dataset, as instruction and output",
                )
            out.write(json.dumps(dict(row), ensure_ascii=False, default=_plain) + "\n")
    return file


def _plain(value: object) -> object:
    """An array as a list, anything else as text."""
    return value.tolist() if hasattr(value, "tolist") else str(value)
