"""Reads SysBench's dialogues, in its own JSON layout or in the plain one of this project.

SysBench's: a list of {"system_id", "system_prompt", "rounds_related": bool, "messages": [{"role",
"content"}], "prompt_infos": {user message: {"alignment": align|misalign, "criteria": {"1":
{"criteria_id", "criteria_content", "criteria_type"}}}}}.
Plain, one object a line: {"system_id", "system", "multi_turn": dependent|parallel, "turns":
[{"user", "alignment", "gold_answer", "criteria": [{"id", "type", "text"}]}]}.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from sysgen_local.core.errors import UsageError
from sysgen_local.evaluation.benchmarks.files import LocatedValue, checked, entries, unique
from sysgen_local.evaluation.benchmarks.sysbench import (
    Alignment,
    CriterionType,
    Dependency,
    JudgedSession,
    JudgedTurn,
)
from sysgen_local.evaluation.benchmarks.verdicts import Identity

_HINT = "the layout is SysBench's own, or as `sysgen evaluate sysbench --help` says"
_TYPES = {
    "动作约束": "action", "内容约束": "content", "背景约束": "background", "角色约束": "role",
    "格式约束": "format", "风格约束": "style",
}  # fmt: skip
_ALIGNMENTS = {"align": "aligned", "misalign": "misaligned"}
_ROLES = ("user", "assistant")


@dataclass(frozen=True, slots=True)
class DialogueTurn:
    """The user's text, the dataset's own answer, and the criteria as (type, text)."""

    user: str
    gold: str
    alignment: Alignment
    criteria: tuple[tuple[CriterionType, str], ...]


@dataclass(frozen=True, slots=True)
class Dialogue:
    id: str
    dependency: Dependency
    system: str
    turns: tuple[DialogueTurn, ...]

    @property
    def users(self) -> tuple[str, ...]:
        return tuple(turn.user for turn in self.turns)

    @property
    def golds(self) -> tuple[str, ...]:
        return tuple(turn.gold for turn in self.turns)

    @property
    def earlier(self) -> tuple[tuple[str, str], ...]:
        return ()

    def judged(self, marks: tuple[tuple[str, ...], ...]) -> JudgedSession:
        """The session with these marks, one tuple for each turn."""
        return JudgedSession(
            self.id,
            self.dependency,
            tuple(
                JudgedTurn(
                    turn.alignment,
                    tuple((kind, m) for (kind, _), m in zip(turn.criteria, of, strict=True)),
                )
                for turn, of in zip(self.turns, marks, strict=True)
            ),
        )


def _known(names: dict[str, str]) -> BeforeValidator:
    return BeforeValidator(
        lambda value: names.get(value, value) if isinstance(value, str) else value
    )


class _Criterion(BaseModel):
    model_config = ConfigDict(extra="ignore")

    type: Annotated[CriterionType, _known(_TYPES)]
    text: str = Field(min_length=1)


class _Turn(BaseModel):
    model_config = ConfigDict(extra="ignore")

    user: str = Field(min_length=1)
    alignment: Annotated[Alignment, _known(_ALIGNMENTS)]
    criteria: list[_Criterion] = Field(min_length=1)
    gold_answer: str | None = None


class _PlainDialogue(BaseModel):
    model_config = ConfigDict(extra="ignore")

    system_id: Identity
    system: str
    multi_turn: Dependency
    turns: list[_Turn] = Field(min_length=1)


class _Message(BaseModel):
    model_config = ConfigDict(extra="ignore")

    role: str
    content: str | None


class _OfficialCriterion(BaseModel):
    model_config = ConfigDict(extra="ignore")

    criteria_content: str
    criteria_type: str


class _OfficialInfo(BaseModel):
    model_config = ConfigDict(extra="ignore")

    alignment: str
    criteria: dict[str, _OfficialCriterion]


class _OfficialDialogue(BaseModel):
    model_config = ConfigDict(extra="ignore")

    system_id: Identity
    rounds_related: bool
    messages: list[_Message] = Field(min_length=2)
    prompt_infos: dict[str, _OfficialInfo]


def read_dialogues(path: Path) -> list[Dialogue]:
    """All dialogues of a file. Raises UsageError with the place if a field is missing."""
    found = entries(path)
    dialogues = [_dialogue(entry) for entry in found]
    if not dialogues:
        raise UsageError(f"{path} holds no dialogue", hint=_HINT)
    unique([(d.id, entry.where) for d, entry in zip(dialogues, found, strict=True)], "dialogue")
    return dialogues


def _dialogue(entry: LocatedValue) -> Dialogue:
    if isinstance(entry.value, dict) and "messages" in entry.value:
        entry = LocatedValue(
            _plain(checked(_OfficialDialogue, entry, hint=_HINT), entry.where), entry.where
        )
    plain = checked(_PlainDialogue, entry, hint=_HINT)
    return Dialogue(
        plain.system_id,
        plain.multi_turn,
        plain.system,
        tuple(
            DialogueTurn(
                turn.user,
                turn.gold_answer or "",
                turn.alignment,
                tuple((c.type, c.text) for c in turn.criteria),
            )
            for turn in plain.turns
        ),
    )


def _plain(official: _OfficialDialogue, where: str) -> dict[str, Any]:
    """SysBench's layout converted to the plain one, which is validated afterwards."""
    system, rest = official.messages[0], official.messages[1:]
    roles = tuple(message.role for message in rest)
    if system.role != "system" or roles != _ROLES * (len(roles) // 2) or not roles:
        raise UsageError(
            f"{where}: messages are {system.role}, {', '.join(roles)}",
            hint="first system, then user and assistant by turns",
        )
    turns = []
    for user, answer in zip(rest[::2], rest[1::2], strict=True):
        info = official.prompt_infos.get(user.content or "")
        if info is None:
            raise UsageError(
                f"{where}: prompt_infos lacks the user's {(user.content or '')[:60]!r}"
            )
        criteria = [
            {"type": c.criteria_type, "text": c.criteria_content} for c in info.criteria.values()
        ]
        turns.append({"user": user.content, "gold_answer": answer.content,
                      "alignment": info.alignment, "criteria": criteria})  # fmt: skip
    return {
        "system_id": official.system_id,
        "system": system.content,
        "multi_turn": "dependent" if official.rounds_related else "parallel",
        "turns": turns,
    }
