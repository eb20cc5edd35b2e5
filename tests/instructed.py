"""Small files in the layouts of IFEval, Multi-IF, IHEval and AdvancedIF. The texts are our own."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from sysgen_local.evaluation.benchmarks.benchmark import Benchmark
from sysgen_local.evaluation.benchmarks.questions import QuestionRecord
from sysgen_local.store.evaluation import Answered

Asked = tuple[str, dict[str, Any]]
NO_COMMA: Asked = ("punctuation:no_comma", {})
SHORT: Asked = ("length_constraints:number_words", {"num_words": 5, "relation": "less than"})
TITLE: Asked = ("detectable_format:title", {})


def ifeval(key: int, *asked: Asked, **changed: object) -> dict[str, object]:
    """An item with these instructions, (kind, parameters) each; no comma and short if none."""
    asked = asked or (NO_COMMA, SHORT)
    return {
        "key": key,
        "prompt": f"Say hello to guest {key}.",
        "instruction_id_list": [name for name, _ in asked],
        "kwargs": [given for _, given in asked],
    } | changed


def multi_if(
    key: str, *turns: Sequence[Asked], language: str = "English", **changed: str
) -> dict[str, str]:
    """A dialogue with the instructions of each turn; three turns of growing lists if none."""
    turns = turns or ([NO_COMMA], [NO_COMMA, SHORT], [NO_COMMA, SHORT, TITLE])
    row = {"key": key, "turns": "[]", "responses": "[]", "language": language}
    for n in range(1, 4):
        there = n <= len(turns)
        asked = turns[n - 1] if there else []
        message = {"role": "user", "content": f"Say hello, turn {n}."}
        row |= {
            f"turn_{n}_prompt": json.dumps(message) if there else "None",
            f"turn_{n}_instruction_id_list": json.dumps([name for name, _ in asked]),
            f"turn_{n}_kwargs": json.dumps([json.dumps(given) for _, given in asked]),
        }
    return row | changed


def advancedif(
    *rubrics: str, system: str = "", name: str = "system_steerability_v2"
) -> dict[str, str]:
    """A conversation in the published layout; it has the system message if one is given."""
    said = [{"role": "system", "content": system}] if system else []
    said += [
        {"role": "user", "content": "What is a queen bee?"},
        {"role": "assistant", "content": 'The mother of the hive, said "the keeper".'},
        {"role": "user", "content": "And a drone?"},
    ]
    return {
        "benchmark_name": name,
        "conversation_history": json.dumps(said),
        "prompt_metadata": json.dumps({"rubrics": json.dumps(rubrics), "other": 1}),
    }


def write_csv(path: Path, rows: Sequence[dict[str, str]]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [*rows[0]])
        writer.writeheader()
        writer.writerows(rows)
    return path


def iheval(number: int, *asked: Asked, **changed: object) -> dict[str, object]:
    """An item of a rule-following task of IHEval."""
    asked = asked or (NO_COMMA, SHORT)
    return {
        "id": number,
        "system": "Use no commas. Be short.",
        "instruction": f"Say hello to guest {number}.",
        "answer": {
            "instruction_id_list": [name for name, _ in asked],
            "kwargs": [given for _, given in asked],
        },
    } | changed


def place(root: Path, where: str, items: Sequence[object]) -> Path:
    """Writes an input_data.json at DOMAIN/TASK/SETTING/PROMPT below a folder."""
    path = root / where / "input_data.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(items), encoding="utf-8")
    return path


def graded(benchmark: Benchmark, *replies: str | tuple[str, ...]) -> list[QuestionRecord]:
    """The records of a benchmark's questions with these replies, graded by its stage."""
    assert benchmark.grader is not None
    stage = benchmark.grader()
    records = []
    for row, (question, said) in enumerate(zip(benchmark.questions, replies, strict=True), 1):
        texts = (said,) if isinstance(said, str) else said
        record = QuestionRecord(row, question, Answered(texts, ("stop",) * len(texts)))
        with pytest.raises(StopIteration) as end:
            next(stage.work(record))
        records.append(record.after("judge", end.value.value))
    return records
