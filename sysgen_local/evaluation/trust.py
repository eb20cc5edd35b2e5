"""Whether a judge can be trusted: its verdicts beside what people decided blind.

- Agreement is the share of things on which both say the same. Its interval, as all of them, knows
  that the phrases of one row belong together (`core.intervals.share`). Kappa is agreement beyond
  chance (Cohen 1960, "A coefficient of agreement for nominal scales").
- Calibration: of the phrases that the judge gives a probability of 0.8, people should call 80 %
  good. The expected calibration error is the mean distance of the two over ten bins, weighted by
  their sizes (Naeini et al. 2015, "Obtaining well calibrated probabilities using Bayesian
  binning").
- A judge of pairs sees each pair in both orders. Where its choice changes with the order, it looks
  at the order and not at the answers.

Only labels of things that were drawn by chance count. Those that a person was asked because the
judge was unsure would make every judge look worse than it is.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any, NamedTuple

from sysgen_local.core.intervals import Share, Z, bootstrap, share, trials_for, wilson
from sysgen_local.core.records import TAGS
from sysgen_local.store import Compared, Kind

FEWEST = 20
"""Minimum number of labels that count for a figure."""

NARROW = 0.05
"""Half the width of an interval of the agreement that settles it."""

BINS = 10

UNCLEAR = "unclear"
_GOOD: dict[Kind, str] = {"phrase": "good", "pair": "new"}
"""The word whose probability the judge gives."""
_EVEN = "tie"
"""The word that speaks neither for nor against it: left out of the calibration."""


class Case(NamedTuple):
    """One thing on which people and a judge have both decided. Cases of one `group` (a row) are not
    independent. `p` is the judge's probability of the word in `_GOOD`."""

    group: Hashable
    tag: str | None
    person: str
    judge: str
    p: float


def kappa(pairs: Iterable[tuple[str, str]]) -> float | None:
    """Cohen's kappa of two people or judges: (agreement - chance) / (1 - chance). None without
    pairs, and where both always say the same one word."""
    both = Counter(pairs)
    whole = sum(both.values())
    if not whole:
        return None
    first, second = Counter[str](), Counter[str]()
    for (one, other), n in both.items():
        first[one] += n
        second[other] += n
    chance = sum(first[word] * second[word] for word in first) / whole**2
    agreement = sum(n for (one, other), n in both.items() if one == other) / whole
    return None if chance == 1 else (agreement - chance) / (1 - chance)


def auc(scored: Sequence[tuple[float, bool]]) -> float | None:
    """The area under the ROC curve of (score, is positive): the probability that a positive one has
    a larger score than a negative one. A tie counts half. None unless there are both kinds."""
    positive = [score for score, truth in scored if truth]
    others = sorted(score for score, truth in scored if not truth)
    if not positive or not others:
        return None
    below = sum(bisect_left(others, score) + bisect_right(others, score) for score in positive)
    return below / (2 * len(positive) * len(others))


def bins(scored: Iterable[tuple[float, bool]]) -> list[list[tuple[float, bool]]]:
    """(probability, whether it is so) in ten equal bins of the probability; 1.0 is in the last."""
    found: list[list[tuple[float, bool]]] = [[] for _ in range(BINS)]
    for p, truth in scored:
        found[_place(p)].append((p, truth))
    return found


def _place(p: float) -> int:
    return min(int(p * BINS), BINS - 1)


def calibration_error(scored: Iterable[tuple[float, bool]]) -> float | None:
    """The expected calibration error; None without anything."""
    filled = [of for of in bins(scored) if of]
    whole = sum(map(len, filled))
    gaps = (abs(sum(p for p, _ in of) - sum(truth for _, truth in of)) for of in filled)
    return sum(gaps) / whole if whole else None


def more_needed(of: Share, half_width: float = NARROW) -> int:
    """How many more labels narrow the interval of the agreement to +-`half_width`, if they agree as
    those so far do and come as many from a row. With few labels the share is taken from the middle
    of its interval, so that the first ten that agree do not promise an end."""
    if of.value is None:
        return trials_for(0.5, half_width)
    middle = (of.value + Z * Z / (2 * of.effective)) / (1 + Z * Z / of.effective)
    needed = trials_for(middle, half_width) * of.trials / of.effective
    return max(0, math.ceil(needed - of.trials))


