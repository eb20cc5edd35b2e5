"""The forms of single rows: `show` and `try`."""

from __future__ import annotations

from typing import Any, Literal

from sysgen_local.cli.outputs.form import Output, Phase, State
from sysgen_local.cli.outputs.stats import RejectPlace


class Phrase(Output):
    tag: str
    text: str


class JudgedPhrase(Phrase):
    label: Literal["good", "bad", "none"]
    good: float
    bad: float
    none: float


class RemovedPhrase(Phrase):
    reason: str


class OneCheck(Output):
    turn: int
    """The assistant's turn, from 1."""
    kind: str
    text: str
    by: str
    p: float
    detail: str


class OtherAnswer(Output):
    """An answer that was not taken."""

    turn: int
    content: str
    shown: bool
    """Whether the original answer was in its prompt."""
    agrees: float | None
    obeys: float | None
    fault: str


class RowResult(Output):
    """One row with the results of all phases."""

    row: int
    source: str
    line: int
    dataset: str
    state: State
    phase: Phase | None
    """The phase that dropped the row, or the one that it waits for."""
    reason: str | None
    old_system: str | None
    old: list[dict[str, Any]]
    """The turns as they came: `role`, `content`, and other keys of messages."""
    system: str | None
    new: list[dict[str, Any]]
    raw: str | None
    """What the model wrote in phase 1, where it could not be read."""
    verdicts: list[JudgedPhrase]
    removed: list[RemovedPhrase]
    agrees: bool | None
    obeys: float | None
    tries: int | None
    checks: list[OneCheck]
    attempts: list[OtherAnswer]
    tokens_in: int
    tokens_decoded: int | None
    """Tokens of `tokens_in` that were not in the KV cache and had to be computed; null if that is
    not known."""
    tokens_out: int
    seconds: float


class ShownRow(RowResult):
    review: Literal["accepted", "rejected", "edited"] | None
    """What a person decided."""
    stale: bool
    """Whether the answer was written under another system message than the row has now."""


class RejectedRow(RejectPlace):
    raw: str
    """The text of the row."""


class Shown(Output):
    db: str
    rows: list[ShownRow]
    rejected: list[RejectedRow]
    """With --rejected; else empty."""


class TriedRow(RowResult):
    """One line of the output for each row and combination."""

    combination: str
    model: str
    prompts: str
