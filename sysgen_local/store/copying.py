"""Copies the finished rows to training files. DuckDB builds the columns: see `layouts`.

A variant combines system messages with answers. All variants hold the same rows, so that models
trained on them can be compared (the ablation in section 5 of the SysGen paper).
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO, Literal, NamedTuple, get_args

from sysgen_local.core.pairs import PairRule
from sysgen_local.store import layouts
from sysgen_local.store.database import Database
from sysgen_local.store.held_out import place_of
from sysgen_local.store.layouts import Format, Prefer
from sysgen_local.store.output import write_json, write_parquet
from sysgen_local.store.rows import query_where

Variant = Literal["full", "system-only", "common", "original"]
VARIANTS: tuple[Variant, ...] = get_args(Variant)
"""full: new system message and new answers. system-only: new system message, original answers.
common: the same system message in all rows, original answers. original: the rows as they came."""

COMMON = "You are a helpful AI assistant."
"""The system message of the variant `common`."""

_COLUMNS: dict[Variant, str] = {
    "full": "system, turns, failed",
    "system-only": "system, old_turns AS turns, failed[:0] AS failed",
    "common": f"'{COMMON}' AS system, old_turns AS turns, failed[:0] AS failed",
    "original": "old_system AS system, old_turns AS turns, failed[:0] AS failed",
}

_FOLDED = """
    NULL AS system,
    CASE WHEN system IS NULL THEN turns ELSE
        [struct_update(turns[1], content := system || chr(10) || chr(10) || turns[1].content)]
        || turns[2:] END AS turns"""
"""Puts the system message before the first instruction, for models without a system role."""

_CHECKS = {
    "agrees": "agrees IS NOT NULL",
    "obeys": "obeys IS NOT NULL",
    "checks": "len(checks) > 0",
}
"""Column with results of the checks -> the SQL condition for rows that have it."""

_MADE = "{'at': \"at\", 'chosen': chosen, 'rejected': rejected, 'asks': asks, 'broken': broken}"
"""The pair that rules made of a row, out of the columns of `made_pairs`."""

_ORIGIN = {"source": "source", "line": "line", "row": '"row"'}

# Rows in a slice. DuckDB holds all of an ordered JSON or Parquet copy in memory.
_JSON_SLICE = 2_000
_PARQUET_SLICE = 20_000

_CHUNK = 10 << 20
"""Bytes at the start of a JSONL file from which the `datasets` library infers the columns'
types."""

_SHARE = place_of("turns[1].content")


@dataclass(frozen=True, slots=True)
class Selection:
    """Which of the finished rows are taken. A row must meet `where` (an SQL condition over the view
    `journey`), have good phrases of at least that probability only, not be one of `without` (row
    numbers, ascending), and have its number in [0, 1) within `share`, [low, high). For preference
    pairs (dpo, kto) it must have one by the rule `pairs`, which is made before (see `pairing`), or
    else by `prefer`."""

    where: str | None = None
    min_p_good: float = 0.0
    without: tuple[int, ...] = ()
    share: tuple[float, float] = (0.0, 1.0)
    prefer: Prefer = "new"
    pairs: PairRule | None = None


class Written(NamedTuple):
    """How many rows were written, and `left_out`: why the format cannot hold others (see
    `layouts.outside`) -> how many. `late`: columns of a JSONL file that are empty in all of its
    first 10 MiB, from which readers infer the types."""

    rows: int
    left_out: dict[str, int]
    late: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Copy:
    """What is written, and how. `checks`: with the results of the checks. `origin`: with the
    source, line and number of each row. `reasoning`: with the thoughts of answers that have
    some. `objects`: tools and arguments are objects, and not JSON text."""

    layout: Format
    variant: Variant
    fold_system: bool
    selection: Selection
    checks: bool = False
    origin: bool = False
    reasoning: bool = False
    objects: bool = False

    @property
    def condition(self) -> str:
        """The SQL condition for rows that the format can hold."""
        return layouts.CONDITIONS.get(self.layout, "true")

    def write(self, db: Database, path: Path, *, parquet: bool) -> Written:
        """Writes the rows to `path` in ascending order.

        Raises OSError or duckdb's errors where the file cannot be written.
        """
        where = self.condition
        left_out = self._left_out(db)
        counted = (
            f'SELECT count(*), coalesce(max("row"), 0) '
            f"FROM {self._source(0, 1 << 62)} WHERE {where}"
        )
        [(kept, last)] = query_where(db, counted, self.selection.where)
        with_tools = self._used(db, {"tools": f"tools IS NOT NULL AND {where}"})
        # In a pair no tool is called before the answers of a pair, and no new answer has a thought.
        members = {} if self.is_pairs else self._used(db, layouts.OPTIONAL_MEMBERS)
        if not self.reasoning:
            members.pop("reasoning", None)
        if self.layout != "sharegpt":
            members.pop("words", None)
        listed = layouts.as_structs if parquet or not members else layouts.without_nulls
        columns = layouts.columns(
            self.layout, frozenset(members), listed,
            objects=self.objects, broken=self.selection.pairs is not None,
        )  # fmt: skip
        if with_tools and self.layout != "alpaca":
            columns["tools"] = layouts.TOOL_OBJECTS if self.objects else layouts.TOOLS
        if self.fold_system:
            columns.pop("system", None)
        inferred = {"history": "len(turns) > 2"} if self.layout == "alpaca" else dict(members)
        if self.layout == "sharegpt":  # it has no keys for the other members
            inferred = {name: such for name, such in members.items() if name == "words"}
        if with_tools and self.objects:
            inferred["tools"] = f"({layouts.TOOL_OBJECTS}) IS NOT NULL"
        if self.checks:
            used = self._used(db, _CHECKS)
            columns |= {name: name for name in used}
            inferred |= used
        if self.origin:
            columns |= _ORIGIN
        write = write_parquet if parquet else write_json
        slices = _slices(last, _PARQUET_SLICE if parquet else _JSON_SLICE)
        sources: Iterator[str] = (
            f"{self._source(low, high)} WHERE {where}" for low, high in slices
        )
        if self.layout == "kto":
            write(db, path, columns, map(_labelled, sources), '"row", label DESC')
        else:
            write(db, path, columns, sources)
        late = () if parquet else tuple(self._late(db, path, where, inferred))
        return Written(kept * self._rows_each, left_out, late)

    @property
    def is_pairs(self) -> bool:
        """Whether preference pairs are written."""
        return self.layout in layouts.PAIR_FORMATS

    @property
    def _rows_each(self) -> int:
        """How many rows of the file are made of a row of the store."""
        return 2 if self.layout == "kto" else 1

    def _left_out(self, db: Database) -> dict[str, int]:
        """Why the format cannot hold selected rows -> how many. Raises UsageError where `where` is
        not valid SQL."""
        if self.is_pairs and self.selection.pairs:
            sql = (
                f"SELECT no_pair, count(*) AS n FROM {self._source(0, 1 << 62)} "
                f"WHERE NOT ({self.condition}) GROUP BY no_pair ORDER BY n DESC, no_pair"
            )
            return dict(query_where(db, sql, self.selection.where))
        reasons = layouts.outside(self.layout, self.selection.prefer)
        whens = (f"WHEN {such} THEN {i}" for i, such in enumerate(reasons.values()))
        which = f"CASE {' '.join(whens)} END" if reasons else "NULL"
        sql = (
            f"SELECT {which} AS reason, count(*) FROM {self._source(0, 1 << 62)} "
            f"WHERE NOT ({self.condition}) GROUP BY reason ORDER BY reason"
        )
        found = query_where(db, sql, self.selection.where)
        names = list(reasons)
        return {names[reason]: rows for reason, rows in found}

    def _used(self, db: Database, columns: dict[str, str]) -> dict[str, str]:
        """The columns that at least one row has, of name -> SQL condition. The rows of all splits
        are counted, so that every split has the same columns."""
        if not columns:
            return {}
        whole = replace(self, selection=replace(self.selection, share=(0.0, 1.0)))
        counted = ", ".join(f"count(*) FILTER ({such})" for such in columns.values())
        [found] = db.all(f"SELECT {counted} FROM {whole._source(0, 1 << 62)}")
        return {name: of for (name, of), rows in zip(columns.items(), found, strict=True) if rows}

    def _late(self, db: Database, path: Path, where: str, columns: dict[str, str]) -> list[str]:
        """The columns that are empty in the first 10 MiB of a JSONL file and not after them."""
        if path.stat().st_size <= _CHUNK or not columns:
            return []
        source = f"{self._source(0, 1 << 62)} WHERE {where}"
        firsts = ", ".join(f'min("row") FILTER ({such})' for such in columns.values())
        [found] = db.all(f"SELECT {firsts} FROM {source}")
        with path.open("rb") as file:
            begun = sum(1 for _ in _lines_until(file, _CHUNK)) // self._rows_each
        numbers = f'SELECT "row" FROM {source} ORDER BY "row" LIMIT 1 OFFSET {begun}'
        [behind, *_] = [*db.numbers(numbers), 1 << 62]
        return [
            name for name, first in zip(columns, found, strict=True) if first and first >= behind
        ]

    def _source(self, low: int, high: int) -> str:
        """The selected rows from `low` to `high`, as a subquery."""
        selection = self.selection
        within = f'"row" BETWEEN {low} AND {high}'
        parts = [within]
        journey = []
        if selection.where is not None:
            journey.append(f"(\n{selection.where}\n)")
        if selection.min_p_good:
            journey.append(f"coalesce(p_good, 1) >= {float(selection.min_p_good)}")
        if journey:
            such = f'SELECT "row" FROM journey WHERE {within} AND {" AND ".join(journey)}'
            parts.append(f'"row" IN ({such})')
        left, right = (bisect_left(selection.without, edge) for edge in (low, high + 1))
        if without := selection.without[left:right]:
            parts.append(f'"row" NOT IN ({", ".join(map(str, without))})')
        if selection.share != (0.0, 1.0):
            low_share, high_share = selection.share
            parts.append(f"{_SHARE} >= {low_share!r} AND {_SHARE} < {high_share!r}")
        whole = '"row", source, line, dataset, license, tools, old_turns, agrees, obeys, checks'
        columns = f"SELECT {whole}, {_COLUMNS[self.variant]}"
        released = "released"
        if self.is_pairs and selection.pairs:
            columns += f", {_MADE} AS made, no_pair"
            released += ' LEFT JOIN made_pairs USING ("row")'
        elif self.is_pairs and selection.prefer == "judged":
            columns += ", judged"
            released += ' LEFT JOIN judgements USING ("row")'
        source = f"({columns} FROM {released} WHERE {' AND '.join(parts)})"
        if self.fold_system:
            source = f"(SELECT * EXCLUDE (system, turns), {_FOLDED} FROM {source})"
        if self.is_pairs:
            pair = layouts.PAIRS[selection.pairs or selection.prefer]
            source = f"(SELECT *, {pair} AS pair FROM {source})"
        if self.is_pairs and selection.pairs == "conflict":
            source = f"(SELECT * EXCLUDE (turns), {layouts.ASKING} AS turns FROM {source})"
        return source


class Thoughts(NamedTuple):
    """Counts of rows that came with thoughts. `came`: all such rows. `stay`: rows whose written
    turns have some of these thoughts. `all_stay`: rows whose written turns have all of them."""

    came: int
    stay: int
    all_stay: int


def thoughts(db: Database, layout: Format, variant: Variant, selection: Selection) -> Thoughts:
    """See `Store.thoughts`."""
    source = Copy(layout, variant, False, selection)._source(0, 1 << 62)
    condition = layouts.CONDITIONS.get(layout, "true")
    came, stay = (f"len([t FOR t IN {of} IF t.thought <> ''])" for of in ("old_turns", "turns"))
    sql = (
        f"SELECT count(*), count(*) FILTER ({stay} > 0), count(*) FILTER ({stay} >= {came}) "
        f"FROM {source} WHERE {condition} AND {came} > 0"
    )
    [found] = query_where(db, sql, selection.where)
    # A preference pair has no thoughts.
    return Thoughts(found[0], 0, 0) if layout in layouts.PAIR_FORMATS else Thoughts(*found)


@dataclass(frozen=True, slots=True)
class LineageEntry:
    """How many of the rows come from one dataset (its name, or the file's), and the numbers of the
    first and the last of them."""

    dataset: str
    license: str | None
    rows: int
    first: int
    last: int


def lineage(db: Database, layout: Format, selection: Selection) -> list[LineageEntry]:
    """See `Store.lineage`."""
    copy = Copy(layout, "full", False, selection)
    source = f"{copy._source(0, 1 << 62)} WHERE {copy.condition}"
    sql = (
        'SELECT coalesce(dataset, source) AS name, license, count(*), min("row"), max("row") '
        f"FROM {source} GROUP BY ALL ORDER BY 4"
    )
    parts = [LineageEntry(*found) for found in query_where(db, sql, selection.where)]
    imported = (
        f'SELECT count(*), min("row"), max("row") FROM (SELECT "row" FROM {source}) '
        f'JOIN generated USING ("row") WHERE {_IMPORTED}'
    )
    [(rows, *edges)] = db.all(imported)
    return [*parts, LineageEntry(IMPORTED, None, rows, *edges)] if rows else parts


IMPORTED = "phrases from elsewhere"
"""The name in a lineage for rows whose phrases came through `import-tags`: their author is not
known."""

# A model that writes phrases reads a prompt, so it has input tokens, and its raw text is kept only
# where it cannot be parsed. Imported phrases have raw text and no input tokens.
_IMPORTED = "tokens_in = 0 AND raw IS NOT NULL AND dropped IS NULL"


def numbers(db: Database, selection: Selection) -> list[int]:
    """The numbers of the selected finished rows, ascending, whatever pair they make."""
    source = Copy("messages", "full", False, selection)._source(0, 1 << 62)
    return [row for (row,) in query_where(
        db, f'SELECT "row" FROM {source} ORDER BY "row"', selection.where
    )]  # fmt: skip


def instructions(db: Database, copy: Copy) -> Iterator[tuple[int, str]]:
    """See `Store.instructions`."""
    for source in _slices_of(db, copy):
        yield from db.all(f'SELECT "row", old_turns[1].content FROM {source} ORDER BY "row"')


def questions(db: Database, copy: Copy) -> Iterator[tuple[int, str]]:
    """See `Store.questions`."""
    for source in _slices_of(db, copy):
        turns = f'SELECT "row", unnest(old_turns) AS turn FROM {source}'
        yield from db.all(
            f'SELECT "row", turn.content FROM ({turns}) WHERE turn.role = \'user\' ORDER BY "row"'
        )


def _slices_of(db: Database, copy: Copy) -> Iterator[str]:
    """The rows that are copied, slice by slice, each as the text after FROM."""
    query_where(db, f"SELECT 1 FROM {copy._source(0, 0)}", copy.selection.where)
    [(last,)] = db.all('SELECT coalesce(max("row"), 0) FROM responded')
    for low, high in _slices(last, _PARQUET_SLICE):
        yield f"{copy._source(low, high)} WHERE {copy.condition}"


def _labelled(source: str) -> str:
    """The rows twice: for the chosen answer with the label true, and for the rejected one."""
    return f"(SELECT *, unnest([true, false]) AS label FROM {source})"


def _lines_until(file: BinaryIO, size: int) -> Iterator[bytes]:
    """The lines that begin in the first `size` bytes."""
    at = 0
    while at < size and (line := file.readline()):
        at += len(line)
        yield line


def _slices(last: int, size: int) -> Iterator[tuple[int, int]]:
    """The first and last row number of each slice. There is at least one slice, so that a file
    without rows has its columns."""
    return ((low, low + size - 1) for low in range(1, max(last, 1) + 1, size))
