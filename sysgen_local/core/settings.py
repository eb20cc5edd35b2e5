"""The options of a run as they were given; cheap to import, so that `--help` is quick."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Turns = Literal["all", "first"]
"""Which assistant turns are answered anew."""

Shown = Literal["never", "exact", "always"]
"""Whether the model sees the original answer when it writes the new one: never, where that one has
a result or code that must not change, or always."""

ExistingSystem = Literal["replace", "keep", "skip"]
"""What becomes of a row that comes with a system message: a new one is made, that one is answered
under, or the row is rejected."""


@dataclass(frozen=True, slots=True)
class Settings:
    """None was not given: what the store was made with, or a default, is taken."""

    model: str | None = None
    judge: str | None = None
    prompts: str | None = None
    seed: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    min_p: float | None = None
    max_answer_tokens: int | None = None
    turns: Turns | None = None
    keep_truncated: bool | None = None
    show_answer: Shown | None = None
    check: bool | None = None
    tries: int | None = None
    language: str | None = None
    min_p_good: float | None = None
    existing_system: ExistingSystem | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """How inputs are read. None was not given."""

    mapping: str | None = None
    """Where to find what in rows of a shape of their own, as "instruction=KEY,answer=KEY"."""
    license: str | None = None
    split: str | None = None
    encoding: str | None = None
    limit: int | None = None
    """Only the first so many rows of each input."""
    strict: bool = False
    """The first row that cannot be used ends the reading with an error."""
    appended: bool | None = None
    """Of a file that grew since it was read, the new rows are read. None: whoever is asked says."""
    skip_system: bool | None = None
    """Rows that have a system message are rejected. None: as the input was read before."""
