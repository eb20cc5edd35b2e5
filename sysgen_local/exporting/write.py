"""Writes finished rows to one JSONL or Parquet file. The ending of the name decides which.

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
- dpo: {"prompt", "chosen", "rejected"}. The rejected answer is one of the same row that failed the
  checks, or the original answer if there is none.

All formats except alpaca have "tools", a JSON list as text, if any row has tools.

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
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from sysgen_local.core.errors import UsageError
from sysgen_local.core.files import whole
from sysgen_local.core.settings import Share
from sysgen_local.store import CHECKED_FORMATS, Format, Selection, Store, Variant

STDOUT = Path("-")
"""The path that stands for standard output, as JSONL."""

_ENDINGS = (".jsonl", ".parquet")


@dataclass(frozen=True, slots=True)
class Exported:
    """One written file: how many rows it holds, and how many were `skipped` because they do not fit
    the format. `split` is the split's name if there are splits; `late` as in `store.Written`."""

    rows: int
    skipped: int
    path: Path
    split: str | None = None
    late: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ExportOptions:
    """All options of an export, as the user gave them.

    `splits` is name -> share; `sources` are the inputs to take rows from (empty: all). `checks`
    adds the columns of the checks, `origin` those of the source, `reasoning` the reasoning before
    answers. `dedupe` leaves out near-duplicates, `exclude` rows that resemble a prompt of these
    benchmark files. `permissive_only` refuses licences that ask for more than credit.
    """

    format: Format = "messages"
    variant: Variant = "full"
    fold_system: bool = False
    splits: Mapping[str, float] | None = None
    sources: tuple[str, ...] = ()
    where: str | None = None
    min_p_good: Share = 0.0
    checks: bool = False
    origin: bool = False
    reasoning: bool = False
    dedupe: bool = False
    exclude: tuple[Path, ...] = ()
    permissive_only: bool = False

    def selection(self) -> Selection:
        """The rows that meet the conditions, duplicates included."""
        share = min(1.0, sum(self.splits.values())) if self.splits else 1.0
        return Selection(self.where, self.min_p_good, share=(0.0, share))


def export(
    store: Store, path: Path, options: ExportOptions | None = None, without: Sequence[int] = ()
) -> list[Exported]:
    """Writes the finished rows to `path` in ascending order and replaces a file that is there.

    `STDOUT` as the path prints them. `without` are the numbers of rows to leave out, ascending.
    With splits, each row goes into the file NAME-split by a hash of its first instruction, so
    that the same question is always in the same split. Without finished rows the file is empty.

    The options `sources`, `dedupe`, `exclude` and `permissive_only` have no effect here: the caller
    applies them before (see `sysgen_local.cli.export`).

    Raises UsageError for an ending, a condition or a folder that cannot be used and for checks
    that the store does not have, SysgenError if writing fails.
    """
    check_output(path)
    options = options or ExportOptions()
    if options.checks:
        require_checks(store, options)
    if path == STDOUT:
        if options.splits:
            raise UsageError("several splits need several files", hint="name a file with -o")
        return [_print(store, options, without)]
    if not options.splits:
        return [_write(store, path, options, without, (0.0, 1.0), None)]
    written = []
    low = 0.0
    for split, share in options.splits.items():
        high = 1.0 if low + share > 1 - 1e-9 else low + share
        file = split_path(path, split)
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
        rows, skipped, late = store.copy_final(
            part,
            layout=options.format,
            variant=options.variant,
            fold_system=options.fold_system,
            selection=Selection(options.where, options.min_p_good, tuple(without), share),
            checks=options.checks,
            origin=options.origin,
            reasoning=options.reasoning,
            parquet=path.suffix.lower() == ".parquet",
        )
    return Exported(rows, skipped, path, split, late)


def write_rejects(store: Store, path: Path, where: str | None = None) -> int:
    """Writes the rejected rows of the input in its order: {"file", "line", "reason", "detail",
    "raw"}. Returns how many. `where` is a condition over the view `rejected`. Raises as `export`.
    """
    check_output(path)
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


def require_checks(store: Store, options: ExportOptions) -> None:
    """Raises UsageError if these options or this store give no columns of checks."""
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


def split_path(path: Path, split: str) -> Path:
    """data.jsonl, test -> data-test.jsonl"""
    return path.with_name(f"{path.stem}-{split}{path.suffix}")


def check_output(path: Path) -> None:
    """Raises UsageError if `export` cannot write there. To be called before a long run."""
    if path == STDOUT:
        return
    if path.suffix.lower() not in _ENDINGS:
        raise UsageError(
            f"{path} has an ending that is not known here",
            hint="end it in .jsonl or .parquet",
        )
    folder = path.parent
    if path.is_dir():
        raise UsageError(f"{path} is a folder", hint="name a file in it")
    if not folder.is_dir():
        raise UsageError(f"The folder {folder} does not exist", hint=f"mkdir -p {folder}")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise UsageError(f"The folder {folder} cannot be written to", hint="choose another one")
