"""Reads SysBench verdicts of an external verifier: a structure file and a verdicts file.

Structure, one object a line: {"system_id", "multi_turn": dependent|parallel, "turns": [{"round",
"alignment": aligned|misaligned, "types": [...]}]}. Verdicts, one object a line: {"system_id",
"round", "verdicts": [...]}, each 1 or "yes", 0 or "no", or another reply of the verifier. A missing
verdict never counts as no; the official code gives no number then either.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from sysgen_local.core.errors import UsageError
from sysgen_local.evaluation.benchmarks.files import checked, entries, unique
from sysgen_local.evaluation.benchmarks.sysbench import (
    Alignment,
    CriterionType,
    Dependency,
    JudgedSession,
    JudgedTurn,
    Mark,
)

_YES = {"1", "yes", "true", "是"}
_NO = {"0", "no", "false", "否"}
_STRUCTURE_HINT = (
    'a line is {"system_id": 1, "multi_turn": "dependent", "turns": [{"round": 1, "alignment": '
    '"aligned", "types": ["action"]}]}'
)
_VERDICTS_HINT = 'a line is {"system_id": 1, "round": 1, "verdicts": [1, 0, "not applicable"]}'


def mark_of(value: Any) -> Mark:
    """yes, no, or the text unchanged. Raises ValueError for a value that is not a verdict."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if not isinstance(value, str | bool | int) or (type(value) is int and value not in (0, 1)):
        raise ValueError(f"{value!r} is no verdict: 1, 0 or a text is")
    text = str(value)
    if text.lower() in _YES:
        return "yes"
    return "no" if text.lower() in _NO else text


def as_identifier(value: Any) -> Any:
    """A number as text, because ids are numbers or texts."""
    return str(value) if type(value) is int else value


Identity = Annotated[str, BeforeValidator(as_identifier)]


class StructureTurn(BaseModel):
    model_config = ConfigDict(extra="ignore")

    round: int
    alignment: Alignment
    types: list[CriterionType] = Field(min_length=1)


class Structure(BaseModel):
    model_config = ConfigDict(extra="ignore")

    system_id: Identity
    multi_turn: Dependency
    turns: list[StructureTurn] = Field(min_length=1)


class _Verdicts(BaseModel):
    model_config = ConfigDict(extra="ignore")

    system_id: Identity
    round: int
    verdicts: list[Annotated[str, BeforeValidator(mark_of)]]


def read_verdicts(structure: Path, verdicts: Path) -> list[JudgedSession]:
    """All sessions of the structure with their verdicts.

    Raises UsageError if a field is missing or wrong, an id comes twice, or the two files do not
    have the same turns and criteria.
    """
    sessions = [
        (checked(Structure, entry, hint=_STRUCTURE_HINT), entry.where)
        for entry in entries(structure)
    ]
    if not sessions:
        raise UsageError(f"{structure} holds no session", hint=_STRUCTURE_HINT)
    unique([(s.system_id, where) for s, where in sessions], "session")
    for session, where in sessions:
        unique([(t.round, where) for t in session.turns], f"session {session.system_id}, round")
    given = [
        (checked(_Verdicts, entry, hint=_VERDICTS_HINT), entry.where) for entry in entries(verdicts)
    ]
    unique([(f"{v.system_id}, round {v.round}", where) for v, where in given], "session")
    found = {(v.system_id, v.round): (v.verdicts, where) for v, where in given}
    known = {(s.system_id, turn.round) for s, _ in sessions for turn in s.turns}
    if strangers := [key for key in found if key not in known]:
        where = found[strangers[0]][1]
        raise UsageError(
            f"{where}: session {strangers[0][0]}, round {strangers[0][1]} is not in {structure}"
        )
    return [_session(session, found, verdicts) for session, _ in sessions]


def _session(
    session: Structure, found: dict[tuple[str, int], tuple[list[str], str]], path: Path
) -> JudgedSession:
    turns = []
    for turn in sorted(session.turns, key=lambda turn: turn.round):
        if (session.system_id, turn.round) not in found:
            raise UsageError(
                f"{path} lacks session {session.system_id}, round {turn.round}",
                hint="judge it: a turn that was not judged counts neither for nor against",
            )
        marks, where = found[session.system_id, turn.round]
        if len(marks) != len(turn.types):
            raise UsageError(
                f"{where}: {len(marks)} verdicts for the {len(turn.types)} criteria of session "
                f"{session.system_id}, round {turn.round}"
            )
        turns.append(JudgedTurn(turn.alignment, tuple(zip(turn.types, marks, strict=True))))
    return JudgedSession(session.system_id, session.multi_turn, tuple(turns))
