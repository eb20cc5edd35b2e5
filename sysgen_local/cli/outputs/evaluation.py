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


class Comparison(Output):
    """A metric of one model beside that of the baseline. A number is null if it cannot be
    computed."""

    benchmark: str
    metric: str
    baseline: str
    model: str
    before: float | None
    """The value of the baseline."""
    after: float | None
    """The value of the model."""
    difference: float | None
    low: float | None
    """`low` to `high` is the 95 % interval of the difference."""
    high: float | None
    questions: int
    """Questions that were graded for both."""
    error: float | None
    """The standard error of the difference."""
    p: float | None
    """The p-value of no difference, of the paired bootstrap."""
    p_holm: float | None
    """The same after Holm's correction for all comparisons of the study."""
    compared: int | None
    """For how many comparisons it is corrected."""
    survives: bool | None
    """Whether the difference is significant after the correction."""
    detectable: float | None
    """The smallest true difference that so many questions show with a probability of 80 %, at the
    level 0.05 and without the correction."""


class Study(Output):
    tables: list[Table]
    comparisons: list[Comparison]


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


class Bounds(Output):
    """The ends of a 95 % interval that knows that the phrases of a row belong together; null where
    there is nothing to tell it from."""

    low: float | None
    high: float | None


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
    intervals: dict[str, Bounds]
    """Metric -> its interval."""
    conflict_kinds: dict[str, KindCount] = Field(default_factory=dict)
    """The same of conflict items."""
    agreement: dict[str, KindCount]
    """The same of checks against the original answer."""
    counts: dict[str, int]
    questions: Asked
    ungraded: list[Ungraded]


class FollowedKind(Output):
    """A kind of instruction."""

    of: int
    strict: int
    """How many were followed."""
    loose: int
    known_fault: str
    """What the rule, which is that of the authors, gets wrong."""


class Accuracies(Output):
    """The accuracies of IFEval, by their names in lm-evaluation-harness. A share is null if there
    was no answer."""

    prompt_level_strict_acc: float | None
    """Prompts with all instructions followed."""
    inst_level_strict_acc: float | None
    """Instructions followed, of all instructions."""
    prompt_level_loose_acc: float | None
    """The same if an answer may also be read without its first line, last line or asterisks."""
    inst_level_loose_acc: float | None


class IFEvalScores(Accuracies):
    """The scores of IFEval."""

    kinds: dict[str, FollowedKind]
    counts: dict[str, int]
    """The counts behind the accuracies; `empty` are answers without a word."""
    intervals: dict[str, Bounds]
    """Accuracy -> its interval."""
    questions: Asked
    ungraded: list[Ungraded]


class TurnScores(Accuracies):
    """The scores of the answers of one turn in one language."""

    overall: float | None
    """The mean of the four accuracies."""
    prompts: int


class MultiIFScores(Output):
    """The scores of Multi-IF."""

    turns: dict[str, dict[str, TurnScores]]
    """Number of the turn -> language, or all_languages -> scores."""
    kinds: dict[str, FollowedKind]
    counts: dict[str, int]
    questions: Asked
    ungraded: list[Ungraded]


class IHEvalScores(Output):
    """The scores of IHEval."""

    overall: dict[str, float | None]
    """Setting -> the mean of the tasks; aligned and conflict minus reference."""
    tasks: dict[str, dict[str, dict[str, dict[str, float] | float]]]
    """Task -> setting -> prompt -> the parts of its score and their average; `average` beside the
    prompts is their mean."""
    kinds: dict[str, FollowedKind]
    counts: dict[str, int]
    questions: Asked
    ungraded: list[Ungraded]


class AdvancedIFScores(Output):
    """The scores of AdvancedIF. A share is null if the file has no such conversation."""

    overall: float | None
    """Answers that meet all rubrics."""
    complex: float | None
    """The same by area: many instructions in one turn,"""
    context: float | None
    """instructions of earlier turns,"""
    system: float | None
    """and instructions of the system message."""
    rubrics: float | None
    """Rubrics met, of all rubrics."""
    intervals: dict[str, Bounds]
    """Share -> its interval."""
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
