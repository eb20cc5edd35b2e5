"""Rows that are Python objects -> files, which are read as any input is."""

from __future__ import annotations

import atexit
import json
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, time
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

from sysgen_local.core.errors import SysgenError, UsageError

Rows = Iterable[Mapping[str, Any]]
"""Dicts, as a `datasets.Dataset` yields them too."""

Input = str | Path | Rows
"""A path, hf:// address or - as on the command line; rows; a table of pandas, polars or Arrow."""


def named(inputs: Input | Sequence[Input]) -> Iterator[tuple[str, bool]]:
    """What `sources.find` takes for each input, and whether it is a file made here of rows.

    Raises UsageError for what is no input, and SysgenError where the file cannot be written.
    """
    for one in _each(inputs):
        if isinstance(one, str | Path):
            yield str(one), False
            continue
        try:
            yield str(_spooled(one)), True
        except OSError as error:
            raise SysgenError(f"rows cannot be kept in {tempfile.gettempdir()}: {error}") from error


def _each(inputs: Input | Sequence[Input]) -> Iterable[Input]:
    if isinstance(inputs, Mapping):
        kinds = {type(of).__name__ for of in inputs.values()}
        way = "choose a split of it" if "Dataset" in kinds else "give a list of dicts, one a row"
        raise UsageError("the input is one dict, and rows are several", hint=way)
    if isinstance(inputs, str | Path) or _is_table(inputs):
        return [inputs]  # type: ignore[list-item]
    if isinstance(inputs, Sequence) and (
        not inputs
        or any(isinstance(one, str | Path) or _is_table(one) or _is_rows(one) for one in inputs)
    ):
        if any(isinstance(one, Mapping) for one in inputs):
            raise UsageError(
                "the inputs are rows and other inputs in one list",
                hint="put the rows into a list of their own: [path, [row, row]]",
            )
        return inputs
    return [inputs]  # type: ignore[list-item]


def _is_rows(given: object) -> bool:
    return isinstance(given, Sequence | Iterator) and not isinstance(given, str | bytes)


def _is_table(given: object) -> bool:
    return hasattr(given, "__arrow_c_stream__") or hasattr(given, "__dataframe__")


def _spooled(rows: Rows) -> Path:
    folder = Path(tempfile.mkdtemp(prefix="sysgen-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    if _is_table(rows):
        import duckdb

        file = folder / "rows.parquet"
        with duckdb.connect() as con:
            try:
                con.register("given", rows)
                con.sql("FROM given").write_parquet(str(file))
            except duckdb.IOException as error:
                raise OSError(str(error)) from error
            except duckdb.Error as error:
                raise UsageError(f"a table cannot be read: {error}") from error
        return file
    if not isinstance(rows, Iterable):
        raise UsageError(f"an input is a path, rows or a table, and this is {type(rows).__name__}")
    file = folder / "rows.jsonl"
    with file.open("w", encoding="utf-8", errors="surrogatepass") as out:
        for row in rows:
            out.write(f"{_line(row)}\n")
    return file


def _line(row: object) -> str:
    """The row as JSON. What is no row becomes a line that is rejected with its number."""
    try:
        return json.dumps(dict(row) if isinstance(row, Mapping) else row, default=_plain)
    except (TypeError, ValueError, RecursionError) as error:
        return json.dumps(f"{type(row).__name__} that JSON cannot hold: {error}"[:200])


def _plain(value: object) -> object:
    """An array as a list; dates, decimals and UTF-8 bytes as text. Raises TypeError for others."""
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, bytes | bytearray):
        return value.decode()
    if isinstance(value, date | time | Decimal | UUID):
        return str(value)
    raise TypeError(f"a {type(value).__name__} is no text")
