"""Computes SysBench's metrics from verdicts, as its official code does (repository at 627ffa8).

That code has two flags. A turn is *usable* if no criterion has "no"; the paper's tables use this
flag. A turn is *strict* if every criterion has "yes"; the sheets by round use this one. They differ
if a verifier gave another reply ("not applicable"): no flag counts it as "no", and CSR does not
count it as satisfied.
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
"""The verdict on a criterion. Any reply other than yes and no is kept unchanged."""

OFFICIAL_TURNS = 5


@dataclass(frozen=True, slots=True)
class JudgedTurn:
    """One turn with the (type, mark) of each criterion."""

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
    """One dialogue with its turns in order."""

    id: str
    dependency: Dependency
    turns: tuple[JudgedTurn, ...]


Flag = Callable[[JudgedTurn], bool]


def score(sessions: Sequence[JudgedSession]) -> dict[str, Any]:
    """All metrics as fractions in full precision; None if a group is empty.

    csr: satisfied criteria divided by all criteria, pooled (the paper's mean of turns is
    `csr_macro`). isr, ssr and rounds use the usable flag; `strict` has the same by the strict flag.
    rounds: R1, R2, ... are the shares of sessions in which all turns up to that number pass; T1,
    T2, ... the shares of passed turns with that number; mean_T2_T5 is the mean of T2 to T5.
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
    """The number of passed turns before the first one that is not passed."""
    passed = 0
    for turn in session.turns:
        if not flag(turn):
            break
        passed += 1
    return passed


def ssr(session: JudgedSession, flag: Flag) -> float:
    """The session stability: `run_length` divided by the number of turns."""
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
    """The share of True. One division of two integers, so it is exactly rounded."""
    found = list(passed)
    return sum(found) / len(found) if found else None


def _mean(values: Sequence[float]) -> float | None:
    return fsum(values) / len(values) if values else None


def summary(scores: Mapping[str, Any]) -> dict[str, float | None]:
    """The metrics of the paper's tables, by name, in their order."""
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
