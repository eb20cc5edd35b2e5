"""Reads IFEval's file (arXiv 2311.07911) and counts its accuracies.

One JSON object a line: {"key", "prompt", "instruction_id_list": [...], "kwargs": [{...}, ...]},
with one object of parameters for each instruction. Null stands for no value.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from sysgen_local.core.errors import UsageError
from sysgen_local.evaluation.benchmarks.files import checked, entries, unique
from sysgen_local.evaluation.benchmarks.instructions import (
    ACCURACIES,
    FollowedItem,
    Instruction,
    InstructionItem,
    Turn,
    accuracies,
    by_kind,
)
from sysgen_local.evaluation.benchmarks.verdicts import Identity

HINT = (
    'a line is {"key": 1, "prompt": "Name three fruits without commas.", "instruction_id_list": '
    '["punctuation:no_comma"], "kwargs": [{}]}'
)


class _Item(BaseModel):
    model_config = ConfigDict(extra="ignore")

    key: Identity
    prompt: str = Field(min_length=1)
    instruction_id_list: list[str]
    kwargs: list[Any]


def read_items(path: Path) -> list[InstructionItem]:
    """All items of a file. An item with an instruction that cannot be read is one too: it is named
    in the result. Raises UsageError with the line if a field is missing or wrong."""
    found = entries(path)
    items = [checked(_Item, entry, hint=HINT) for entry in found]
    if not items:
        raise UsageError(f"{path} holds no item", hint=HINT)
    unique([(item.key, entry.where) for item, entry in zip(items, found, strict=True)], "item")
    return [
        InstructionItem(
            item.key,
            (turn_of(item.prompt, item.instruction_id_list, item.kwargs),),
            fault=fault_of(item.instruction_id_list, item.kwargs),
        )
        for item in items
    ]


def turn_of(prompt: str, names: Sequence[str], given: Sequence[Any]) -> Turn:
    """The prompt with its instructions. Parameters that are missing at the end are {}; a list of
    another length is a fault, see `fault_of`."""
    padded = [*given, *({} for _ in names)]
    return Turn(prompt, tuple(map(Instruction, names, padded)))


def fault_of(names: Sequence[str], given: Sequence[Any]) -> str:
    """What is wrong with the two lists of an item, as a sentence; "" if nothing is."""
    if len(names) == len(given):
        return ""
    return f"it has {len(names)} instructions and {len(given)} kwargs"


def score(items: Sequence[FollowedItem]) -> dict[str, Any]:
    """The four accuracies, as fractions in full precision, the counts behind them, and the same by
    kind of instruction."""
    turns = [turn for item in items for turn in item.turns]
    return {
        **accuracies(turns),
        "kinds": by_kind(turns),
        "counts": {
            "prompts": len(turns),
            "instructions": sum(len(turn.names) for turn in turns),
            "prompts_strict": sum(all(turn.strict) for turn in turns),
            "instructions_strict": sum(sum(turn.strict) for turn in turns),
            "prompts_loose": sum(all(turn.loose) for turn in turns),
            "instructions_loose": sum(sum(turn.loose) for turn in turns),
            "empty": sum(turn.empty for turn in turns),
        },
    }


def units(items: Sequence[FollowedItem]) -> dict[str, list[tuple[float, float]]]:
    """Accuracy -> for every item (its part of the numerator, its part of the denominator)."""
    pairs = [item.turns[0].pairs() for item in items]
    return {name: [of[name] for of in pairs] for name in ACCURACIES}


def summary(scores: Mapping[str, Any]) -> dict[str, float | None]:
    """The accuracies by name, in their order."""
    return {name: scores[name] for name in ACCURACIES}