def trust(
    labels: Sequence[Compared],
    judges: Mapping[int, Mapping[str, str]],
    judged: Mapping[int, Sequence[Sequence[float]]],
) -> dict[str, Any]:
    """All figures as plain data. `labels` are those of `Store.compared_labels`; `judges` has the
    facts of every judge by its number, 0 for phase 3; `judged` the two probabilities of every pair
    that a judge compared."""
    return {
        "judges": [_judge(of, facts, labels, judged.get(of, ())) for of, facts in judges.items()],
        "reviewers": _reviewers(labels),
        "labels": _counts(labels),
    }


def _counts(labels: Sequence[Compared]) -> dict[str, dict[str, int]]:
    """Kind -> how many labels there are, and why some do not count."""
    found: dict[str, dict[str, int]] = {}
    for kind in _GOOD:
        # A label of a pair is there once for each judge.
        words = {
            (of.label.reviewer, of.label.thing): of for of in labels if of.label.kind == kind
        }.values()
        found[kind] = {
            "all": len(words),
            "asked_for_doubt": sum(not of.label.random for of in words),
            "unclear": sum(of.label.random and of.label.said == UNCLEAR for of in words),
            "outdated": sum(
                of.label.random and of.label.said != UNCLEAR and of.judge is None for of in words
            ),
        }
    return found


def cases(labels: Iterable[Compared]) -> tuple[list[Case], int]:
    """The labels that count, one case for each thing, and on how many things reviewers are divided.

    Where several have decided, the word of most of them counts, else that of the first. A thing is
    not left out because reviewers are divided: those are the hard ones.
    """
    things: dict[tuple[object, ...], list[Compared]] = {}
    for of in labels:
        if of.label.random and of.label.said != UNCLEAR and of.judge is not None:
            things.setdefault(of.label.thing, []).append(of)
    found, divided = [], 0
    for several in things.values():
        # Words with the same count stand in the order in which they came.
        words = Counter(str(of.label.said) for of in several).most_common()
        divided += len(words) > 1
        one = several[0]
        assert one.verdict is not None
        assert one.p is not None
        found.append(Case(one.label.row, one.label.tag, words[0][0], one.verdict, one.p))
    return found, divided


def judge_name(facts: Mapping[str, str]) -> str:
    """The name of a judge by its recipe. In that of phase 3, `judge` is "same" where the model that
    wrote the phrases judges them."""
    name = facts.get("judge", "same")
    return facts.get("model", "?") if name == "same" else name


def _judge(
    number: int,
    facts: Mapping[str, str],
    labels: Sequence[Compared],
    judged: Sequence[Sequence[float]],
) -> dict[str, Any]:
    kind: Kind = "pair" if number else "phrase"
    found, divided = cases(of for of in labels if of.label.kind == kind and of.judge == number)
    good = _GOOD[kind]
    tags = [tag for tag in TAGS if any(case.tag == tag for case in found)]
    order = order_bias(judged) if number else None
    return {
        "judge": judge_name(facts),
        "prompt_set": facts.get("prompt_set", "?"),
        "of": kind,
        "cases": len(found),
        "divided": divided,
        "enough": len(found) >= FEWEST,
        "more": more_needed(_agreed(found)),
        "agreement": _agreement(found),
        "kept": _agreement(
            [c._replace(person=str(c.person == good), judge=str(c.judge == good)) for c in found]
        ),
        "auc": _estimate(found, lambda some: auc(_scored(some, good))),
        "calibration_error": _estimate(
            found, lambda some: calibration_error(_scored(some, good)), biased=True
        ),
        "bins": [_bin(i, of, good) for i, of in enumerate(_binned(found))],
        "verdicts": _verdicts(found),
        "by_tag": {tag: _agreement([c for c in found if c.tag == tag]) for tag in tags},
        "order": None if order is None else asdict(order),
    }


def _scored(some: Iterable[Case], good: str) -> list[tuple[float, bool]]:
    return [(case.p, case.person == good) for case in some if case.person != _EVEN]


