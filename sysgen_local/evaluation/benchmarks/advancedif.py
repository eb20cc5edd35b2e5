"""Reads AdvancedIF (arXiv 2511.10507) and counts its scores.

The published CSV (or the same as JSONL) has one conversation a row: `conversation_history`, a JSON
list of {"role", "content"} that ends with the user's turn to answer; `prompt_metadata`, a JSON
object with `rubrics`, a list of questions that was written by experts (or that list as JSON text);
and `benchmark_name`. Other columns are ignored. A judge answers each rubric with yes or no.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from sysgen_local.core.errors import UsageError
from sysgen_local.evaluation.benchmarks.files import LocatedValue, checked, entries, text_of

Area = Literal["complex", "context", "system"]
AREAS: tuple[Area, ...] = get_args(Area)
"""complex: six or more instructions in one turn. context: instructions of earlier turns. system:
instructions of the system message."""

NAMES: dict[str, Area] = {
    "complex_if_single_turn_v5": "complex",
    "if_complex_if_oss": "complex",
    "carried_context_multi_turn_eval_v5": "context",
    "if_carried_context_oss": "context",
    "system_steerability_v2": "system",
    "if_system_steerability_oss": "system",
}
"""`benchmark_name` in the published file, and in the authors' code -> the area."""

METRICS = ("overall", *AREAS, "rubrics")

_HINT = (
    "a row has conversation_history (a JSON list of role and content), prompt_metadata (a JSON "
    "object with rubrics) and benchmark_name; the file is published as facebook/AdvancedIF"
)


@dataclass(frozen=True, slots=True)
class Conversation:
    """One conversation. `earlier` are its (user, assistant) turns before the one to answer."""

    id: str
    area: Area
    system: str
    earlier: tuple[tuple[str, str], ...]
    user: str
    rubrics: tuple[str, ...]

    @property
    def users(self) -> tuple[str, ...]:
        return (self.user,)

    @property
    def golds(self) -> tuple[str, ...]:
        return ("",)

    def judged(self, marks: tuple[tuple[str, ...], ...]) -> JudgedConversation:
        """The conversation with these marks, one tuple for each rubric."""
        return JudgedConversation(self.area, tuple(mark == "yes" for (mark,) in marks))


@dataclass(frozen=True, slots=True)
class JudgedConversation:
    """One conversation: its area, and which of its rubrics the answer meets."""

    area: Area
    met: tuple[bool, ...]


def _from_json(value: Any) -> Any:
    """A cell of the CSV is JSON text."""
    return json.loads(value) if isinstance(value, str) else value


class _Message(BaseModel):
    model_config = ConfigDict(extra="ignore")

    role: Literal["system", "user", "assistant"]
    content: str


class _Metadata(BaseModel):
    model_config = ConfigDict(extra="ignore")

    rubrics: Annotated[
        list[Annotated[str, Field(min_length=1)]], BeforeValidator(_from_json), Field(min_length=1)
    ]


class _Row(BaseModel):
    model_config = ConfigDict(extra="ignore")

    benchmark_name: str
    conversation_history: Annotated[
        list[_Message], BeforeValidator(_from_json), Field(min_length=1)
    ]
    prompt_metadata: Annotated[_Metadata, BeforeValidator(_from_json)]


def read_conversations(path: Path) -> list[Conversation]:
    """All conversations of a file. Raises UsageError with the row if a field is wrong."""
    found = list(_entries(path))
    if not found:
        raise UsageError(f"{path} holds no conversation", hint=_HINT)
    return [_conversation(entry, number) for number, entry in enumerate(found, 1)]


def _entries(path: Path) -> Iterable[LocatedValue]:
    text = text_of(path)
    return entries(path) if text.lstrip()[:1] in ("{", "[") else _csv(path, text)


def _csv(path: Path, text: str) -> Iterator[LocatedValue]:
    before = csv.field_size_limit(max(csv.field_size_limit(), len(text)))
    try:
        for number, row in enumerate(csv.DictReader(io.StringIO(text, newline="")), 1):
            yield LocatedValue(row, f"{path}, row {number}")
    except csv.Error as error:
        raise UsageError(f"{path} is no CSV: {error}", hint=_HINT) from error
    finally:
        csv.field_size_limit(before)


def _conversation(entry: LocatedValue, number: int) -> Conversation:
    row = checked(_Row, entry, hint=_HINT)
    area = NAMES.get(row.benchmark_name)
    if area is None:
        known = ", ".join(NAMES)
        raise UsageError(
            f"{entry.where}: the unknown benchmark_name {row.benchmark_name!r}",
            hint=f"it is one of {known}",
        )
    said = row.conversation_history
    systems = [message.content for message in said if message.role == "system"]
    turns = [message for message in said if message.role != "system"]
    wanted = [("user", "assistant")[i % 2] for i in range(len(turns))]
    opened = not systems or (len(systems) == 1 and said[0].role == "system")
    if not opened or not len(turns) % 2 or [turn.role for turn in turns] != wanted:
        raise UsageError(
            f"{entry.where}: the roles are {', '.join(message.role for message in said)}",
            hint="they are user and assistant by turns, user last, and at most one system message "
            "before them",
        )
    texts = [turn.content for turn in turns]
    earlier = tuple(zip(texts[:-1:2], texts[1::2], strict=True))
    rubrics = tuple(row.prompt_metadata.rubrics)
    return Conversation(str(number), area, "".join(systems), earlier, texts[-1], rubrics)


def score(conversations: Sequence[JudgedConversation]) -> dict[str, Any]:
    """All metrics as fractions in full precision; None if an area has no conversation.

    overall: conversations whose answer meets all rubrics, of all; complex, context, system: the
    same by area. rubrics: rubrics met, of all. As the authors' code counts.
    """
    sums = {
        metric: (sum(part for part, _ in pairs), sum(whole for _, whole in pairs))
        for metric, pairs in units(conversations).items()
    }
    return {
        **{metric: part / whole if whole else None for metric, (part, whole) in sums.items()},
        "counts": {
            "conversations": len(conversations),
            **{area: int(sums[area][1]) for area in AREAS},
            "rubrics": int(sums["rubrics"][1]),
            "rubrics_met": int(sums["rubrics"][0]),
        },
    }


def units(conversations: Sequence[JudgedConversation]) -> dict[str, list[tuple[float, float]]]:
    """Metric -> for every conversation (its part of the numerator, its part of the denominator)."""
    found: dict[str, list[tuple[float, float]]] = {metric: [] for metric in METRICS}
    for of in conversations:
        passes = float(all(of.met))
        found["overall"].append((passes, 1.0))
        for area in AREAS:
            here = float(of.area == area)
            found[area].append((passes * here, here))
        found["rubrics"].append((float(sum(of.met)), float(len(of.met))))
    return found


def summary(scores: Mapping[str, Any]) -> dict[str, float | None]:
    """The metrics by name, in their order."""
    return {metric: scores[metric] for metric in METRICS}
