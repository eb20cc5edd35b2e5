"""Writes finished rows to JSONL or Parquet. The ending of a file's name decides which; files in a
folder of splits are JSONL.

Formats:

- messages: {"messages": [{"role", "content"}, ...]}, the system message first. An assistant message
  that calls tools has "tool_calls" in OpenAI's form, with the arguments as JSON text; its content
  is the text beside the calls. A tool's result has the role "tool", "tool_call_id" and "name". Text
  that looks like a call but is not valid stays text.
- sharegpt: {"conversations": [{"from", "value"}, ...], "system"}. Calls are JSON under
  "function_call", results are under "observation", the text beside calls is in "words".
- alpaca: system, instruction, input, output, history. Rows with tool calls do not fit into it and
  are skipped.
- prompt-completion: two lists of messages.
- dpo: {"prompt", "chosen", "rejected"}. By default the chosen answer is the new one; the rejected
  answer is one of the same row that failed the checks, or the original answer if there is none.
  `prefer` has other rules: see `store.layouts.PREFERENCES`. With `pairs` rules choose both answers
  (see `core.pairs`), and "broken" lists what the rejected one does not do.
- kto: {"prompt", "completion", "label"}, two rows for each pair: the chosen answer with the label
  true, the rejected one with false. "broken" is there as in dpo.

All formats except alpaca have "tools", a JSON list as text, if any row has tools. With `tools`
"objects" it is a list, null in rows without tools, and the arguments of calls are objects.

With `reasoning`, the reasoning before an answer is in a message's "reasoning_content"; in sharegpt
and alpaca it stands before the answer as <think>...</think>. New answers have no reasoning, so it
comes from calls, and from original answers if the variant contains them.

With `checks`, messages and sharegpt have "agrees", "obeys" and "checks", a list of {"turn", "kind",
"text", "by", "p", "detail"}; a column without any value is left out. With `origin`, all formats
have "source", "line" and "row".
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from sysgen_local.core.errors import UsageError
from sysgen_local.core.files import whole
from sysgen_local.core.pairs import PairRule
from sysgen_local.core.settings import Share
from sysgen_local.exporting.output import ALL, STDOUT, Output
from sysgen_local.store import (
    CHECKED_FORMATS,
    OBJECT_FORMATS,
    PAIR_FORMATS,
    Format,
    Prefer,
    Selection,
    Store,
    Variant,
)

ToolForm = Literal["text", "objects"]


@dataclass(frozen=True, slots=True)
class Exported:
    """One written file: how many rows it holds, and why others do not fit the format -> how
    many. `split` is the split's name if there are splits; `late` as in
    `store.Written`."""

    rows: int
    left_out: Mapping[str, int]
    path: Path
    split: str | None = None
    late: tuple[str, ...] = ()

    @property
    def skipped(self) -> int:
        """How many rows do not fit the format."""
        return sum(self.left_out.values())


@dataclass(frozen=True, slots=True)
class ExportOptions:
    """All options of an export, as the user gave them.

    `prefer` is how the answers of a preference pair (dpo, kto) are chosen; with `pairs`, rules
    choose them.
    `splits` is name -> share; `sources` are the inputs to take rows from (empty: all). `checks`
    adds the columns of the checks, `origin` those of the source, `reasoning` the reasoning before
    answers. `tools` is how tools and the arguments of calls are written: as JSON text, as OpenAI's
    API has arguments, or as objects, as most chat templates read them. `dedupe` leaves out
    near-duplicates, `exclude` rows that resemble a prompt of these benchmark files.
    `permissive_only` refuses licences that ask for more than credit.
    """

    format: Format = "messages"
    variant: Variant = "full"
    prefer: Prefer = "new"
    pairs: PairRule | None = None
    fold_system: bool = False
    splits: Mapping[str, float] | None = None
    sources: tuple[str, ...] = ()
    where: str | None = None
    min_p_good: Share = 0.0
    checks: bool = False
    origin: bool = False
    reasoning: bool = False
    tools: ToolForm = "text"
    dedupe: bool = False
    exclude: tuple[Path, ...] = ()
    permissive_only: bool = False

    def selection(self) -> Selection:
        """The rows that meet the conditions, duplicates included."""
        share = min(1.0, sum(self.splits.values())) if self.splits else 1.0
        return Selection(
            self.where, self.min_p_good, share=(0.0, share), prefer=self.prefer, pairs=self.pairs
        )


def export(
    store: Store,
    path: str | Path,
    options: ExportOptions | None = None,
    without: Sequence[int] = (),
) -> list[Exported]:
    """Writes the finished rows to `path` in ascending order and replaces a file that is there.

    `STDOUT` as the path prints them. `without` are the numbers of rows to leave out, ascending.
    With splits, each row goes into the file NAME-split by a hash of its first instruction, so
    that the same question is always in the same split. A path that `Output` takes for a folder gets
    SPLIT.jsonl for each split, without splits train.jsonl. Without finished rows a file is empty.

    The options `sources`, `dedupe`, `exclude` and `permissive_only` have no effect here: the caller
    applies them before (see `sysgen_local.cli.export`). With `pairs`, it is called inside of
    `Store.paired`.

    Raises UsageError for an ending, a condition or a folder that cannot be used and for checks or
    pairs that the store does not have, SysgenError if writing fails.
    """
    options = options or ExportOptions()
    output = Output.named(path)
    output.check(options.splits or (), card=False)
    refuse_input(store, output, options.splits or ())
    require_results(store, options)
    if options.tools == "objects":
        _require_objects(options.format, output)
    if output.to_stdout:
        if options.splits:
            raise UsageError("several splits need several files", hint="name a file with -o")
        return [_print(store, options, without)]
    output.make()
    splits = options.splits or (ALL if output.folder else None)
    if not splits:
        return [_write(store, output.path, options, without, (0.0, 1.0), None)]
    written = []
    low = 0.0
    for split, share in splits.items():
        high = 1.0 if low + share > 1 - 1e-9 else low + share
        file = output.file(split)
        written.append(_write(store, file, options, without, (low, high), split))
        low = high
    return written


def _write(
    store: Store,
    path: Path,
    options: ExportOptions,
    without: Sequence[int],
    share: tuple[float, float],
    split: str | None,
) -> Exported:
    with whole(path) as part:
        rows, left_out, late = store.copy_final(
            part,
            layout=options.format,
            variant=options.variant,
            fold_system=options.fold_system,
            selection=replace(options.selection(), without=tuple(without), share=share),
            checks=options.checks,
            origin=options.origin,
            reasoning=options.reasoning,
            objects=options.tools == "objects",
            parquet=path.suffix.lower() == ".parquet",
        )
    return Exported(rows, left_out, path, split, late)


def write_rejects(store: Store, path: str | Path, where: str | None = None) -> int:
    """Writes the rejected rows of the input in its order: {"file", "line", "reason", "detail",
    "raw"}. Returns how many. `where` is a condition over the view `rejected`. Raises as `export`,
    and UsageError for a folder.
    """
    output = Output.named(path)
    if output.folder:
        raise UsageError(f"{output.path} is a folder", hint="name a file for the rejected rows")
    output.check()
    refuse_input(store, output)
    path = output.path
    with whole(path) as part:
        return store.copy_rejects(part, where=where, parquet=path.suffix.lower() == ".parquet")


def _print(store: Store, options: ExportOptions, without: Sequence[int]) -> Exported:
    """Writes JSONL to standard output. A reader that closes the pipe early is not an error."""
    with tempfile.TemporaryDirectory() as folder:
        written = _write(store, Path(folder, "out.jsonl"), options, without, (0.0, 1.0), None)
        try:
            with written.path.open("rb") as file:
                shutil.copyfileobj(file, sys.stdout.buffer)
            sys.stdout.buffer.flush()
        except BrokenPipeError:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, sys.stdout.fileno())
            os.close(nowhere)
    return replace(written, path=STDOUT)


def require_results(store: Store, options: ExportOptions) -> None:
    """Raises UsageError if these options or this store give no columns of checks or no preference
    pairs where these are asked for."""
    if options.checks:
        _require_checks(store, options)
    if options.format in PAIR_FORMATS:
        _require_pairs(store, options)
        return
    given = f"--pairs {options.pairs}" if options.pairs else f"--prefer {options.prefer}"
    if options.pairs or options.prefer != "new":
        raise UsageError(
            f"{given} chooses between two answers, and {options.format} holds one",
            hint=f"{given.split()[0]} goes with --format {' or '.join(PAIR_FORMATS)}",
        )


def _require_objects(layout: Format, output: Output) -> None:
    if layout not in OBJECT_FORMATS:
        raise UsageError(
            f"{layout} has no place for tools as objects",
            hint=f"--tools objects goes with --format {', '.join(OBJECT_FORMATS)}",
        )
    if not output.folder and output.path.suffix.lower() == ".parquet":
        raise UsageError(
            "in a Parquet file all values of a column have one type, and tools differ",
            hint="write .jsonl, or leave --tools objects off",
        )


def _require_pairs(store: Store, options: ExportOptions) -> None:
    if options.variant != "full":
        raise UsageError(
            f"--variant {options.variant} makes no pair: it has only the original answers, and a "
            "pair needs a new one too",
            hint=f"leave --variant or --format {options.format} off",
        )
    if options.pairs and options.prefer != "new":
        raise UsageError(
            f"--pairs {options.pairs} and --prefer {options.prefer} both say which answers make a "
            "pair",
            hint="leave one of them off",
        )
    if options.pairs == "best-worst" and "check" not in store.phases:
        raise UsageError(
            f"--pairs best-worst makes no pair: the answers in {store.path} were not checked, so "
            "each turn has one",
            hint=f"`sysgen check --db {store.path}` does it; or --pairs obey-violate",
        )
    if options.prefer == "checked" and "check" not in store.phases:
        raise UsageError(
            f"--prefer checked makes no pair: the answers in {store.path} were not checked",
            hint=f"`sysgen check --db {store.path}` does it",
        )
    if options.prefer == "judged" and not any(of["pairs"] for of in store.judgements()):
        raise UsageError(
            f"--prefer judged makes no pair: no judge has compared the answers in {store.path}",
            hint=f"`sysgen judge --db {store.path}` does it",
        )


def _require_checks(store: Store, options: ExportOptions) -> None:
    if options.format not in CHECKED_FORMATS:
        raise UsageError(
            f"{options.format} has no place for what was checked",
            hint=f"--checks goes with --format {' or '.join(CHECKED_FORMATS)}",
        )
    if options.variant != "full":
        raise UsageError(
            f"--variant {options.variant} writes the original answers, "
            "and the new ones were checked",
            hint="leave --checks or --variant off",
        )
    if "check" not in store.phases:
        raise UsageError(
            f"the answers in {store.path} were not checked",
            hint=f"`sysgen check --db {store.path}` does it; or leave --checks off",
        )


def refuse_input(store: Store, output: Output, splits: Iterable[str] = ()) -> None:
    """Raises UsageError if rows of the store were read from a file that would be replaced."""
    if output.to_stdout:
        return
    for path in (output.path, *output.files(splits)):
        if store.is_input(path):
            raise UsageError(
                f"{path} is an input of {store.path}, and would be replaced",
                hint="name another file with -o",
            )
