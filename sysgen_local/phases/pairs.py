"""Preference pairs out of one row: an answer that obeys its system message, over one that does not.

Rules tell what an answer breaks: they are the same ones as in phase 5, and they look at the answers
as they are now, also at one that a person edited. No model is asked. An answer behind a tool call
makes no pair, because both answers need the same prompt.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sysgen_local.core.language import row_language
from sysgen_local.core.pairs import PairRule, RulePair
from sysgen_local.core.records import Attempt, Row
from sysgen_local.phases.answer_checks import AnswerChecks, PhraseDemands, phrases_of
from sysgen_local.phases.checks.countable import Demand
from sysgen_local.phases.checks.opposites import WORDINGS, opposite
from sysgen_local.phases.reasons import CHECK_FAULTS

_KEPT = ("phrase", "result")
"""Kinds of check of which one must be broken for a pair of `obey-violate`."""

NO_CANDIDATE = "no other answer was written for the turn"
UNUSABLE = "no other answer can be used: cut off, empty, looping, or behind a tool call"
BREAKS = "the chosen answer breaks what a rule tests"
NOTHING_BROKEN = "no other answer broke anything"
NO_DEMAND = "no phrase that a rule can test"
NO_VIOLATION = "no answer of the row breaks a phrase or the result"
NO_OPPOSITE = "no demand that has an opposite"
NO_WORDING = "no wording of the opposite in the language of the row"
NOT_GIVEN_IN = "no answer of the row does the opposite"


@dataclass(frozen=True, slots=True)
class _Scene:
    """One answer that stays, and what else was answered there. `at` is its place among the turns,
    from 1; `original` the dataset's answer where both have the same prompt, else ""."""

    at: int
    instruction: str
    chosen: str
    original: str
    checks: AnswerChecks
    phrases: PhraseDemands
    attempts: tuple[Attempt, ...]

    def broken(self, answer: str) -> dict[str, str]:
        """What the answer breaks by rule: in words -> the kind of check."""
        kinds = {
            (phrase.text, demand.text): demand.kind
            for phrase, asked in self.phrases
            for demand in asked
        }
        found = {}
        for check in self.checks.by_rule(answer):
            if check.p >= 0.5:
                continue
            if check.kind == "phrase":
                found[f"{kinds[check.text, check.detail]}: {check.detail}"] = check.kind
            else:
                says = check.text if check.kind in ("result", "code") else check.detail
                found[f"{check.kind}: {says}"] = check.kind
        return found

    @property
    def demands(self) -> list[Demand]:
        return [demand for _, asked in self.phrases for demand in asked]

    def pair(self, rejected: str, broken: list[str], asks: str = "") -> RulePair:
        """The pair. `asks` is added to the user's turn before the answer."""
        ends = self.instruction.rstrip().endswith((".", "?", "!", "。", "？", "！"))
        between = " " if ends and "\n" not in self.instruction else "\n\n"
        added = f"{between}{asks}" if asks else ""
        return RulePair(self.at, self.chosen, rejected, added, tuple(broken))


def pair_of(row: Row, rule: PairRule) -> RulePair | str:
    """The pair of a finished row by this rule, or why it has none."""
    every = list(_scenes(row))
    scenes = [scene for scene in every if not scene.broken(scene.chosen)]
    if every and not scenes:
        return BREAKS
    match rule:
        case "best-worst":
            return _best_worst(row, scenes)
        case "obey-violate":
            return _obey_violate(scenes)
        case "conflict":
            return _conflict(row, scenes)


def _scenes(row: Row) -> Iterator[_Scene]:
    phrases = phrases_of(row)
    old, answers = row.conversation.turns, row.answers
    attempts = row.checked.attempts if row.checked is not None else ()
    number = 0
    for i, turn in enumerate(answers):
        if turn.role in ("function_call", "observation"):
            return
        if turn.role != "assistant":
            continue
        number += 1
        question, original = answers[i - 1].content, old[i].content
        checks = AnswerChecks(number, question, original, phrases)
        usable = tuple(
            of for of in attempts
            if of.turn == number and of.fault in ("", *CHECK_FAULTS)
            and of.content.strip() and of.content != turn.content
        )  # fmt: skip
        first = original if number == 1 and original != turn.content else ""
        yield _Scene(i + 1, question, turn.content, first, checks, phrases, usable)


def _best_worst(row: Row, scenes: list[_Scene]) -> RulePair | str:
    """The answer that stays over the worst one of the same turn: that which breaks most by rule,
    and among several the one that the checks gave the least."""
    if row.checked is None or not row.checked.attempts:
        return NO_CANDIDATE
    if not any(scene.attempts for scene in scenes):
        return UNUSABLE
    found: list[tuple[int, float, _Scene, str, list[str]]] = []
    for scene in scenes:
        for of in scene.attempts:
            broken = [*scene.broken(of.content)] or _by_model(of)
            if broken:
                worth = (1.0 if of.agrees is None else of.agrees) * (
                    1.0 if of.obeys is None else of.obeys
                )
                found.append((-len(broken), worth, scene, of.content, broken))
    if not found:
        return NOTHING_BROKEN
    _, _, scene, text, broken = min(found, key=lambda of: of[:2])
    return scene.pair(text, broken)


def _by_model(of: Attempt) -> list[str]:
    """What the model's checks found where no rule found anything."""
    if of.fault == "disagrees":
        return ["agrees: with the original answer, by the model"]
    return ["follows: what a phrase asks, by the model"] if of.fault == "disobeys" else []


def _obey_violate(scenes: list[_Scene]) -> RulePair | str:
    """The answer that stays over one of the row that breaks a phrase or the result, else over the
    original answer, which was written without the system message, where it breaks a phrase."""
    for scene in scenes:
        each = [(of.content, scene.broken(of.content)) for of in scene.attempts]
        worst = max(each, key=lambda of: len(of[1]), default=("", {}))
        if any(kind in _KEPT for kind in worst[1].values()):
            return scene.pair(worst[0], [*worst[1]])
    for scene in scenes:
        if scene.original.strip():
            broken = scene.broken(scene.original)
            if phrases := [says for says, kind in broken.items() if kind == "phrase"]:
                return scene.pair(scene.original, phrases)
    return NO_VIOLATION if any(scene.demands for scene in scenes) else NO_DEMAND


def _conflict(row: Row, scenes: list[_Scene]) -> RulePair | str:
    """The user's turn asks for the opposite of a demand too. Chosen is the answer that stays, over
    one of the row that does the opposite; rules say both."""
    language = row_language(row.conversation)
    why = NO_DEMAND
    for scene in scenes:
        for demand in scene.demands:
            asked = opposite(demand)
            if asked is None:
                why = NO_OPPOSITE if why == NO_DEMAND else why
                continue
            if language not in WORDINGS or not (
                says := asked.said(language, f"{row.conversation.line}\n{scene.instruction}")
            ):
                why = NO_WORDING
                continue
            why = NOT_GIVEN_IN
            if asked.given_in(scene.chosen, scene.instruction):
                continue
            for text in (*(of.content for of in scene.attempts), scene.original):
                if not asked.given_in(text, scene.instruction):
                    continue
                broken = scene.broken(text)
                contested = f"{demand.kind}: {demand.text}"
                if contested in broken:
                    others = (of for of, kind in broken.items() if kind == "phrase")
                    return scene.pair(text, list(dict.fromkeys([contested, *others])), says)
    return why