def _agreement(found: Sequence[Case]) -> dict[str, Any]:
    """The agreement and kappa of these cases, each with its interval."""
    agreed = sum(case.person == case.judge for case in found)
    of = _agreed(found)
    beyond = _estimate(found, lambda some: kappa((c.person, c.judge) for c in some))
    return {
        "cases": len(found), "agreed": agreed, "share": of.value, "low": of.low, "high": of.high,
        "kappa": beyond,
    }  # fmt: skip


def _agreed(found: Sequence[Case]) -> Share:
    return _share(found, lambda case: case.person == case.judge)


def _share(found: Sequence[Case], holds: Callable[[Case], bool]) -> Share:
    """The share of cases of which it holds. Cases of one row belong together."""
    return share((sum(map(holds, of)), len(of)) for of in _groups(found))


def _groups(found: Iterable[Case]) -> list[list[Case]]:
    groups: dict[Hashable, list[Case]] = {}
    for case in found:
        groups.setdefault(case.group, []).append(case)
    return list(groups.values())


def _estimate(
    found: Sequence[Case],
    statistic: Callable[[Sequence[Case]], float | None],
    *,
    biased: bool = False,
) -> dict[str, float | None]:
    """A statistic with its bootstrap interval over rows: cases of one row belong together."""
    estimate = bootstrap(
        _groups(found),
        lambda some: statistic([case for of in some for case in of]),
        biased=biased,
    )
    return {"value": estimate.value, "low": estimate.low, "high": estimate.high}


def _binned(found: Iterable[Case]) -> list[list[Case]]:
    """The cases that speak for or against, in the bins of the judge's probability."""
    binned: list[list[Case]] = [[] for _ in range(BINS)]
    for case in found:
        if case.person != _EVEN:
            binned[_place(case.p)].append(case)
    return binned


def _bin(place: int, of: Sequence[Case], good: str) -> dict[str, Any]:
    """One bin of the reliability diagram: the mean probability, and the share that people call
    good."""
    called = _share(of, lambda case: case.person == good)
    return {
        "start": place / BINS, "end": (place + 1) / BINS, "cases": len(of),
        "p": sum(case.p for case in of) / len(of) if of else None,
        "share": called.value, "low": called.low, "high": called.high,
    }  # fmt: skip


def _verdicts(found: Sequence[Case]) -> dict[str, dict[str, int]]:
    """What people said -> what the judge said -> cases."""
    table: dict[str, dict[str, int]] = {}
    for (person, judge), n in sorted(Counter((c.person, c.judge) for c in found).items()):
        table.setdefault(person, {})[judge] = n
    return table


@dataclass(frozen=True, slots=True)
class OrderBias:
    """Of `pairs` that a judge compared, one a row, those in which its choice changed with the
    order: their share with its 95 % interval (Wilson). `first` is the share of all choices that
    were of the answer shown first: one half if the order has no influence."""

    pairs: int
    flipped: int
    share: float | None
    low: float | None
    high: float | None
    first: float | None


def order_bias(judged: Sequence[Sequence[float]]) -> OrderBias:
    """From the probabilities that the new answer is better when shown first, and when second."""
    flipped = sum((first > 0.5) != (second > 0.5) for first, second in judged)
    firsts = sum((first > 0.5) + (second <= 0.5) for first, second in judged)
    first = firsts / (2 * len(judged)) if judged else None
    return OrderBias(len(judged), flipped, *wilson(flipped, len(judged)), first)


def _reviewers(labels: Sequence[Compared]) -> list[dict[str, Any]]:
    """The agreement of every two reviewers on the things that both labelled."""
    said: dict[tuple[Kind, str], dict[tuple[object, ...], str]] = {}
    for of in labels:
        label = of.label
        if label.random and label.said is not None and label.said != UNCLEAR:
            said.setdefault((label.kind, label.reviewer), {})[label.thing] = label.said
    found = []
    for ((kind, one), mine), ((other_kind, other), theirs) in combinations(sorted(said.items()), 2):
        both = [thing for thing in mine if thing in theirs]
        if kind == other_kind and both:
            same = [Case(thing[0], None, mine[thing], theirs[thing], 0.0) for thing in both]
            found.append({"of": kind, "reviewers": [one, other], **_agreement(same)})
    return found
