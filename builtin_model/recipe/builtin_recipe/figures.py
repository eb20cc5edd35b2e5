"""Shares and numbers by name, in the order of measuring, and their table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(slots=True)
class Figures:
    """Hits and cases by name; `numbers` are what is no share."""

    hits: Counter[str] = field(default_factory=Counter)
    cases: Counter[str] = field(default_factory=Counter)
    numbers: dict[str, float] = field(default_factory=dict)

    def count(self, name: str, hit: bool) -> None:
        self.hits[name] += hit
        self.cases[name] += 1

    def share(self, name: str) -> float:
        return self.hits[name] / self.cases[name]

    def table(self) -> str:
        """As Markdown."""
        rows = [
            f"| {name} | {self.share(name):.0%} | {self.hits[name]} of {cases} |"
            for name, cases in self.cases.items()
        ]
        rows += [f"| {name} | {number:.2f} | |" for name, number in self.numbers.items()]
        return "\n".join(["| figure | share | |", "|---|---|---|", *rows])


def calibration_error(told: Sequence[tuple[float, bool]], bins: int = 10) -> float:
    """The expected calibration error of (probability of the label chosen, was it right): the mean
    distance of confidence and accuracy over bins of equal width (Guo et al. 2017, section 3)."""
    sums = [[0.0, 0.0] for _ in range(bins)]
    for confidence, right in told:
        number = min(int(confidence * bins), bins - 1)
        sums[number][0] += confidence
        sums[number][1] += right
    return sum(abs(confidence - right) for confidence, right in sums) / len(told)
