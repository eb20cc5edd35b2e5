"""Small benchmarks, and the command as a user runs it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

TURN = {
    "user": "How do I cook rice?",
    "alignment": "aligned",
    "gold_answer": "In water.",
    "criteria": [{"id": 1, "type": "role", "text": "is a cook"}],
}


def dialogue(number: int, turns: int = 2, **changed: object) -> dict[str, object]:
    criteria = [*TURN["criteria"], {"id": 2, "type": "format", "text": "short"}]
    misaligned = TURN | {"user": "And a car?", "alignment": "misaligned", "criteria": criteria}
    return {
        "system_id": number,
        "system": f"You are cook number {number}.",
        "multi_turn": "dependent" if number % 2 else "parallel",
        "turns": [misaligned if i % 2 else TURN for i in range(turns)],
    } | changed


def instance(number: int) -> dict[str, object]:
    levels = {str(n): f"level {n}" for n in range(1, 6)}
    return {
        "source": ("koala", "mt_bench")[number % 2],
        "system": f"You are guide number {number}.",
        "prompt": "Tell me of the sea.",
        "reference_answer": "It is wide.",
        "rubrics": [{"criteria": f"quality {i}", "score_descriptions": levels} for i in range(4)],
    }


ONE_SENTENCE = {
    "phrase": "Answer in one sentence.", "kind": "sentences", "text": "exactly 1 sentence"
}  # fmt: skip


def obey(number: int, **changed: object) -> dict[str, object]:
    """An item with a system message."""
    return {
        "kind": "obey",
        "id": f"o{number}",
        "system": f"You are cook number {number}. Answer in one sentence.",
        "messages": [{"role": "user", "content": "How do I cook rice?"}],
        "checks": [ONE_SENTENCE],
    } | changed


def plain(number: int, **changed: object) -> dict[str, object]:
    """An item without a system message."""
    return {
        "kind": "plain",
        "id": f"p{number}",
        "messages": [{"role": "user", "content": f"What is {number} plus 1?"}],
        "checks": [{"kind": "result", "text": str(number + 1)}],
        "original": str(number + 1),
    } | changed


def write(path: Path, values: list[object]) -> Path:
    path.write_text("".join(json.dumps(value) + "\n" for value in values))
    return path


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "sysgen_local.cli.main", *map(str, arguments)]


def run(*arguments: object, code: int = 0) -> subprocess.CompletedProcess[str]:
    """Runs `sysgen` and checks how it ended."""
    done = subprocess.run(command(*arguments), capture_output=True, text=True, timeout=300)
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    return done
