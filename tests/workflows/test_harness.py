"""lm-evaluation-harness runs on a GGUF, by the command that the help shows."""

from __future__ import annotations

import json

import pytest
from questions import run

from sysgen_local.core.resources import resource

pytest.importorskip("lm_eval", reason="the extra [harness] is not installed")
EXAMPLES = resource("examples/questions.jsonl").parent / "harness"
TASKS = ("sysgen_opposites", "sysgen_copies")


def test_a_tiny_task_file(tmp_path):
    out = tmp_path / "out.json"
    said = run(
        "evaluate", "harness", *TASKS, "--include", EXAMPLES, "--model", "builtin", "-o", out
    )
    found = json.loads(out.read_text())
    assert found["samples"] == {"sysgen_opposites": 8, "sysgen_copies": 8}
    assert 0 <= found["results"]["sysgen_opposites"]["acc,none"] <= 1
    assert "exact_match" in said.stdout


def test_in_the_chat_template_with_examples(tmp_path):
    options = ("--include", EXAMPLES, "--model", "builtin", "--chat", "--fewshot", 2, "--json")
    found = json.loads(run("evaluate", "harness", *TASKS, *options, "--limit", 4).stdout)
    assert found["samples"]["sysgen_opposites"] == 4
    assert found["chat_template"]


def test_a_task_that_is_not_there():
    said = run("evaluate", "harness", "no_such_task", "--model", "builtin", code=2)
    assert "knows no task no_such_task" in said.stderr
