"""SysBench's numbers from verdicts, as its official code counts them (repository at 627ffa8).

Two flags stand side by side there. A turn is *usable* when no criterion was answered "no"; the
paper's tables use it. It is *strict* when every criterion was answered "yes"; the sheets by round
use it. They differ where a verifier answered something else ("not applicable"), which no flag
turns into a "no" but CSR does not count as satisfied either.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import fsum
from typing import Any, Literal, get_args

CriterionType = Literal["action", "content", "background", "role", "format", "style"]
TYPES: tuple[CriterionType, ...] = get_args(CriterionType)
Alignment = Literal["aligned", "misaligned"]
Dependency = Literal["dependent", "parallel"]

Mark = Literal["yes", "no"] | str
"""What the verifier said of a criterion; anything but yes and no is kept as it was."""

OFFICIAL_TURNS = 5


@dataclass(frozen=True, slots=True)
class JudgedTurn:
    """One turn: (type, mark) of each criterion."""

    alignment: Alignment
    marks: tuple[tuple[CriterionType, Mark], ...]

    @property
    def usable(self) -> bool:
        return all(mark != "no" for _, mark in self.marks)

    @property
    def strict(self) -> bool:
        return all(mark == "yes" for _, mark in self.marks)

    @property
    def satisfied(self) -> int:
        return sum(mark == "yes" for _, mark in self.marks)


@dataclass(frozen=True, slots=True)
class JudgedSession:
    """One dialogue, its turns in order."""

    id: str
    dependency: Dependency
    turns: tuple[JudgedTurn, ...]


Flag = Callable[[JudgedTurn], bool]


def score(sessions: Sequence[JudgedSession]) -> dict[str, Any]:
    """Every number, as fractions in full precision; None where a group is empty.

    csr: criteria answered yes over all criteria, pooled (not the paper's mean of turns, which is
    `csr_macro`). isr, ssr and rounds by the usable flag; the same by the strict one in `strict`.
    rounds: R1.. is the share of sessions whose first turns up to it all pass, T1.. the share of
    passed turns at that place, mean_T2_T5 the mean of the latter without the first turn.
    """
    turns = [turn for session in sessions for turn in session.turns]
    marks = [pair for turn in turns for pair in turn.marks]
    return {
        "csr": {
            "total": _share(mark == "yes" for _, mark in marks),
            **{t: _share(mark == "yes" for kind, mark in marks if kind == t) for t in TYPES},
        },
        "csr_macro": _mean([turn.satisfied / len(turn.marks) for turn in turns]),
        **_by_flag(sessions, lambda turn: turn.usable),
        "strict": _by_flag(sessions, lambda turn: turn.strict),
        "counts": {
            "sessions": len(sessions),
            "turns": len(turns),
            "criteria": len(marks),
            "neither_yes_nor_no": sum(mark not in ("yes", "no") for _, mark in marks),
        },
    }


def _by_flag(sessions: Sequence[JudgedSession], flag: Flag) -> dict[str, Any]:
    groups: dict[str, list[JudgedSession]] = {
        "total": list(sessions),
        "dependent": [s for s in sessions if s.dependency == "dependent"],
        "parallel": [s for s in sessions if s.dependency == "parallel"],
    }
    isr = {}
    for name, group in groups.items():
        isr[name] = _share(flag(turn) for session in group for turn in session.turns)
    for name, group in groups.items():
        for alignment in get_args(Alignment):
            key = alignment if name == "total" else f"{name}/{alignment}"
            turns = (turn for session in group for turn in session.turns)
            isr[key] = _share(flag(turn) for turn in turns if turn.alignment == alignment)
    return {
        "isr": isr,
        "ssr": {name: _mean([ssr(s, flag) for s in group]) for name, group in groups.items()},
        "rounds": {name: _rounds(group, flag) for name, group in groups.items()},
    }


def run_length(session: JudgedSession, flag: Flag) -> int:
    """How many turns from the first on pass without a break."""
    passed = 0
    for turn in session.turns:
        if not flag(turn):
            break
        passed += 1
    return passed


def ssr(session: JudgedSession, flag: Flag) -> float:
    """The session's stability: the unbroken run of passed turns over all turns."""
    return run_length(session, flag) / len(session.turns)


def _rounds(group: Sequence[JudgedSession], flag: Flag) -> dict[str, float | None]:
    longest = max((len(session.turns) for session in group), default=OFFICIAL_TURNS)
    numbers = range(1, max(longest, OFFICIAL_TURNS) + 1)
    reach = {n: [s for s in group if len(s.turns) >= n] for n in numbers}
    cumulative = {f"R{n}": _share(run_length(s, flag) >= n for s in reach[n]) for n in numbers}
    alone = {f"T{n}": _share(flag(s.turns[n - 1]) for s in reach[n]) for n in numbers}
    later = [v for n in range(2, OFFICIAL_TURNS + 1) if (v := alone[f"T{n}"]) is not None]
    return {**cumulative, **alone, "mean_T2_T5": _mean(later)}


def _share(passed: Iterable[bool]) -> float | None:
    """Exactly rounded: one division of two integers."""
    found = list(passed)
    return sum(found) / len(found) if found else None


def _mean(values: Sequence[float]) -> float | None:
    return fsum(values) / len(values) if values else None


def summary(scores: Mapping[str, Any]) -> dict[str, float | None]:
    """The numbers that the paper's tables are made of, by name, in their order."""
    return {
        "CSR": scores["csr"]["total"],
        "ISR": scores["isr"]["total"],
        "ISR aligned": scores["isr"]["aligned"],
        "ISR misaligned": scores["isr"]["misaligned"],
        "SSR": scores["ssr"]["total"],
        "SSR dependent": scores["ssr"]["dependent"],
        "SSR parallel": scores["ssr"]["parallel"],
        **{f"R{n}": scores["rounds"]["total"].get(f"R{n}") for n in range(1, OFFICIAL_TURNS + 1)},
    }
