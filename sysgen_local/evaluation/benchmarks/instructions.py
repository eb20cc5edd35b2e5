"""Items whose answers must follow instructions that a rule can check, and how they are counted.

IFEval, Multi-IF and the rule-following tasks of IHEval have such items. The accuracies are those of
IFEval's authors: of prompts (all instructions followed) and of instructions, each strict and loose.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from sysgen_local.phases.checks.instructions.kinds import KINDS, Kind

ACCURACIES = (
    "prompt_level_strict_acc",
    "inst_level_strict_acc",
    "prompt_level_loose_acc",
    "inst_level_loose_acc",
)
"""The four accuracies, by their names in lm-evaluation-harness."""


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction as the file has it. `given` are its parameters, whatever the file has."""

    name: str
    given: Any


@dataclass(frozen=True, slots=True)
class Turn:
    """A prompt, and the instructions that its answer must follow."""

    prompt: str
    instructions: tuple[Instruction, ...]


@dataclass(frozen=True, slots=True)
class InstructionItem:
    """An item. `earlier` are (user, assistant) turns that stand before it and are not asked.
    `group` says what of a benchmark it belongs to: a language, or a task and its setting. `fault`
    is why it cannot be graded, if something other than an instruction is wrong with it."""

    id: str
    turns: tuple[Turn, ...]
    system: str = ""
    earlier: tuple[tuple[str, str], ...] = ()
    group: tuple[str, ...] = ()
    fault: str = ""

    @property
    def users(self) -> tuple[str, ...]:
        return tuple(turn.prompt for turn in self.turns)

    @property
    def golds(self) -> tuple[str, ...]:
        return ("",) * len(self.turns)

    def judged(self, marks: tuple[tuple[str, ...], ...]) -> FollowedItem:
        """The item with these marks: for each turn three, whether each instruction is followed
        (strict, then loose; yes or no), and "empty" for an answer without a word."""
        strict, loose, empty = marks[::3], marks[1::3], marks[2::3]
        return FollowedItem(
            self.id,
            tuple(
                FollowedTurn(
                    tuple(of.name for of in turn.instructions),
                    tuple(mark == "yes" for mark in strict[i]),
                    tuple(mark == "yes" for mark in loose[i]),
                    bool(empty[i]),
                )
                for i, turn in enumerate(self.turns)
            ),
            self.group,
        )


@dataclass(frozen=True, slots=True)
class FollowedTurn:
    """Whether an answer followed each instruction of its prompt."""

    names: tuple[str, ...]
    strict: tuple[bool, ...]
    loose: tuple[bool, ...]
    empty: bool = False

    def pairs(self) -> dict[str, tuple[float, float]]:
        """Accuracy -> (its part of the numerator, its part of the denominator)."""
        of = float(len(self.names))
        return dict(zip(
            ACCURACIES,
            (
                (float(all(self.strict)), 1.0), (float(sum(self.strict)), of),
                (float(all(self.loose)), 1.0), (float(sum(self.loose)), of),
            ),
            strict=True,
        ))  # fmt: skip


@dataclass(frozen=True, slots=True)
class FollowedItem:
    """An item with its marks."""

    id: str
    turns: tuple[FollowedTurn, ...]
    group: tuple[str, ...] = ()


def accuracies(turns: Iterable[FollowedTurn]) -> dict[str, float | None]:
    """The four accuracies of some answers; None where there is no answer."""
    found = [turn.pairs() for turn in turns]
    return {name: _ratio([pairs[name] for pairs in found]) for name in ACCURACIES}


def overall(of: Mapping[str, float | None]) -> float | None:
    """The mean of the four accuracies, by which Multi-IF and IHEval count."""
    known = [value for name in ACCURACIES if (value := of[name]) is not None]
    return fmean(known) if known else None


def by_kind(
    turns: Sequence[FollowedTurn], kinds: Mapping[str, Kind] = KINDS
) -> dict[str, dict[str, Any]]:
    """Kind of instruction -> how many there were, how many were followed (strict, loose), and what
    the rule is known to get wrong. In the order of the table."""
    counts = {name: [0, 0, 0] for name in kinds}
    for turn in turns:
        for name, strict, loose in zip(turn.names, turn.strict, turn.loose, strict=True):
            for i, more in enumerate((1, strict, loose)):
                counts[name][i] += more
    return {
        name: {"of": of, "strict": strict, "loose": loose, "known_fault": kinds[name].known_fault}
        for name, (of, strict, loose) in counts.items()
        if of
    }


def _ratio(pairs: Sequence[tuple[float, float]]) -> float | None:
    whole = sum(of for _, of in pairs)
    return sum(part for part, _ in pairs) / whole if whole else None
