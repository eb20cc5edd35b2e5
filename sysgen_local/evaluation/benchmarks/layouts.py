"""Tells which benchmark a file belongs to, by the keys of its first entry."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path

from sysgen_local.core.errors import UsageError
from sysgen_local.evaluation.benchmarks import files

_KEYS: dict[str, tuple[frozenset[str], ...]] = {
    "ifeval": (frozenset({"prompt", "instruction_id_list", "kwargs"}),),
    "multi-if": (frozenset({"turn_1_prompt", "turn_1_instruction_id_list"}),),
    "iheval": (frozenset({"instruction", "answer", "system"}),),
    "advancedif": (frozenset({"conversation_history", "prompt_metadata"}),),
    "own": (frozenset({"messages", "checks", "kind"}),),
    "multifacet": (
        frozenset({"system", "prompt", "reference_answer", "rubrics"}),
        frozenset({"system", "prompt", "reference_answer", "rubric"}),
    ),
    "sysbench": (frozenset({"system_id", "turns"}), frozenset({"system_id", "messages"})),
}


def looks_like(path: Path) -> str | None:
    """The benchmark whose keys the first entry of a file has; None where it is none, or the file
    cannot be read."""
    try:
        if path.name.lower().endswith(".csv"):
            head = files.text_of(path).partition("\n")[0]
            keys = frozenset(next(csv.reader([head]), []))
        else:
            first = files.entries(path)[0].value
            keys = frozenset(first) if isinstance(first, Mapping) else frozenset()
    except (UsageError, IndexError, csv.Error):
        return None
    return next((name for name, any_of in _KEYS.items() if any(of <= keys for of in any_of)), None)
