"""examples/proof.sh with everything real, but for the size: four trainings and their comparison."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import tiny

from sysgen_local.core.records import (
    Conversation,
    Filtered,
    Generated,
    Phrase,
    Responded,
    Source,
    Turn,
    Verdict,
    Verified,
)
from sysgen_local.store import Store
from sysgen_local.training.folder import read_curve, read_recipe

pytest.importorskip("torch", reason="the extra `train` is not installed")
pytest.importorskip("trl", reason="the extra `train` is not installed")
pytestmark = pytest.mark.e2e

ROOT = Path(__file__).resolve().parents[2]
VARIANTS = ("original", "common", "system-only", "full")


@pytest.fixture
def db(tmp_path):
    """Rows whose system messages ask for one sentence, and whose results are numbers."""
    rows = 60
    phrases = (Phrase("role", "You are a clerk."), Phrase("format", "Answer in one sentence."))
    verdicts = tuple(Verdict(of.tag, of.text, "good", 0.9, 0.1, 0.0) for of in phrases)
    system = " ".join(of.text for of in phrases)
    with Store.open(tmp_path / "rows.duckdb") as store:
        turns = [
            (
                Turn("user", f"What is the sum of {n} and {7 * n}?"),
                Turn("assistant", f"The sum of {n} and {7 * n} is {8 * n}."),
            )
            for n in range(1, rows + 1)
        ]
        found = [Conversation(of, n) for n, of in enumerate(turns, 1)]
        store.ingest(Source("rows.jsonl", "x", "0", "sums", "mit"), found)
        for n, of in enumerate(turns, 1):
            store.commit([(n, "generate", Generated(phrases)), (n, "filter", Filtered(phrases))])
            new = (of[0], Turn("assistant", f"It is {8 * n}."))
            store.commit(
                [(n, "verify", Verified(verdicts, system)), (n, "respond", Responded(new))]
            )
        store.set_recipe("generate", "f" * 64, {"model": "m", "model_license": "mit"})
    return tmp_path / "rows.duckdb"


def test_the_proof_trains_every_variant_and_compares_them(db, tmp_path):
    base = tiny.make(tmp_path / "base.gguf", "llama", spread=1.0)
    command = tmp_path / "sysgen"
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m sysgen_local.cli.main "$@"\n')
    command.chmod(0o755)
    call = ["bash", str(ROOT / "examples/proof.sh"), str(db), str(base), str(tmp_path / "proof"),
            "--lora", "4", "--epochs", "1"]  # fmt: skip
    env = {**os.environ, "SYSGEN": str(command), "TOKENS": "12", "OWN": "",
           "PYTHONPATH": str(ROOT)}  # fmt: skip
    done = subprocess.run(call, env=env, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    proof = tmp_path / "proof"
    for variant in VARIANTS:
        recipe = read_recipe(proof / variant)
        assert recipe["finished"]
        assert recipe["variant"] == variant
    rows = [(proof / of / "data/train.jsonl").read_text().count("\n") for of in VARIANTS]
    assert len(set(rows)) == 1  # the same rows in every variant
    test = (proof / "test.jsonl").read_text()
    trained = (proof / "full/data/train.jsonl").read_text()
    assert test.count('"kind": "obey"') > 3
    assert test.count('"kind": "plain"') > 3
    for n in range(1, 61):
        assert not (f"the sum of {n} and" in test and f"the sum of {n} and" in trained)
    tables = (proof / "study.md").read_text()
    for label in ("base", *VARIANTS, "base, user turn", "full, user turn"):
        assert f"| {label} |" in tables or f"| {label} - base |" in tables, tables
    assert (proof / "original.md").exists()
    page = (proof / "report.html").read_text()
    assert "held-out loss" in page
    assert "full, user turn" in page
    points = [len(read_curve(proof / of)) for of in VARIANTS]
    again = subprocess.run(call, env=env, capture_output=True, text=True, timeout=600)
    assert again.returncode == 0, again.stderr
    assert [len(read_curve(proof / of)) for of in VARIANTS] == points
