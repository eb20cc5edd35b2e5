"""Multifacet's numbers: a score of 1 to 5 for each rubric, and the mean of the instances' means.

As its official code reads and counts (Janus, `parse_judgment_abs` and `run_eval_openai.py`, commit
b6df510): the first score anywhere in a reply is taken, whatever its size, and one reply without a
score ends the run without an average.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import fsum
from typing import Any

SCORES = ("1", "2", "3", "4", "5")

BENCHMARKS = ("alpaca_eval", "flask", "koala", "mt_bench", "self-instruct")
"""The five that the instances come from, as the paper's table has them."""

_SCORE = re.compile(
    r"(?:\[result\]:?|\[score\]|score(?:of|:)?|result:)\s*[(\[]?\s*(\d+)", re.IGNORECASE
)
_FEEDBACK_ENDS = "[RESULT]"


@dataclass(frozen=True, slots=True)
class Reply:
    """What a judge's reply is read as. `fault` is None, "unparsable" (the official code retries
    it and at last crashes in its averaging), or "out_of_range" (it counts it all the same)."""

    score: int | None
    feedback: str | None
    fault: str | None = None


@dataclass(frozen=True, slots=True)
class Rated:
    """One instance: where it comes from, and the score of each of its rubrics."""

    id: str
    source: str
    scores: tuple[int | None, ...]

    @property
    def mean(self) -> float | None:
        """None where a score is missing: such an instance has no mean."""
        found = [score for score in self.scores if score is not None]
        return sum(found) / len(found) if found and len(found) == len(self.scores) else None


def parse(reply: object) -> Reply:
    """A reply as the official parser reads it; anything that is no text has no score."""
    if not isinstance(reply, str) or not (found := _SCORE.search(reply)):
        return Reply(None, None, "unparsable")
    try:
        score = int(found[1])
    except ValueError:  # thousands of digits, which Python refuses to read
        return Reply(None, None, "unparsable")
    feedback = reply
    if _FEEDBACK_ENDS in reply:
        feedback = reply.split(_FEEDBACK_ENDS)[0].strip()
    return Reply(score, feedback, None if 1 <= score <= 5 else "out_of_range")


def score(instances: Sequence[Rated], table: Mapping[str, str] | None = None) -> dict[str, Any]:
    """average (the official one: None where it would crash), average_of_rated (without the
    instances that lack a score), both also by benchmark and by source, and what was counted."""
    by_benchmark: dict[str, list[Rated]] = {}
    by_source: dict[str, list[Rated]] = {}
    for instance in instances:
        by_benchmark.setdefault(benchmark_of(instance.source, table), []).append(instance)
        by_source.setdefault(instance.source, []).append(instance)
    scores = [s for instance in instances for s in instance.scores]
    return {
        **_averages(instances),
        "benchmarks": {name: _averages(of) for name, of in sorted(by_benchmark.items())},
        "sources": {name: _averages(of) for name, of in sorted(by_source.items())},
        "counts": {
            "instances": len(instances),
            "rubrics": len(scores),
            "unparsable": sum(s is None for s in scores),
            "out_of_range": sum(s is not None and not 1 <= s <= 5 for s in scores),
        },
        "official_crashes": _averages(instances)["average"] is None,
    }


def benchmark_of(source: str, table: Mapping[str, str] | None = None) -> str:
    """The benchmark an instance's source belongs to.

    By the table where it is given (what it lacks is "other"); else by the four benchmarks' own
    names, and all the rest is FLASK's, which is itself drawn from more than a hundred sets.
    """
    if table is not None:
        return table.get(source, "other")
    plain = re.sub(r"[^a-z]", "", source.lower())
    for name in BENCHMARKS:
        if plain.startswith(re.sub(r"[^a-z]", "", name)):
            return name
    return "flask"


def _averages(instances: Sequence[Rated]) -> dict[str, Any]:
    means = [instance.mean for instance in instances]
    rated = [mean for mean in means if mean is not None]
    average = fsum(rated) / len(rated) if rated else None
    return {
        "average": average if len(rated) == len(means) else None,
        "average_of_rated": average,
        "instances": len(instances),
        "rated": len(rated),
    }


def summary(scores: Mapping[str, Any]) -> dict[str, float | None]:
    """A row of the paper's table: each benchmark, and the average."""
    named = {name: of["average_of_rated"] for name, of in scores["benchmarks"].items()}
    order = [name for name in BENCHMARKS if name in named]
    order += [name for name in named if name not in BENCHMARKS]
    return {**{name: named[name] for name in order}, "average": scores["average_of_rated"]}
