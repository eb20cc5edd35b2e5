"""The state of a row, and a summary of the checks of its answers, for terminal and pages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from sysgen_local.core.records import PHASES, TABLES, Attempt, Check, Checked, Phase, Row
from sysgen_local.store import State


class RowState(NamedTuple):
    """`phase` is the one that dropped the row, for `reason`, or the one that it waits for."""

    state: State
    phase: Phase | None = None
    reason: str = ""


def row_state(row: Row, phases: Sequence[Phase] | None = None) -> RowState:
    """The state of the row. `phases` are those of its store; without them, `check` counts only if
    the row has been checked."""
    for phase in phases or (PHASES if row.checked else PHASES[:-1]):
        result = getattr(row, TABLES[phase])
        if result is None:
            return RowState("pending", phase)
        if result.dropped:
            return RowState("dropped", phase, result.dropped)
    return RowState("final")


def checks_of(row: Row, turn: int) -> tuple[list[Check], list[Attempt]]:
    """(checks of the kept answer, the other answers) of this assistant turn, from 1."""
    if row.checked is None:
        return [], []
    checks = [check for check in row.checked.checks if check.turn == turn]
    return checks, [attempt for attempt in row.checked.attempts if attempt.turn == turn]


def checks_summary(checked: Checked | None) -> str:
    """The result of the checks in a few words; "" without checks."""
    if checked is None:
        return ""
    parts = ["agrees"] if checked.agrees else []
    if checked.obeys is not None:
        parts.append(f"obeys {checked.obeys:.2f}")
    if checked.tries > 1:
        parts.append(f"{checked.tries} tries")
    return ", ".join(parts) or ("" if checked.dropped else "nothing to check")


def attempt_summary(attempt: Attempt) -> str:
    """Why an answer was not taken, and the results of its checks."""
    results = [("agrees", attempt.agrees), ("obeys", attempt.obeys)]
    parts = [f"{name} {p:.2f}" for name, p in results if p is not None]
    parts += ["with the original in view"] if attempt.shown else []
    why = attempt.fault or "another was better"
    return f"not taken, {why}" + (f" ({', '.join(parts)})" if parts else "")
