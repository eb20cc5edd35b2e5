"""What `sysgen judge --trust` prints with `--json`."""

from __future__ import annotations

from sysgen_local.cli.outputs.form import Output


class Interval(Output):
    """A number with its 95 % interval; null where there are too few labels for it."""

    value: float | None
    low: float | None
    high: float | None


class Agreed(Output):
    """On how many things both say the same; `kappa` is Cohen's. The intervals know that the phrases
    of a row belong together."""

    cases: int
    agreed: int
    share: float | None
    low: float | None
    high: float | None
    kappa: Interval


class ReliabilityBin(Output):
    """The labels of things whose probability is in this tenth: the mean probability, and the share
    that people call good (of pairs: whose new answer they call better)."""

    start: float
    end: float
    cases: int
    p: float | None
    share: float | None
    low: float | None
    high: float | None


class Order(Output):
    """The influence of the order on a judge of pairs."""

    pairs: int
    flipped: int
    """Pairs on which the verdict changes with the order."""
    share: float | None
    low: float | None
    high: float | None
    first: float | None
    """The share of choices of the answer shown first; one half if the order has no influence."""


class TrustedJudge(Output):
    """A judge beside people. Of labels, those of a random sample count; where several people
    labelled a thing, the word of most of them, else that of the first."""

    judge: str
    prompt_set: str
    of: str
    """phrase (the verdicts of phase 3) or pair (old and new answers)."""
    cases: int
    """Things with a label that counts."""
    divided: int
    """Things on which reviewers are divided."""
    enough: bool
    """Whether there are enough cases to say anything."""
    more: int
    """About how many more labels narrow the interval of the agreement to +-5 points."""
    agreement: Agreed
    kept: Agreed
    """The same where only good or not counts (of pairs: new or not)."""
    auc: Interval
    calibration_error: Interval
    bins: list[ReliabilityBin]
    verdicts: dict[str, dict[str, int]]
    """What people said -> what the judge said -> cases."""
    by_tag: dict[str, Agreed]
    order: Order | None
    """null for phrases."""


class AgreedReviewers(Agreed):
    """Two reviewers, on what both labelled."""

    of: str
    reviewers: list[str]


class LabelCount(Output):
    all: int
    asked_for_doubt: int
    """Asked because the judge was unsure: no random sample, so they do not count."""
    unclear: int
    """Without an opinion."""
    outdated: int
    """About phrases or answers that have no verdict now."""


class Trust(Output):
    """With --trust."""

    judges: list[TrustedJudge]
    reviewers: list[AgreedReviewers]
    labels: dict[str, LabelCount]
