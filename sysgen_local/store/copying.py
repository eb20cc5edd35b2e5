"""The finished rows as training files, put together by DuckDB: one set of columns a layout.

A variant says which system message goes with which answer. All variants hold the same rows, so
that models trained on them can be compared (the paper's ablation, section 5).
"""

from __future__ import annotations

import tempfile
from bisect import bisect_left
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO, Literal, NamedTuple, get_args

from sysgen_local.store.database import Database
from sysgen_local.store.rows import chosen

Format = Literal["messages", "sharegpt", "alpaca", "prompt-completion", "dpo"]
FORMATS: tuple[Format, ...] = get_args(Format)
Variant = Literal["full", "system-only", "common", "original"]
VARIANTS: tuple[Variant, ...] = get_args(Variant)
"""full: new system message, new answers. system-only: new system message, original answers.
common: one and the same system message, original answers. original: the rows as they came."""

COMMON = "You are a helpful AI assistant."
"""The system message of the variant `common`."""

_SAID: dict[Variant, str] = {
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
"""The system message before the first instruction, for models without a system role."""

_LISTED = """
    CASE WHEN {0}.role <> 'function_call' OR NOT coalesce(json_valid({0}.content), false) THEN []
         WHEN json_type({0}.content) = 'ARRAY' THEN json_extract({0}.content, '$[*]')
         WHEN json_type({0}.content) = 'OBJECT' THEN [{0}.content::JSON] ELSE [] END"""
_NAMED = "coalesce(c->>'$.function.name', c->>'$.name')"
_CALLS = f"""
    CASE WHEN list_bool_and([{_NAMED} IS NOT NULL FOR c IN ({_LISTED})])
         THEN ({_LISTED}) ELSE [] END
"""
"""The calls in a turn {0}, each as JSON; none where its content is no calls, but text."""

_APART = {
    "tool_calls": f"len([t FOR t IN turns IF t.call <> '' OR t.name <> '' "
    f"OR len({_CALLS.format('t')}) > 0]) > 0",
    "reasoning": "len([t FOR t IN turns IF t.thought <> '']) > 0",
    "words": "len([t FOR t IN turns IF t.words <> '']) > 0",
}
"""What some turns have beside role and content -> the rows that have it."""

_ARGUMENTS = """
    CASE json_type(coalesce(c->'$.function.arguments', c->'$.arguments'))
        WHEN 'VARCHAR' THEN coalesce(c->>'$.function.arguments', c->>'$.arguments')
        ELSE coalesce(c->'$.function.arguments', c->'$.arguments', '{}'::JSON)::VARCHAR END"""
_TOOL_CALLS = f"""
    [{{'id': coalesce(c->>'$.id', printf('call%03d%02d', i, k)), 'type': 'function',
       'function': {{'name': {_NAMED}, 'arguments': {_ARGUMENTS}}}}} FOR c, k IN calls]"""
_BEFORE = "list_max([j FOR j IN range(1, i) IF turns[j].role = 'function_call'])"
_CALLED = f"""
    CASE WHEN t.role = 'observation' THEN coalesce(nullif(t.call, ''),
        CASE WHEN len({_CALLS.format(f"turns[{_BEFORE}]")}) > 0
             THEN printf('call%03d%02d', {_BEFORE}, i - {_BEFORE}) END) END"""
"""The id of the call that a result answers. A call without an id gets one from its place, of nine
letters and digits, as some templates want it."""


def _messages(apart: frozenset[str]) -> str:
    """The turns as OpenAI's messages, with the members that `apart` names."""
    plain = """{'role': CASE t.role WHEN 'function_call' THEN 'assistant'
                                    WHEN 'observation' THEN 'tool' ELSE t.role END,
                'content': """
    if not apart:
        return f"{_HEAD} || [{plain} t.content}} FOR t IN turns]"
    members = []
    if "reasoning" in apart:
        members.append("'reasoning_content': nullif(t.thought, '')")
    said = "t.content"
    if "tool_calls" in apart:
        calls = _CALLS.format("t")
        said = f"""CASE WHEN len({calls}) > 0 THEN t.words
            WHEN t.words <> '' THEN t.words || chr(10) || t.content ELSE t.content END"""
        made = _TOOL_CALLS.replace("calls]", f"({calls})]")
        members += [
            f"'tool_calls': CASE WHEN len({calls}) > 0 THEN {made} END",
            f"'tool_call_id': {_CALLED}",
            "'name': CASE WHEN t.role = 'observation' THEN nullif(t.name, '') END",
        ]
    nothing = ", ".join(f"{member.split(':')[0]}: NULL" for member in members)
    head = _HEAD.replace("system}]", f"system, {nothing}}}]")
    return f"{head} || [{plain} {said}, {', '.join(members)}}} FOR t, i IN turns]"


_HEAD = "CASE WHEN system IS NULL THEN [] ELSE [{'role': 'system', 'content': system}] END"


def _thinking(turn: str) -> str:
    """The content of a turn with its thought before it, as models write it."""
    return (
        f"CASE WHEN {turn}.thought <> '' THEN '<think>' || chr(10) || {turn}.thought || chr(10) || "
        f"'</think>' || chr(10) || chr(10) ELSE '' END || {turn}.content"
    )


def _sharegpt(apart: frozenset[str]) -> str:
    """The turns as ShareGPT has them. There is no place for words beside a call: they stand in a
    key of their own."""
    value = _thinking("t") if "reasoning" in apart else "t.content"
    words = ", 'words': nullif(t.words, '')" if "words" in apart else ""
    return f"""
        [{{'from': CASE t.role WHEN 'user' THEN 'human' WHEN 'assistant' THEN 'gpt'
                               ELSE t.role END,
           'value': {value}{words}}} FOR t IN turns]"""


_TOOLS = """
    CASE WHEN NOT coalesce(json_valid(tools), false) THEN '[]'
         WHEN json_type(tools) = 'ARRAY' THEN tools
         WHEN json_type(tools) = 'OBJECT' THEN '[' || tools || ']' ELSE '[]' END"""
"""A JSON list in every row, as trainers read it; text that is no JSON defines no tool to them.
Never null: readers that learn the columns' types from a file's head would expect null for good."""

_ANSWERS = "[i FOR i IN range(1, len(turns) + 1) IF turns[i].role = 'assistant']"
_FAILED = f"""
    [f FOR f IN [{{'at': ({_ANSWERS})[a.turn], 'content': a.content}} FOR a IN failed]
     IF f.content <> turns[f.at].content
     AND NOT list_has_any([t.role FOR t IN turns[:f.at]], ['function_call', 'observation'])][1]"""
_OLD = """
    CASE WHEN turns[2].role = 'assistant' AND turns[2].content <> old_turns[2].content
        THEN {'at': 2::BIGINT, 'content': old_turns[2].content} END"""
_PAIR = f"coalesce({_FAILED}, {_OLD})"
"""A preference: the place of the turn that is preferred, and the answer over which it is. That is
the first new answer that failed the checks where no tool was called before; without one, of the
first turn the original answer."""

_CHECKS = {
    "agrees": "agrees IS NOT NULL",
    "obeys": "obeys IS NOT NULL",
    "checks": "len(checks) > 0",
}
"""Column of what was checked -> the rows that have it."""

_ORIGIN = {"source": "source", "line": "line", "row": '"row"'}

CHECKED_FORMATS: tuple[Format, ...] = ("messages", "sharegpt")
"""Those that can say what was checked."""


def _columns(layout: Format, apart: frozenset[str], listed: Callable[[str], str]) -> dict[str, str]:
    """Column -> its expression. `listed` makes of a list of structs what the file holds."""
    match layout:
        case "messages":
            return {"messages": listed(_messages(apart))}
        case "sharegpt":
            return {
                "conversations": listed(_sharegpt(apart)), "system": "coalesce(system, '')",
            }  # fmt: skip
        case "alpaca":
            said = _thinking if "reasoning" in apart else "{}.content".format
            return {
                "system": "coalesce(system, '')",
                "instruction": "turns[-2].content",
                "input": "''",
                "output": said("turns[-1]"),
                "history": f"""
                    [[turns[2 * i + 1].content, {said("turns[2 * i + 2]")}]
                     FOR i IN range(len(turns) // 2 - 1)]""",
            }
        case "prompt-completion":
            whole = _messages(apart)
            return {"prompt": listed(f"({whole})[:-2]"), "completion": listed(f"({whole})[-1:]")}
        case "dpo":
            place = "pair.at - CASE WHEN system IS NULL THEN 1 ELSE 0 END"
            return {
                "prompt": listed(f"({_messages(apart)})[:{place}]"),
                "chosen": "[{'role': 'assistant', 'content': turns[pair.at].content}]",
                "rejected": "[{'role': 'assistant', 'content': pair.content}]",
            }


def _as_structs(messages: str) -> str:
    return messages


def _without_nulls(messages: str) -> str:
    """Each as JSON that has only the members that are there."""
    return f"[json_merge_patch('{{}}', to_json(m)) FOR m IN ({messages})]"


_PLACE: dict[Format, str] = {
    # Alpaca knows question and answer only: anything but user, assistant, user, ... is left.
    "alpaca": "[t.role FOR t IN turns] = "
    "flatten([['user', 'assistant'] FOR i IN range(len(turns) // 2)])",
    # A preference is between answers to one prompt.
    "dpo": "pair IS NOT NULL",
}
"""Format -> the rows that have a place in it, where that is not all."""

OUTSIDE: dict[Format, str] = {
    "alpaca": "it knows question and answer only, and these call tools",
    "dpo": "no new answer failed the checks, and their first turn calls a tool, or the new first "
    "answer is the old one",
}
"""Format -> why other rows have none."""

# DuckDB holds an ordered JSON or Parquet copy in memory whole, so it is asked for slices.
_JSON_SLICE = 2_000
_PARQUET_SLICE = 20_000

_PIECE = 10 << 20
"""Bytes of a JSONL file from which the `datasets` library learns the columns' types."""

_SHARE = "md5_number_lower(turns[1].content) / 18446744073709551616.0"
"""A place in [0, 1) that depends on the first instruction alone: the same in every file."""


@dataclass(frozen=True, slots=True)
class Selection:
    """Which of the finished rows: those that meet `where` (SQL over the view `journey`), whose
    good phrases all have at least that probability, that are not among `without` (ascending),
    and whose share lies in [low, high)."""

    where: str | None = None
    min_p_good: float = 0.0
    without: tuple[int, ...] = ()
    share: tuple[float, float] = (0.0, 1.0)


class Written(NamedTuple):
    """How many rows were written, and how many had no place in the format. `late`: columns of a
    JSONL file that are empty throughout its first piece, and so have no type for some readers."""

    rows: int
    skipped: int
    late: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Copy:
    """What is to be written, and how. `checks`: with what was checked of each row's answers;
    `origin`: with where each row came from; `reasoning`: with the thoughts of those answers that
    have one."""

    layout: Format
    variant: Variant
    fold_system: bool
    selection: Selection
    checks: bool = False
    origin: bool = False
    reasoning: bool = False

    @property
    def wanted(self) -> str:
        """The rows that leave, as a subquery's condition in SQL: those that have a place."""
        return _PLACE.get(self.layout, "true")

    def write(self, db: Database, path: Path, *, parquet: bool) -> Written:
        """Write the rows to `path` in ascending order.

        Raises OSError or duckdb's errors where the file cannot be written.
        """
        where = self.wanted
        everything = f'SELECT "row" FROM {self._source(0, 1 << 62)}'
        rows = len(chosen(db, everything, self.selection.where))
        [(kept, with_tools, last)] = db.all(
            f'SELECT count(*), count(tools), coalesce(max("row"), 0) '
            f"FROM {self._source(0, 1 << 62)} WHERE {where}"
        )
        # No tool is called before the answers of a pair, and no new answer has a thought.
        apart = self._there(db, _APART) if self.layout != "dpo" else {}
        if not self.reasoning:
            apart.pop("reasoning", None)
        if self.layout != "sharegpt":
            apart.pop("words", None)
        listed = _as_structs if parquet or not apart else _without_nulls
        columns = _columns(self.layout, frozenset(apart), listed)
        if with_tools and self.layout != "alpaca":
            columns["tools"] = _TOOLS
        if self.fold_system:
            columns.pop("system", None)
        typed = {"history": "len(turns) > 2"} if self.layout == "alpaca" else dict(apart)
        if self.layout == "sharegpt":  # where these are no keys
            typed = {name: such for name, such in apart.items() if name == "words"}
        if self.checks:
            there = self._there(db, _CHECKS)
            columns |= {name: name for name in there}
            typed |= there
        if self.origin:
            columns |= _ORIGIN
        write = write_parquet if parquet else write_json
        slices = _slices(last, _PARQUET_SLICE if parquet else _JSON_SLICE)
        sources: Iterator[str] = (
            f"{self._source(low, high)} WHERE {where}" for low, high in slices
        )
        write(db, path, columns, sources)
        late = () if parquet else tuple(self._late(db, path, where, typed))
        return Written(kept, rows - kept, late)

    def _there(self, db: Database, columns: dict[str, str]) -> dict[str, str]:
        """Those of these columns that a row has: one of all splits, which so have the same."""
        if not columns:
            return {}
        whole = replace(self, selection=replace(self.selection, share=(0.0, 1.0)))
        counted = ", ".join(f"count(*) FILTER ({such})" for such in columns.values())
        [found] = db.all(f"SELECT {counted} FROM {whole._source(0, 1 << 62)}")
        return {name: of for (name, of), rows in zip(columns.items(), found, strict=True) if rows}

    def _late(self, db: Database, path: Path, where: str, columns: dict[str, str]) -> list[str]:
        """Those of these columns that have nothing in them in the first piece of a JSONL file, from
        which readers learn the columns' types."""
        if path.stat().st_size <= _PIECE or not columns:
            return []
        source = f"{self._source(0, 1 << 62)} WHERE {where}"
        firsts = ", ".join(f'min("row") FILTER ({such})' for such in columns.values())
        [found] = db.all(f"SELECT {firsts} FROM {source}")
        with path.open("rb") as file:
            begun = sum(1 for _ in _lines_until(file, _PIECE))
        numbers = f'SELECT "row" FROM {source} ORDER BY "row" LIMIT 1 OFFSET {begun}'
        [behind, *_] = [*db.numbers(numbers), 1 << 62]
        return [
            name for name, first in zip(columns, found, strict=True) if first and first >= behind
        ]

    def _source(self, low: int, high: int) -> str:
        """The rows from `low` to `high` that are asked for, as a subquery."""
        asked = self.selection
        within = f'"row" BETWEEN {low} AND {high}'
        parts = [within]
        journey = []
        if asked.where is not None:
            journey.append(f"(\n{asked.where}\n)")
        if asked.min_p_good:
            journey.append(f"coalesce(p_good, 1) >= {float(asked.min_p_good)}")
        if journey:
            such = f'SELECT "row" FROM journey WHERE {within} AND {" AND ".join(journey)}'
            parts.append(f'"row" IN ({such})')
        left, right = (bisect_left(asked.without, edge) for edge in (low, high + 1))
        if without := asked.without[left:right]:
            parts.append(f'"row" NOT IN ({", ".join(map(str, without))})')
        if asked.share != (0.0, 1.0):
            low_share, high_share = asked.share
            parts.append(f"{_SHARE} >= {low_share!r} AND {_SHARE} < {high_share!r}")
        whole = '"row", source, line, dataset, license, tools, old_turns, agrees, obeys, checks'
        said = f"SELECT {whole}, {_SAID[self.variant]}"
        source = f"({said} FROM released WHERE {' AND '.join(parts)})"
        if self.fold_system:
            source = f"(SELECT * EXCLUDE (system, turns), {_FOLDED} FROM {source})"
        if self.layout == "dpo":
            source = f"(SELECT *, {_PAIR} AS pair FROM {source})"
        return source


class Thoughts(NamedTuple):
    """Rows by the thoughts that they came with. `came`: with any; `stay`: the turns to be written
    hold some, and `all_stay`: all of them."""

    came: int
    stay: int
    all_stay: int


def thoughts(db: Database, layout: Format, variant: Variant, selection: Selection) -> Thoughts:
    """See `Store.thoughts`."""
    source = Copy(layout, variant, False, selection)._source(0, 1 << 62)
    place = _PLACE.get(layout, "true")
    came, stay = (f"len([t FOR t IN {of} IF t.thought <> ''])" for of in ("old_turns", "turns"))
    sql = (
        f"SELECT count(*), count(*) FILTER ({stay} > 0), count(*) FILTER ({stay} >= {came}) "
        f"FROM {source} WHERE {place} AND {came} > 0"
    )
    [found] = chosen(db, sql, selection.where)
    # What is written of a pair has no place for thoughts.
    return Thoughts(found[0], 0, 0) if layout == "dpo" else Thoughts(*found)


@dataclass(frozen=True, slots=True)
class LineageEntry:
    """How many of the rows come from a dataset (its name, or the file's), and which: from the
    first to the last."""

    dataset: str
    license: str | None
    rows: int
    first: int
    last: int


def lineage(db: Database, layout: Format, selection: Selection) -> list[LineageEntry]:
    """See `Store.lineage`."""
    copy = Copy(layout, "full", False, selection)
    source = f"{copy._source(0, 1 << 62)} WHERE {copy.wanted}"
    sql = (
        'SELECT coalesce(dataset, source) AS name, license, count(*), min("row"), max("row") '
        f"FROM {source} GROUP BY ALL ORDER BY 4"
    )
    parts = [LineageEntry(*found) for found in chosen(db, sql, selection.where)]
    imported = (
        f'SELECT count(*), min("row"), max("row") FROM (SELECT "row" FROM {source}) '
        f'JOIN generated USING ("row") WHERE {_IMPORTED}'
    )
    [(rows, *edges)] = db.all(imported)
    return [*parts, LineageEntry(IMPORTED, None, rows, *edges)] if rows else parts


IMPORTED = "phrases from elsewhere"
"""Name of the part of a lineage that `import-tags` brought in; nobody says who wrote them."""

# A model that wrote phrases read a prompt, and what it wrote is kept only where it did not parse.
_IMPORTED = "tokens_in = 0 AND raw IS NOT NULL AND dropped IS NULL"


def instructions(db: Database, copy: Copy) -> Iterator[tuple[int, str]]:
    """See `Store.instructions`."""
    for source in _leaving(db, copy):
        yield from db.all(f'SELECT "row", old_turns[1].content FROM {source} ORDER BY "row"')


def questions(db: Database, copy: Copy) -> Iterator[tuple[int, str]]:
    """See `Store.questions`."""
    for source in _leaving(db, copy):
        turns = f'SELECT "row", unnest(old_turns) AS turn FROM {source}'
        yield from db.all(
            f'SELECT "row", turn.content FROM ({turns}) WHERE turn.role = \'user\' ORDER BY "row"'
        )


def _leaving(db: Database, copy: Copy) -> Iterator[str]:
    """The rows that are copied, a slice at a time, as what stands behind FROM."""
    chosen(db, f"SELECT 1 FROM {copy._source(0, 0)}", copy.selection.where)
    [(last,)] = db.all('SELECT coalesce(max("row"), 0) FROM responded')
    for low, high in _slices(last, _PARQUET_SLICE):
        yield f"{copy._source(low, high)} WHERE {copy.wanted}"


def _lines_until(file: BinaryIO, size: int) -> Iterator[bytes]:
    """The lines that begin in so many bytes."""
    at = 0
    while at < size and (line := file.readline()):
        at += len(line)
        yield line


def _slices(last: int, size: int) -> Iterator[tuple[int, int]]:
    """First and last row of each slice; at least one, so that columns are known without rows."""
    return ((low, low + size - 1) for low in range(1, max(last, 1) + 1, size))


def write_json(db: Database, path: Path, columns: dict[str, str], sources: Iterator[str]) -> None:
    members = ", ".join(f"'{name}': {expression}" for name, expression in columns.items())
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for source in sources:
            lines = db.all(f'SELECT to_json({{{members}}}) FROM {source} ORDER BY "row"')
            file.writelines(f"{line}\n" for (line,) in lines)


def write_parquet(
    db: Database, path: Path, columns: dict[str, str], sources: Iterator[str]
) -> None:
    made = ", ".join(f'{expression} AS "{name}"' for name, expression in columns.items())
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".export-") as folder:
        parts = []
        for i, source in enumerate(sources):
            parts.append(str(Path(folder, f"{i}.parquet")))
            db.do(
                f'COPY (SELECT {made} FROM {source} ORDER BY "row") TO $1 (FORMAT parquet)',
                parts[-1],
            )
        db.do("COPY (FROM read_parquet($2::VARCHAR[])) TO $1 (FORMAT parquet)", str(path), parts)
