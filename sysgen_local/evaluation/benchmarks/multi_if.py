"""Reads Multi-IF's file (arXiv 2410.15553) and counts its accuracies by turn and language.

A CSV with a line for each dialogue, or JSONL with the same keys: `key`, `language`, and for each
turn N from 1 `turn_N_prompt` (JSON of {"role": "user", "content"}), `turn_N_instruction_id_list`
(JSON of a list) and `turn_N_kwargs` (JSON of a list of objects, each of which is JSON in a text
again). An instruction of an earlier turn is checked in the later ones too, as the file has it. The
dialogue ends before the first turn without a prompt ("None" or empty).
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sysgen_local.core.errors import UsageError
from sysgen_local.evaluation.benchmarks import ifeval
from sysgen_local.evaluation.benchmarks.files import LocatedValue, entries, text_of, unique
from sysgen_local.evaluation.benchmarks.instructions import (
    FollowedItem,
    FollowedTurn,
    InstructionItem,
    accuracies,
    by_kind,
    overall,
)
from sysgen_local.phases.checks.instructions.multi_if import KINDS

HINT = (
    "the columns are key, language, and for each turn turn_1_prompt, turn_1_instruction_id_list "
    "and turn_1_kwargs, as in the published multiIF_20241018.csv"
)
TURNS = 3
"""The turns of the published dialogues."""


def read_dialogues(path: Path) -> list[InstructionItem]:
    """All dialogues of a file. One with instructions that cannot be read is one too: it is named in
    the result. Raises UsageError with the line if a column is missing or a prompt is none."""
    found = _rows(path) if path.name.lower().endswith(".csv") else entries(path)
    items = [_item(entry) for entry in found]
    if not items:
        raise UsageError(f"{path} holds no dialogue", hint=HINT)
    unique([(item.id, entry.where) for item, entry in zip(items, found, strict=True)], "dialogue")
    return items


def _rows(path: Path) -> list[LocatedValue]:
    reader = csv.DictReader(io.StringIO(text_of(path), newline=""), strict=True)
    found = []
    try:
        for row in reader:
            if None in row or None in row.values():
                where = f"{path}, line {reader.line_num}"
                raise UsageError(
                    f"{where}: the line has not as many fields as the first", hint=HINT
                )
            found.append(LocatedValue(row, f"{path}, line {reader.line_num}"))
    except csv.Error as error:
        raise UsageError(f"{path}, line {reader.line_num}: no CSV: {error}", hint=HINT) from error
    return found


def _item(entry: LocatedValue) -> InstructionItem:
    row = entry.value
    if not isinstance(row, Mapping):
        raise UsageError(f"{entry.where}: no dialogue of Multi-IF", hint=HINT)
    for column in ("key", "language", "turn_1_prompt"):
        if row.get(column) in (None, ""):
            raise UsageError(f"{entry.where}: {column} is missing", hint=HINT)
    turns, faults = [], []
    number = 1
    while prompt := _prompt(row.get(f"turn_{number}_prompt"), f"{entry.where}, turn {number}"):
        names = _json(row.get(f"turn_{number}_instruction_id_list"))
        given = _json(row.get(f"turn_{number}_kwargs"))
        if not isinstance(names, list) or not isinstance(given, list):
            faults.append(f"turn {number}: its instructions or kwargs are no JSON list")
            names, given = [], []
        elif wrong := ifeval.fault_of(names, given):
            faults.append(f"turn {number}: {wrong}")
        given = [_json(of) for of in given]
        turns.append(ifeval.turn_of(prompt, [str(name) for name in names], given))
        number += 1
    if not turns:
        raise UsageError(f"{entry.where}: turn_1_prompt holds no prompt", hint=HINT)
    return InstructionItem(
        str(row["key"]), tuple(turns), group=(str(row["language"]),), fault="; ".join(faults)
    )


def _prompt(value: Any, where: str) -> str:
    """The text of a prompt; "" where there is none."""
    if value in (None, "", "None"):
        return ""
    message = _json(value)
    content = message.get("content") if isinstance(message, Mapping) else None
    if not isinstance(content, str) or message.get("role") != "user":
        raise UsageError(f"{where}: the prompt is no JSON of a user's message", hint=HINT)
    return content


def _json(value: Any) -> Any:
    """A value that may be JSON in a text; the text itself where it is none."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return value


def score(items: Sequence[FollowedItem]) -> dict[str, Any]:
    """By turn and language, as the authors count: the four accuracies, and their mean `overall`.

    A turn counts the dialogues that have it. `kinds` are the kinds of instruction of all turns.
    """
    turns = [turn for item in items for turn in item.turns]
    return {
        "turns": {str(n): _turn(items, n) for n in _numbers(items)},
        "kinds": by_kind(turns, KINDS),
        "counts": {
            "dialogues": len(items),
            "prompts": len(turns),
            "instructions": sum(len(turn.names) for turn in turns),
            "empty": sum(turn.empty for turn in turns),
        },
    }


def _numbers(items: Sequence[FollowedItem]) -> range:
    return range(1, max([TURNS, *(len(item.turns) for item in items)]) + 1)


def _turn(items: Sequence[FollowedItem], number: int) -> dict[str, Any]:
    by_language: dict[str, list[FollowedTurn]] = {"all_languages": []}
    for item in items:
        if len(item.turns) >= number:
            turn = item.turns[number - 1]
            by_language["all_languages"].append(turn)
            by_language.setdefault(item.group[0], []).append(turn)
    found = {}
    for language, turns in by_language.items():
        of = accuracies(turns)
        found[language] = {**of, "overall": overall(of), "prompts": len(turns)}
    return found


def units(items: Sequence[FollowedItem]) -> dict[str, list[tuple[float, float]]]:
    """Metric -> for every dialogue (its part of the numerator, its part of the denominator).

    The mean of four accuracies is a sum over prompts too: each prompt's part of it, over the number
    of prompts. The number of instructions is that of these dialogues.
    """
    return {f"turn {n}": overall_units([_nth(item, n) for item in items]) for n in _numbers(items)}


def overall_units(turns: Sequence[FollowedTurn | None]) -> list[tuple[float, float]]:
    """For each answer (its part of `overall`, 1): the mean over answers is `overall`. None is an
    answer that does not count."""
    there = [turn for turn in turns if turn is not None]
    instructions = sum(len(turn.names) for turn in there)
    found = []
    for turn in turns:
        if turn is None:
            found.append((0.0, 0.0))
            continue
        prompts = all(turn.strict) + all(turn.loose)
        followed = (sum(turn.strict) + sum(turn.loose)) * len(there) / instructions
        found.append(((prompts + followed) / 4, 1.0))
    return found


def _nth(item: FollowedItem, number: int) -> FollowedTurn | None:
    return item.turns[number - 1] if len(item.turns) >= number else None


def summary(scores: Mapping[str, Any]) -> dict[str, float | None]:
    """The mean accuracy of each turn in all languages."""
    return {
        f"turn {number}": of["all_languages"]["overall"] for number, of in scores["turns"].items()
    }
