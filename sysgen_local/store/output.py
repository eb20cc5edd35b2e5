"""Query results as files: JSONL and Parquet, written slice by slice."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

from sysgen_local.store.database import Database


def write_json(
    db: Database, path: Path, columns: dict[str, str], sources: Iterator[str], order: str = '"row"'
) -> None:
    """Writes a JSONL file. `columns` is name -> SQL expression, and each of `sources` is a subquery
    with a column `row`, whose rows are written in the order of `order`."""
    members = ", ".join(f"'{name}': {expression}" for name, expression in columns.items())
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for source in sources:
            lines = db.all(f"SELECT to_json({{{members}}}) FROM {source} ORDER BY {order}")
            file.writelines(f"{line}\n" for (line,) in lines)


def write_parquet(
    db: Database, path: Path, columns: dict[str, str], sources: Iterator[str], order: str = '"row"'
) -> None:
    """Writes a Parquet file; the arguments as in `write_json`. Raises duckdb's errors. Each source
    is copied to a file of its own first: DuckDB holds an ordered copy in memory as a whole."""
    made = ", ".join(f'{expression} AS "{name}"' for name, expression in columns.items())
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".export-") as folder:
        parts = []
        for i, source in enumerate(sources):
            parts.append(str(Path(folder, f"{i}.parquet")))
            db.do(
                f"COPY (SELECT {made} FROM {source} ORDER BY {order}) TO $1 (FORMAT parquet)",
                parts[-1],
            )
        db.do("COPY (FROM read_parquet($2::VARCHAR[])) TO $1 (FORMAT parquet)", str(path), parts)
