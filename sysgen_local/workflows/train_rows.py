"""The rows of a training: written to its folder, turned into tokens, and told about."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sysgen_local.core.counted import counted
from sysgen_local.core.errors import UsageError
from sysgen_local.core.settings import Share
from sysgen_local.exporting import ExportOptions, license_of
from sysgen_local.store import Store, Variant
from sysgen_local.training.examples import WHY_LEFT_OUT, Encoded, WhenLong, encoder_of
from sysgen_local.training.folder import HELD_OUT, TRAIN
from sysgen_local.workflows.export import write_with_card
from sysgen_local.workflows.train_base import Base

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class TrainData:
    """Which rows are trained on. `held_out` and `test` are the shares of instructions that are not:
    the loss is measured on the first, the second is left alone for a test set. `permissive_only`
    refuses rows, generators and a base whose licence asks for more than credit."""

    variant: Variant = "full"
    where: str | None = None
    held_out: Share = 0.05
    test: Share = 0.0
    permissive_only: bool = False


@dataclass(frozen=True, slots=True)
class TrainRows:
    """The examples, and the SHA-256 of each file of rows."""

    training: Encoded
    held_out: Encoded
    digests: dict[str, str]


def require_permission(data: TrainData, base: Base) -> None:
    """Raises UsageError where only permissive licences are wanted and the base has another one. The
    export asks the same of the rows and of the models that wrote them."""
    found = license_of(base.license)
    if data.permissive_only and found.kind != "permissive":
        raise UsageError(
            f"not permissive: the base {base.name} is under {found.id}", hint="train another base"
        )


def write_rows(
    store: Store, folder: Path, data: TrainData, base: Path, limit: int, when_long: WhenLong,
    say: Say,
) -> TrainRows:  # fmt: skip
    """Writes the rows into the folder, and their examples for the GGUF `base`. `limit` is the most
    tokens of one. Raises UsageError where no row is left."""
    if data.held_out + data.test >= 1:
        raise UsageError("nothing is left to train on: the shares held out sum to 1 or more")
    _export(store, folder, data, say)
    with encoder_of(base) as encoder:
        training = encoder.encode(_rows(folder, TRAIN), limit, when_long)
        held_out = encoder.encode(_rows(folder, HELD_OUT), limit, when_long)
        for line in _found(training, held_out, limit, encoder.has_system, encoder.closing):
            say(line)
    if not training.examples:
        raise UsageError(
            f"no rows of {store.path} are left to train on",
            hint="`sysgen stats` shows how many are final; see --where, --max-length",
        )
    if data.held_out and not held_out.examples:
        say("no row is held out, there are so few: --held-out takes a larger share")
    digests = {name: _digest(folder / f"{name}.jsonl") for name in (TRAIN, HELD_OUT)}
    return TrainRows(training, held_out, digests)


def _export(store: Store, folder: Path, data: TrainData, say: Say) -> None:
    """Writes the rows as messages: those to train on, and those held out."""
    shares = {TRAIN: 1 - data.held_out - data.test, HELD_OUT: data.held_out}
    options = ExportOptions(
        variant=data.variant,
        where=data.where,
        splits={name: share for name, share in shares.items() if share > 0},
        permissive_only=data.permissive_only,
    )
    files = write_with_card(store, folder / "rows.jsonl", options, say=say)
    for file in files.files:
        file.path.rename(folder / f"{file.split}.jsonl")
    if files.card_path:
        files.card_path.rename(folder / "README.md")
    for name in shares:
        (folder / f"{name}.jsonl").touch()


def _rows(folder: Path, name: str) -> Iterator[dict[str, Any]]:
    with (folder / f"{name}.jsonl").open(encoding="utf-8") as file:
        yield from map(json.loads, file)


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _found(
    training: Encoded, held_out: Encoded, limit: int, has_system: bool, closing: str
) -> Iterator[str]:
    """What was found out of the rows, in lines."""
    if training.examples:
        yield (
            f"{counted(training.trained, 'row')} to train on, {held_out.trained:,} held out; "
            f"{training.tokens:,} tokens, of which the {training.learned:,} of the answers are "
            "learned"
        )
        yield (
            f"every learned token was decoded again: {counted(training.answers, 'answer')}, each "
            f"with its end {closing.strip()}"
        )
    for why, rows in (training.left_out + held_out.left_out).items():
        over = f" of {limit:,} tokens" if why == "too_long" else ""
        yield f"left out: {counted(rows, 'row')} {WHY_LEFT_OUT[why]}{over}"
    if cut := training.cut + held_out.cut:
        yield f"cut at {limit:,} tokens: {counted(cut, 'example')}"
    if not has_system:
        yield (
            "the chat template has no system role: system messages stand in the first user turn, "
            "here, in the GGUF and in evaluations"
        )
