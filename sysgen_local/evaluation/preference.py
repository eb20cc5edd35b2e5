"""A judge model compares old and new answers of finished rows (SysGen, figures 3 and 4).

Two questions: which answer serves the request better, and does the new one follow its system
message? Both verdicts are read from the logits. A pair is asked in both orders; if the judge's
choice depends on the order, it counts as a tie.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sysgen_local.core.intervals import wilson
from sysgen_local.engine.request import Choice, Completion, Request
from sysgen_local.prompts import PromptFile, PromptSet
from sysgen_local.running.stage import STAGE_FAILED, Work, cost_of
from sysgen_local.store import Judged, Pair

LETTERS = Choice(("A", "B"))
RATINGS = Choice(("1", "2", "3", "4", "5"))
ALIGNED = 4
"""Minimum rating of an answer that follows its system message."""


@dataclass(frozen=True, slots=True)
class PreferenceJudge:
    """The stage: asks for the pair in both orders, and for a rating, as the row requires."""

    prefer: PromptFile
    align: PromptFile
    phase: str = "judge"

    @classmethod
    def of(cls, prompts: PromptSet) -> PreferenceJudge:
        return cls(prompts.judge_prompt("prefer"), prompts.judge_prompt("align"))

    def work(self, pair: Pair) -> Work[Judged]:
        asked: list[Request] = []
        if pair.ask_pair:
            asked += [self._pair(pair, 0), self._pair(pair, 1)]
        if pair.ask_rating:
            values = {"system": pair.system, "instruction": pair.instruction, "answer": pair.new}
            asked.append(_request(f"{pair.row}:align", self.align, values, RATINGS))
        answers = yield asked
        cost = cost_of(answers)
        if wrong := next((c.finish for c in answers if c.probabilities is None), None):
            return Judged(dropped=wrong, cost=cost)
        shares = [_shares(c) for c in answers]
        return Judged(
            first=shares[0]["A"] if pair.ask_pair else None,
            second=shares[1]["B"] if pair.ask_pair else None,
            ratings=tuple(shares[-1][x] for x in RATINGS.labels) if pair.ask_rating else None,
            cost=cost,
        )

    def failed(self, why: str) -> Judged:
        return Judged(dropped=STAGE_FAILED)

    def facts(self) -> dict[str, str]:
        return {"prefer": self.prefer.fingerprint, "align": self.align.fingerprint}

    def _pair(self, pair: Pair, order: int) -> Request:
        first, second = (pair.old, pair.new) if order else (pair.new, pair.old)
        values = {"system": pair.system, "instruction": pair.instruction}
        values |= {"first": first, "second": second}
        return _request(f"{pair.row}:prefer:{order}", self.prefer, values, LETTERS)


def _request(number: str, prompt: PromptFile, values: dict[str, str], choice: Choice) -> Request:
    row, question, *order = number.split(":")
    return Request(
        id=f"{row}:judge:{question}:{''.join(order)}",
        group=question,
        messages=prompt.messages(values),
        constraint=choice,
        max_tokens=1,
    )


def _shares(completion: Completion) -> dict[str, float]:
    assert completion.probabilities is not None
    return dict(completion.probabilities)


@dataclass(frozen=True, slots=True)
class PreferenceSummary:
    """How many pairs the new answer won or lost; in a tie the choice depended on the order.

    `rate` is the share of wins among wins and losses, `low` to `high` its 95 % interval (Wilson,
    1927). `first` is the share of requests in which the first answer was preferred: one half if the
    order has no influence.
    """

    wins: int
    losses: int
    ties: int
    first: float | None
    rate: float | None
    low: float | None
    high: float | None


def preference(pairs: Iterable[Sequence[float]]) -> PreferenceSummary:
    """The summary of (probability that the new answer is better when first, when second)."""
    wins = losses = firsts = total = 0
    for new_first, new_second in pairs:
        total += 1
        wins += new_first > 0.5 and new_second > 0.5
        losses += new_first <= 0.5 and new_second <= 0.5
        firsts += (new_first > 0.5) + (new_second <= 0.5)
    rate, low, high = wilson(wins, wins + losses)
    first = firsts / (2 * total) if total else None
    return PreferenceSummary(wins, losses, total - wins - losses, first, rate, low, high)


@dataclass(frozen=True, slots=True)
class AlignmentSummary:
    """Of `rows` new answers: the `share` whose likeliest rating is ALIGNED or better, its 95 %
    interval, and the `mean` rating, weighted by the judge's probabilities."""

    rows: int
    share: float | None
    low: float | None
    high: float | None
    mean: float | None


def alignment(ratings: Iterable[Sequence[float]]) -> AlignmentSummary:
    """The summary of the probabilities of the ratings 1 to 5, for each answer."""
    found = list(ratings)
    good = sum(max(range(5), key=of.__getitem__) + 1 >= ALIGNED for of in found)
    share, low, high = wilson(good, len(found))
    sums = [sum(p * rating for rating, p in enumerate(of, 1)) for of in found]
    return AlignmentSummary(len(found), share, low, high, sum(sums) / len(sums) if sums else None)


def summary(judgements: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The results of every judge as plain data, from what `Store.judgements` returns.

    Each judge has its name, its prompt set and, per dataset, a PreferenceSummary, an
    AlignmentSummary and the number of rows that it could not judge. The dataset "" is all of them
    together.
    """
    found: dict[int, dict[str, Any]] = {}
    for of in judgements:
        judge = found.setdefault(
            of["judge"],
            {
                "judge": of["facts"].get("model", "?"),
                "prompt_set": of["facts"].get("prompt_set", "?"),
                "datasets": {"": {"pairs": [], "ratings": [], "dropped": 0}},
            },
        )
        here = {"pairs": of["pairs"] or [], "ratings": of["ratings"] or []}
        judge["datasets"][of["dataset"]] = {**here, "dropped": of["dropped"]}
        everything = judge["datasets"][""]
        everything["pairs"] = everything["pairs"] + here["pairs"]
        everything["ratings"] = everything["ratings"] + here["ratings"]
        everything["dropped"] += of["dropped"]
    for judge in found.values():
        judge["datasets"] = {
            name: {
                "preference": asdict(preference(of["pairs"])),
                "alignment": asdict(alignment(of["ratings"])),
                "dropped": of["dropped"],
            }
            for name, of in judge["datasets"].items()
        }
    return list(found.values())
