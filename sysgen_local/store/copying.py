"""The finished rows as training files, put together by DuckDB: one set of columns a layout.

A variant says which system message goes with which answer. All variants hold the same rows, so
that models trained on them can be compared (the paper's ablation, section 5).
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, get_args

from sysgen_local.store.database import Database

Format = Literal["messages", "sharegpt", "alpaca"]
FORMATS: tuple[Format, ...] = get_args(Format)
Variant = Literal["full", "system-only", "common", "original"]
VARIANTS: tuple[Variant, ...] = get_args(Variant)
"""full: new system message, new answers. system-only: new system message, original answers.
common: one and the same system message, original answers. original: the rows as they came."""

COMMON = "You are a helpful AI assistant."
"""The system message of the variant `common`."""

_SAID: dict[Variant, str] = {
    "full": "system, turns",
    "system-only": "system, old_turns AS turns",
    "common": f"'{COMMON}' AS system, old_turns AS turns",
    "original": "old_system AS system, old_turns AS turns",
}

_COLUMNS: dict[Format, dict[str, str]] = {
    "messages": {
        "messages": """
            CASE WHEN system IS NULL THEN [] ELSE [{'role': 'system', 'content': system}] END
            || [{'role': CASE t.role WHEN 'function_call' THEN 'assistant'
                                     WHEN 'observation' THEN 'tool' ELSE t.role END,
                 'content': t.content} FOR t IN turns]""",
    },
    "sharegpt": {
        "conversations": """
            [{'from': CASE t.role WHEN 'user' THEN 'human' WHEN 'assistant' THEN 'gpt'
                                  ELSE t.role END,
              'value': t.content} FOR t IN turns]""",
        "system": "coalesce(system, '')",
    },
    "alpaca": {
        "system": "coalesce(system, '')",
        "instruction": "turns[-2].content",
        "input": "''",
        "output": "turns[-1].content",
        "history": """
            [[turns[2 * i + 1].content, turns[2 * i + 2].content]
             FOR i IN range(len(turns) // 2 - 1)]""",
    },
}

# Alpaca knows question and answer only: anything but user, assistant, user, assistant ... is left.
_PAIRS = (
    "[t.role FOR t IN turns] = flatten([['user', 'assistant'] FOR i IN range(len(turns) // 2)])"
)

# DuckDB holds an ordered JSON or Parquet copy in memory whole, so it is asked for slices.
_JSON_SLICE = 2_000
_PARQUET_SLICE = 20_000


def copy_final(
    db: Database, path: Path, layout: Format, variant: Variant, *, parquet: bool
) -> tuple[int, int]:
    """Write the finished rows to `path` in ascending order; how many were written, and skipped.

    Raises OSError or duckdb's errors where the file cannot be written.
    """
    where = _PAIRS if layout == "alpaca" else "true"
    ((rows, kept, with_tools, last),) = db.all(
        f'SELECT count(*), count(*) FILTER ({where}), count(tools), coalesce(max("row"), 0) '
        f'FROM (SELECT "row", tools, {_SAID[variant]} FROM final)'
    )
    columns = dict(_COLUMNS[layout])
    if with_tools and layout != "alpaca":
        columns["tools"] = "tools"
    source = (
        f'(SELECT "row", tools, {_SAID[variant]} FROM final '
        f'WHERE "row" BETWEEN {{}} AND {{}}) WHERE {where}'
    )
    write = _write_parquet if parquet else _write_json
    write(db, path, columns, source, last)
    return kept, rows - kept


def _slices(last: int, size: int) -> Iterator[tuple[int, int]]:
    """First and last row of each slice; at least one, so that columns are known without rows."""
    return ((low, low + size - 1) for low in range(1, max(last, 1) + 1, size))


def _write_json(db: Database, path: Path, columns: dict[str, str], source: str, last: int) -> None:
    members = ", ".join(f"'{name}': {expression}" for name, expression in columns.items())
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for low, high in _slices(last, _JSON_SLICE):
            lines = db.all(
                f'SELECT to_json({{{members}}}) FROM {source.format(low, high)} ORDER BY "row"'
            )
            file.writelines(f"{line}\n" for (line,) in lines)


def _write_parquet(
    db: Database, path: Path, columns: dict[str, str], source: str, last: int
) -> None:
    chosen = ", ".join(f'{expression} AS "{name}"' for name, expression in columns.items())
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".export-") as folder:
        parts = []
        for i, (low, high) in enumerate(_slices(last, _PARQUET_SLICE)):
            parts.append(str(Path(folder, f"{i}.parquet")))
            db.do(
                f'COPY (SELECT {chosen} FROM {source.format(low, high)} ORDER BY "row") '
                "TO $1 (FORMAT parquet)",
                parts[-1],
            )
        db.do("COPY (FROM read_parquet($2::VARCHAR[])) TO $1 (FORMAT parquet)", str(path), parts)
