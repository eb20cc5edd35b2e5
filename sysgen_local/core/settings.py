"""The options of a run as the user gave them. It imports little, so that `--help` is fast."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Interval

Turns = Literal["all", "first"]
"""The assistant turns that get a new answer."""

ShowAnswer = Literal["never", "exact", "always"]
"""When the original answer is in the prompt for the new one: never, where the original has a result
or code that must not change (exact), or always."""

ExistingSystem = Literal["replace", "keep", "skip"]
"""What is done with a row that has a system message: replace it by a new one, keep it and write the
answers under it, or skip (reject) the row."""


Share = Annotated[float, Interval(ge=0, le=1)]
Count = Annotated[int, Interval(ge=1)]


@dataclass(frozen=True, slots=True)
class Settings:
    """An option that was not given is None. Then the value in the store's recipe is used, or else
    the default."""

    model: str | None = None
    judge: str | None = None
    prompts: str | None = None
    seed: int | None = None
    temperature: Annotated[float, Interval(ge=0, le=5)] | None = None
    top_p: Share | None = None
    top_k: Annotated[int, Interval(ge=0)] | None = None
    min_p: Share | None = None
    max_answer_tokens: Count | None = None
    turns: Turns | None = None
    keep_truncated: bool | None = None
    show_answer: ShowAnswer | None = None
    check: bool | None = None
    tries: Annotated[int, Interval(ge=1, le=20)] | None = None
    language: str | None = None
    min_p_good: Share | None = None
    existing_system: ExistingSystem | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """How inputs are read. None was not given."""

    mapping: str | Mapping[str, str] | None = None
    """Where to find what in rows of a shape of their own: "instruction=KEY,answer=KEY", or a
    dict of that."""
    license: str | None = None
    split: str | None = None
    encoding: str | None = None
    limit: Count | None = None
    """Only the first so many rows of each input."""
    shard: str | None = None
    """Only the rows of this shard, as "I/N". None: that of the store, else all rows."""
    strict: bool = False
    """The first row that cannot be used ends the reading with an error."""
    appended: bool | None = None
    """Of a file that grew since it was read, the new rows are read. None: whoever is asked says."""
    skip_system: bool | None = None
    """Rows that have a system message are rejected. None: as the input was read before."""
