"""`python -m benchmarks.trust`: labelled phrases beside a model's verdicts, by command."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from places import ROOT

from sysgen_local.cli.outputs import Trust
from sysgen_local.store import Store

PHRASES = [
    {
        "row": f"r:{n}", "instruction": f"How do I cook dish {n}?", "answer": "Slowly.",
        "tag": tag, "text": f"{text} {n}.", "label": label, "made_by": "hand",
    }
    for n in range(12)
    for tag, text, label in (("role", "You are cook", "good"), ("task", "Solve equation", "bad"))
]  # fmt: skip


def measure(*words, code=0):
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.trust", "--model", "builtin", *map(str, words)],
        cwd=ROOT, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    return done


@pytest.fixture
def phrases(tmp_path):
    file = tmp_path / "phrases.jsonl"
    file.write_text("".join(f"{json.dumps(of)}\n" for of in PHRASES))
    return file


def test_it_prints_the_figures_of_the_command(phrases, tmp_path):
    db = tmp_path / "s.duckdb"
    found = Trust.model_validate_json(measure("--phrases", phrases, "--db", db, "--json").stdout)
    [judge] = found.judges
    assert (judge.of, judge.cases, judge.judge) == ("phrase", 24, "builtin")
    assert judge.enough
    with Store.open(db) as store:
        beside = store.compared_labels()
    assert {(of.label.tag, of.label.said) for of in beside} == {("role", "good"), ("task", "bad")}
    agreed = sum(of.label.said == of.verdict for of in beside)
    assert judge.agreement.agreed == agreed
    said = measure("--phrases", phrases, "--db", db, code=2).stderr
    assert "is there already" in said


def test_a_sample_is_smaller_and_shown_as_tables(phrases):
    text = measure("--phrases", phrases, "--sample", 6).stdout
    assert "### builtin on phrases (prompts: compact), and people" in text
    assert "too few to tell: 6 labels of phrases count" in text


def test_what_is_missing_is_said():
    assert "gone.jsonl" in measure("--phrases", "gone.jsonl", code=2).stderr
