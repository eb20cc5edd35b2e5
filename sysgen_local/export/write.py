"""Finished rows -> one JSONL or Parquet file, by the ending of its name.

messages: {"messages": [{"role", "content"}, ...]}, the system message first. An assistant's message
that calls tools has "tool_calls" as OpenAI has them, with the arguments as JSON text, and beside
them as its content what was said; results stand under "tool" with "tool_call_id" and "name". What
was meant as a call and is none stays text. sharegpt: {"conversations": [{"from", "value"}, ...],
"system"}, with calls as JSON under "function_call", results under "observation", and what was said
beside calls in "words". All but alpaca carry "tools", a JSON list as text, where any row has them.
alpaca: system, instruction, input, output, history; rows with tool calls have no place in it and
are skipped.
prompt-completion: two lists of messages. dpo: {"prompt", "chosen", "rejected"}, an answer over one
that failed the checks in its place, where there is none over the original one.

With reasoning, the thoughts before answers stand in "reasoning_content" of a message, and in
sharegpt and alpaca before the answer as <think>...</think>. New answers have none, so these are
the thoughts of calls, and of the original answers where a variant has those.

With checks, messages and sharegpt have "agrees", "obeys" and "checks", a list of {"turn", "kind",
"text", "by", "p", "detail"}; one that no row has is left out. With their origin, all formats have
"source", "line" and "row".
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from sysgen_local.core.errors import UsageError
from sysgen_local.core.files import whole
from sysgen_local.store import CHECKED_FORMATS, Format, Selection, Store, Variant

STDOUT = Path("-")
"""Where rows go as JSONL to standard output."""

_ENDINGS = (".jsonl", ".parquet")


@dataclass(frozen=True, slots=True)
class Exported:
    """How many finished rows the file holds, and how many had no place in its format. `split` is
    its name where the rows were split, `late` as in `store.Written`."""

    rows: int
    skipped: int
    path: Path
    split: str | None = None
    late: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to leave, and in what form; `without` are rows to leave out, ascending. `checks`:
    with what was checked of each row's answers; `origin`: with source, line and row; `reasoning`:
    with the thoughts before answers."""

    format: Format = "messages"
    variant: Variant = "full"
    fold_system: bool = False
    where: str | None = None
    min_p_good: float = 0.0
    without: tuple[int, ...] = ()
    checks: bool = False
    origin: bool = False
    reasoning: bool = False


def export(
    store: Store,
    path: Path,
    wish: Wish | None = None,
    *,
    splits: Mapping[str, float] | None = None,
) -> list[Exported]:
    """Write the finished rows to `path` in ascending order, replacing a file that is there; to
    standard output where it is `STDOUT`.

    `splits` is name -> share: rows go into NAME-split files by a hash of their first instruction,
    so that the same question is always in the same split. Without finished rows a file is empty.
    Raises UsageError for an ending, condition or folder that will not do and for checks that
    cannot be given, SysgenError where writing fails.
    """
    check(path)
    wish = wish or Wish()
    if wish.checks:
        can_tell(store, wish.format, wish.variant)
    if path == STDOUT:
        if splits:
            raise UsageError("several splits need several files", hint="name a file with -o")
        return [_print(store, wish)]
    if not splits:
        return [_write(store, path, wish, (0.0, 1.0), None)]
    written = []
    low = 0.0
    for split, share in splits.items():
        high = 1.0 if low + share > 1 - 1e-9 else low + share
        written.append(_write(store, split_path(path, split), wish, (low, high), split))
        low = high
    return written


def _write(
    store: Store, path: Path, wish: Wish, share: tuple[float, float], split: str | None
) -> Exported:
    with whole(path) as part:
        rows, skipped, late = store.copy_final(
            part,
            layout=wish.format,
            variant=wish.variant,
            fold_system=wish.fold_system,
            selection=Selection(wish.where, wish.min_p_good, wish.without, share),
            checks=wish.checks,
            origin=wish.origin,
            reasoning=wish.reasoning,
            parquet=path.suffix.lower() == ".parquet",
        )
    return Exported(rows, skipped, path, split, late)


def write_rejects(store: Store, path: Path, where: str | None = None) -> int:
    """Write the rows of the input that could not be used, in its order: {"file", "line", "reason",
    "detail", "raw"}; how many there were. `where` is over the view `rejected`. Raises as `export`.
    """
    check(path)
    with whole(path) as part:
        return store.copy_rejects(part, where=where, parquet=path.suffix.lower() == ".parquet")


def _print(store: Store, wish: Wish) -> Exported:
    """JSONL to standard output; that its reader has had enough is no error."""
    with tempfile.TemporaryDirectory() as folder:
        written = _write(store, Path(folder, "out.jsonl"), wish, (0.0, 1.0), None)
        try:
            with written.path.open("rb") as file:
                shutil.copyfileobj(file, sys.stdout.buffer)
            sys.stdout.buffer.flush()
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return replace(written, path=STDOUT)


def can_tell(store: Store, form: Format, variant: Variant) -> None:
    """Raises UsageError where it cannot be told what was checked of the answers written so."""
    if form not in CHECKED_FORMATS:
        raise UsageError(
            f"{form} has no place for what was checked",
            hint=f"--checks goes with --format {' or '.join(CHECKED_FORMATS)}",
        )
    if variant != "full":
        raise UsageError(
            f"--variant {variant} writes the original answers, and the new ones were checked",
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


def check(path: Path) -> None:
    """UsageError unless `export` can write there; to be called before a long run."""
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
