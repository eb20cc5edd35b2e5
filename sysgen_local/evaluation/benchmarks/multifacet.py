"""Computes Multifacet's metrics: a score of 1 to 5 per rubric, and the mean of the instances'
means.

It parses and counts as the official code does (Janus, `parse_judgment_abs` and
`run_eval_openai.py`, commit b6df510): the first score anywhere in a reply is used, whatever its
size, and one reply without a score ends the run without an average.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import fsum
from typing import Any

SCORES = ("1", "2", "3", "4", "5")

BENCHMARKS = ("alpaca_eval", "flask", "koala", "mt_bench", "self-instruct")
"""The five benchmarks that the instances come from, as in the paper's table."""

_SCORE = re.compile(
    r"(?:\[result\]:?|\[score\]|score(?:of|:)?|result:)\s*[(\[]?\s*(\d+)", re.IGNORECASE
)
_FEEDBACK_ENDS = "[RESULT]"


@dataclass(frozen=True, slots=True)
class Reply:
    """A parsed reply of a judge. `fault` is None, "unparsable" (the official code retries and
    finally crashes in its averaging), or "out_of_range" (the official code counts it)."""

    score: int | None
    feedback: str | None
    fault: str | None = None


@dataclass(frozen=True, slots=True)
class Rated:
    """One instance: its source, and the score of each of its rubrics."""

    id: str
    source: str
    scores: tuple[int | None, ...]

    @property
    def mean(self) -> float | None:
        """The mean of the scores; None if a score is missing."""
        found = [score for score in self.scores if score is not None]
        return sum(found) / len(found) if found and len(found) == len(self.scores) else None


def parse(reply: object) -> Reply:
    """Parses a reply as the official parser does. A value that is not text has no score."""
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
    """All metrics. average: the official one, None if that code would crash; average_of_rated:
    without the instances that lack a score; both also by benchmark and by source; counts."""
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
    """The benchmark that an instance's source belongs to.

    If there is a table, it decides, and unknown sources are "other". Without a table, four
    benchmarks are recognised by their names. All other sources are FLASK's, which itself comes from
    more than a hundred datasets.
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
    """A row of the paper's table: the average of each benchmark and of all."""
    named = {name: of["average_of_rated"] for name, of in scores["benchmarks"].items()}
    order = [name for name in BENCHMARKS if name in named]
    order += [name for name in named if name not in BENCHMARKS]
    return {**{name: named[name] for name in order}, "average": scores["average_of_rated"]}
