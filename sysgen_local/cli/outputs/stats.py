"""The form of `stats`, with what `compare` and `judge` print."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from sysgen_local.cli.outputs.form import Finding, Output, Phase, PhaseCount, Rows, Shard


class PhaseStats(PhaseCount):
    pending: int = 0
    tokens_in: int = 0
    tokens_decoded: int | None = 0
    """Tokens of `tokens_in` that were not in the KV cache and had to be computed; null unless that
    is known of every row."""
    tokens_out: int = 0
    seconds: float = 0.0
    """Model time."""


class TagCount(Output):
    generated: int
    filtered: int
    good: int


class VerdictCount(Output):
    good: int
    bad: int
    none: int
    p_good: list[int]
    """Phrases by tenths of the probability."""


class KindCount(Output):
    looked_at: int
    held: int


class Agreement(Output):
    yes: int
    no: int
    not_checkable: int


class CheckStats(Output):
    kinds: dict[str, KindCount]
    faults: dict[str, int]
    tries: dict[str, int]
    agrees: Agreement
    obeys: float | None
    p_agrees: list[int]
    p_obeys: list[int]


class Spread(Output):
    mean: float | None
    p10: float | None
    p50: float | None
    p90: float | None


class DatasetStats(Output):
    license: str | None
    input: int
    final: int
    dropped: int
    rejected: int
    pending: int
    mean_instruction: float | None
    mean_answer: float | None
    multi_turn: int
    with_system: int


class Recipe(Output):
    fingerprint: str
    facts: dict[str, str]


class RejectPlace(Output):
    path: str
    line: int
    reason: str
    detail: str


class Existing(Output):
    rows: int
    kept: int


class Reviews(Output):
    accepted: int
    rejected: int
    edited: int
    earlier: int
    stale: int


class Preference(Output):
    wins: int
    losses: int
    ties: int
    first: float | None
    rate: float | None
    low: float | None
    high: float | None


class Alignment(Output):
    rows: int
    share: float | None
    low: float | None
    high: float | None
    mean: float | None


class DatasetJudgement(Output):
    preference: Preference | None
    alignment: Alignment | None
    dropped: int


class Judgement(Output):
    """The figures of one judge; dataset "" is all rows."""

    judge: str
    prompt_set: str
    datasets: dict[str, DatasetJudgement]


Measures = Annotated[
    dict[str, dict[str, tuple[float, int]]],
    Field(description='Dataset ("" is all) -> measure -> mean and number of rows.'),
]


class Stats(Output):
    rows: Rows
    shard: Shard | None
    """null if the store holds all rows of its inputs."""
    phases: dict[Phase, PhaseStats]
    rejects: dict[str, int]
    """Reason -> rows of the input."""
    existing_system: Existing
    reviews: Reviews
    tags: dict[str, TagCount]
    """Rows with a phrase under each tag."""
    removed: dict[str, int]
    """Phrases that the filter removed, by reason."""
    verdicts: dict[str, VerdictCount]
    """By tag, and for `all`."""
    checks: CheckStats
    lengths: dict[str, Spread]
    """Characters of `instruction`, `old_answer`, `system`, `new_answer`, and their `ratio`."""
    datasets: dict[str, DatasetStats]
    repairs: dict[str, int]
    """Conversations that were mended, by kind."""
    reasoning: int
    """Rows whose original answers came with thoughts."""
    advice: list[Finding]
    measures: Measures
    recipes: dict[Phase, Recipe]
    judgements: list[Judgement]
    first_rejects: list[RejectPlace]
    other: Stats | None = None
    """The store of --compare, if there is one."""
