"""A judge over finished rows: both orders, ties, ratings, several judges, taken up again."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from filled import fill
from scripted import ScriptedEngine
from tiny import make

from sysgen_local.engine.request import Completion, Request
from sysgen_local.evaluation.preference import (
    PreferenceJudge,
    alignment,
    preference,
    summary,
)
from sysgen_local.prompts import PromptSet
from sysgen_local.running.pipeline import Pipeline
from sysgen_local.running.progress import Progress
from sysgen_local.store import Store

FACTS = {"model": "scripted", "prompt_set": "compact"}


@pytest.fixture
def store(tmp_path):
    fill(tmp_path / "x.duckdb", 10)  # rows 5 and 10 were dropped
    with Store.open(tmp_path / "x.duckdb") as store:
        yield store


def prefers_new(request: Request) -> Completion:
    """The new answer is the longer one, with markup in it; every rating is a clear 4."""
    if ":align" in request.id:
        shares = dict.fromkeys("1235", 0.05) | {"4": 0.8}
    else:
        text = request.messages[-1].text
        first = "New" in text[text.index("\nA: ") : text.index("\nB: ")]
        shares = {"A": 0.9 if first else 0.1, "B": 0.1 if first else 0.9}
    return Completion(request.id, "", "stop", 10, 0, 0.1, shares)


def always_first(request: Request) -> Completion:
    shares = {"A": 0.8, "B": 0.2} if ":prefer" in request.id else dict.fromkeys("12345", 0.2)
    return Completion(request.id, "", "stop", 10, 0, 0.1, shares)


def too_long(request: Request) -> Completion:
    return Completion(request.id, "", "too_long")


def run(store: Store, answer, number: str = "a", pairs: int = 100, aligned: int = 3) -> int:
    queue = store.judge_queue(number * 64, FACTS, pairs=pairs, aligned=aligned, seed=0)
    engine = ScriptedEngine(answer)
    stage = PreferenceJudge.of(PromptSet.load("compact"))
    Pipeline(queue, [stage], Progress(("judge",), rows=10)).run(engine)
    return len(engine.seen)


def test_both_orders_and_a_sample_for_alignment(store):
    assert run(store, prefers_new) == 8 * 2 + 3
    [judge] = summary(store.judgements())
    said, rated = judge["datasets"][""]["preference"], judge["datasets"][""]["alignment"]
    assert (said["wins"], said["losses"], said["ties"], said["first"]) == (8, 0, 0, 0.5)
    assert (rated["rows"], rated["share"]) == (3, 1)
    assert rated["mean"] == pytest.approx(0.8 * 4 + 0.05 * 11)


def test_a_judge_that_prefers_a_place_prefers_no_answer(store):
    run(store, always_first)
    [judge] = summary(store.judgements())
    said = judge["datasets"][""]["preference"]
    assert (said["wins"], said["losses"], said["ties"], said["first"]) == (0, 0, 8, 1)
    assert said["rate"] is None


def test_what_was_said_is_not_asked_again_and_more_is_added(store):
    run(store, prefers_new, pairs=2, aligned=1)
    assert run(store, prefers_new, pairs=2, aligned=1) == 0
    assert run(store, prefers_new, pairs=5, aligned=5) == 3 * 2 + 4
    [judge] = summary(store.judgements())
    assert judge["datasets"][""]["preference"]["wins"] == 5
    assert judge["datasets"][""]["alignment"]["rows"] == 5


def test_judges_stand_side_by_side_and_failures_are_counted(store):
    run(store, prefers_new)
    run(store, too_long, "b")
    first, second = summary(store.judgements())
    assert first["datasets"][""]["dropped"] == 0
    assert second["datasets"][""]["dropped"] == 8
    assert run(store, prefers_new, "b") == 0  # they are not tried again for ever


def test_new_answers_need_new_verdicts(store):
    run(store, prefers_new)
    store.redo("respond")
    assert store.judgements() == []


def test_figures_from_probabilities():
    said = preference([(0.9, 0.8), (0.2, 0.1), (0.9, 0.1), (0.6, 0.7)])
    assert (said.wins, said.losses, said.ties) == (2, 1, 1)
    assert said.first == pytest.approx((1 + 0 + 0 + 1 + 1 + 1 + 1 + 0) / 8)
    rated = alignment([(0, 0, 0, 0, 1), (0.5, 0, 0, 0.4, 0.1)])
    assert (rated.rows, rated.share) == (2, 0.5)
    assert rated.mean == pytest.approx((5 + 2.6) / 2)


def sysgen(*arguments: object, cwd: Path, code: int = 0) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "sysgen_local.cli.main", *map(str, arguments)]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=120)
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    return done


def test_the_built_in_model_judges_real_rows_and_another_judge_beside_it(tmp_path, builtin):
    rows = [
        {"instruction": f"How do I {x}?", "output": "It is hard to say."}
        for x in ("paint a chair", "clean the roof", "draw a violin", "fix an old bike")
    ]
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    sysgen("run", "rows.jsonl", "-q", cwd=tmp_path)
    sysgen("judge", "-q", cwd=tmp_path)
    other = shutil.copy(builtin, tmp_path / "other.gguf")
    with other.open("ab") as file:
        file.write(b"\0")  # another file, the same model
    said = json.loads(
        sysgen("judge", "--judge", other, "--prompts", "compact", "--json", cwd=tmp_path).stdout
    )
    assert len(said) == 2
    assert said[0]["datasets"] == said[1]["datasets"]
    judged = said[0]["datasets"][""]["preference"]
    assert judged["wins"] + judged["losses"] + judged["ties"] > 0
    assert "judged by builtin" in sysgen("stats", cwd=tmp_path).stdout
    told = sysgen("judge", cwd=tmp_path).stderr
    assert "judge: builtin, a small demonstration model without knowledge" in told


def test_a_model_whose_digits_share_their_first_token_judges(tmp_path):
    """As Llama 2 and Mistral do it; what it says is noise."""
    rows = [{"instruction": f"How do I paint {x}?", "output": "Slowly."} for x in ("a", "b")]
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    sysgen("run", "rows.jsonl", "-q", "--prompts", "compact", "--no-check", cwd=tmp_path)
    judge = make(tmp_path / "judge.gguf", "llama", sentencepiece=True)
    asked = ("--judge", judge, "--prompts", "compact", "--context", 4096, "--slots", 1, "--json")
    [said] = json.loads(sysgen("judge", *asked, "--pairs", 1, "--aligned", 1, cwd=tmp_path).stdout)
    assert said["datasets"][""]["dropped"] == 0
    assert said["datasets"][""]["alignment"]["rows"] == 1
    assert 1 <= said["datasets"][""]["alignment"]["mean"] <= 5
    told = sysgen("models", "check", judge, cwd=tmp_path).stdout
    assert "good/bad/none, yes/no, A/B by their first token" in told
    assert "1/2/3/4/5 by their whole sequences" in told


def test_nothing_to_judge_is_said(tmp_path):
    assert "no store" in sysgen("judge", cwd=tmp_path, code=2).stderr
