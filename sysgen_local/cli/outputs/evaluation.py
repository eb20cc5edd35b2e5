"""What test sets, benchmarks, studies and trainings print with `--json`."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from sysgen_local.cli.outputs.form import Output


class TestSet(Output):
    """A test set of held-out rows. The keys of the three objects are the kinds of item, obey, plain
    and so on."""

    path: str
    held_out: float
    """The share of the rows that is held out."""
    looked_at: int
    """Rows that are held out."""
    items: dict[str, int]
    checks: dict[str, dict[str, int]]
    """Kind of check -> how many."""
    left_out: dict[str, dict[str, int]]
    """Why other held-out rows gave no item of this kind -> rows."""


class Table(Output):
    title: str
    columns: list[str]
    rows: list[list[str]]
    notes: list[str]


class Study(Output):
    tables: list[Table]


class Scores(BaseModel):
    """The scores of a benchmark, with the keys of its official code."""

    model_config = ConfigDict(extra="allow")

    counts: dict[str, int]


class KindCount(Output):
    met: int
    of: int


class Asked(Output):
    """How many questions have marks, and why others have none."""

    all: int
    judged: int
    failed: dict[str, int]
    """Reason -> questions."""
    pending: int
    """Questions that wait for more free memory."""
    answers_cut_off: int


class Ungraded(Output):
    """A question without marks."""

    id: str
    reason: str
    why: str


class OwnScores(Output):
    """The scores of a test set. A share is null if nothing was to be checked."""

    phrases: float | None
    """Demands met, of all demands."""
    items: float | None
    """Obey items with all demands met."""
    result: float | None
    """Obey items whose answer agrees with the original, of those where a rule can compare them."""
    plain: float | None
    """The same of plain items."""
    conflict: float | None = None
    """Conflict items with all demands met. It and the next five are there where the file has such
    items."""
    conflict_drop: float | None = None
    """The share of the same demands met in their aligned items, less that of the conflict items."""
    distract: float | None = None
    """Distract items with all demands met."""
    distract_drop: float | None = None
    """The share of their aligned items with all demands met, less that of the distract items."""
    turns: float | None = None
    """Answers of turns items that meet all demands."""
    last_turn: float | None = None
    """The same of last answers."""
    read: float | None = None
    """Phrases that the judge found followed, of those that it read."""
    cut_off: float | None
    """Answers cut off by the limit of tokens, of all items."""
    empty: float | None
    looping: float | None
    echo: float | None
    """Answers that repeat the system message."""
    kinds: dict[str, KindCount]
    """Kind of check of a phrase -> how many were met."""
    conflict_kinds: dict[str, KindCount] = Field(default_factory=dict)
    """The same of conflict items."""
    agreement: dict[str, KindCount]
    """The same of checks against the original answer."""
    counts: dict[str, int]
    questions: Asked
    ungraded: list[Ungraded]


class HarnessResults(BaseModel):
    """The results of lm-evaluation-harness, with its keys."""

    model_config = ConfigDict(extra="allow")

    model: str
    results: dict[str, dict[str, Any]]


class Trained(Output):
    """A training. `loss` is the mean of the last tenth of the steps, in nats a learned token.
    `finished` is false where it was stopped: the same command takes it up again."""

    folder: str
    finished: bool
    steps: int
    loss: float | None
    held_out_loss: float | None
    files: list[str]
