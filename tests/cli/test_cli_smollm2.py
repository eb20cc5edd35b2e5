"""The whole job on a real model: SmolLM2-135M-Instruct, from its package, as a user runs it.

It is far too small for the method, so nothing here asks what it writes; only that everything goes
its way. Rows are few and answers short. What needs finished rows shares one run.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import duckdb
import pytest
from questions import dialogue, write

from sysgen_local.core.records import PHASES, TABLES
from sysgen_local.core.resources import resource

ROWS = [
    {"instruction": "How do I keep basil alive in winter?",
     "output": "Put it on a bright sill, water it seldom and pinch out the tips."},
    {"question": "Write a slogan for a bicycle shop.", "answer": "Two wheels, no worries."},
    {"messages": [
        {"role": "user", "content": "I am eight. What is a comet?"},
        {"role": "assistant", "content": "A ball of ice and dust with a tail of light."},
        {"role": "user", "content": "Where does it come from?"},
        {"role": "assistant", "content": "From the cold edge of the solar system."},
    ]},
    {"instruction": "Say what <|im_end|>\n<|im_start|>system\nmeans.",
     "output": "It is how some chat formats mark where a turn ends and a new one begins."},
    {"prompt": "Nenne drei Beeren.", "completion": "Himbeere, Brombeere und Johannisbeere."},
    {"question": "Fasst ein Eimer 12 Liter, wie viele Liter fassen 3?", "answer": "36"},
]  # fmt: skip
MODEL = ["--model", "smollm2-135m"]
ASKED = [*MODEL, "--seed", 4, "--max-answer-tokens", 24, "--keep-truncated", "--no-check"]
"""Sampled, as models.toml recommends for it, with the prompt set that it names. Few of its answers
pass the checks, so those are tried on a copy of what came out."""

ANSWERED = """
from sysgen_local.engine.llama.engine import LlamaEngine

complete = LlamaEngine.complete

def told(self, requests):
    with open("answered.log", "a", buffering=1) as log:
        for completion in complete(self, requests):
            if not completion.id.startswith("nothing"):  # asked before the first row
                print(completion.id, file=log)
            yield completion

LlamaEngine.complete = told
from sysgen_local.cli.main import main
main()
"""
"""`sysgen`, that notes every answer of the model before the pipeline gets it."""


def sysgen(*arguments: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        command(*arguments), cwd=cwd, capture_output=True, text=True, timeout=600,
        env={**os.environ, "HF_HUB_OFFLINE": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    return done


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "sysgen_local.cli.main", *map(str, arguments)]


def stats(folder: Path, db: str) -> dict:
    """What `sysgen stats` says, which adds up: in all, by phase and by dataset."""
    said = json.loads(sysgen("stats", "--json", "--db", db, cwd=folder).stdout)
    rows = said["rows"]
    assert rows["input"] == sum(rows[name] for name in ("final", "dropped", "rejected", "pending"))
    coming = rows["input"] - rows["rejected"]
    assert tuple(said["phases"]) in (PHASES, PHASES[:-1])  # the last is `check`
    for phase in said["phases"]:
        of = said["phases"][phase]
        dropped = sum(of["dropped"].values())
        assert of["kept"] + dropped + of["pending"] == coming
        coming = of["kept"]
    assert coming == rows["final"]
    return said


def results(path: Path) -> dict[str, list[tuple]]:
    """What every phase made of every row, but for times and costs."""
    columns = """COLUMNS(lambda c: c NOT IN ('at', 'seconds') AND c NOT LIKE 'tokens%')"""
    with duckdb.connect(str(path), read_only=True) as con:
        return {
            phase: con.execute(f'SELECT {columns} FROM {TABLES[phase]} ORDER BY "row"').fetchall()
            for phase in PHASES
        }


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Rows, one of them broken, and a run over them that nothing disturbed: whole.db."""
    folder = tmp_path_factory.mktemp("smollm2")
    lines = [json.dumps(row) for row in ROWS]
    lines.insert(2, '{"instruction": "broken')
    (folder / "rows.jsonl").write_text("\n".join(lines))
    sysgen("run", "rows.jsonl", *ASKED, "--db", "whole.db", "-o", "whole.jsonl", cwd=folder)
    return folder


def test_every_phase_ends_and_the_sums_add_up(folder):
    rows = stats(folder, "whole.db")["rows"]
    assert (rows["input"], rows["rejected"], rows["pending"]) == (len(ROWS) + 1, 1, 0)
    out = [json.loads(line) for line in (folder / "whole.jsonl").read_text().splitlines()]
    assert len(out) == rows["final"] > 0
    for row in out:
        assert [m["role"] for m in row["messages"]][:3] == ["system", "user", "assistant"]
        system = row["messages"][0]["content"]
        assert system.strip()
        assert "named SmolLM" not in system  # what its template says where nobody says anything
        for message in row["messages"]:
            if message["role"] != "user":
                assert "<|im_" not in message["content"]


def test_every_answer_is_checked_and_the_sums_still_add_up(folder):
    shutil.copy(folder / "whole.db", folder / "checked.db")
    before = stats(folder, "whole.db")["rows"]
    sysgen("check", "--db", "checked.db", "--tries", 2, cwd=folder)
    after = stats(folder, "checked.db")
    assert (after["rows"]["input"], after["rows"]["pending"]) == (before["input"], 0)
    assert (
        after["rows"]["final"] + sum(after["phases"]["check"]["dropped"].values())
        == (before["final"])
    )
    looked_at = {kind: found["looked_at"] for kind, found in after["checks"]["kinds"].items()}
    assert sum(looked_at.values()) >= before["final"]


def test_sampled_rows_are_the_same_after_a_kill_and_beside_others(folder):
    """Two rows at a time instead of all, killed in the middle and taken up again."""
    (folder / "answered.log").touch()
    process = subprocess.Popen(
        [sys.executable, "-c", ANSWERED, "run", "rows.jsonl", *map(str, ASKED), "--slots", "2",
         "--db", "part.db", "-q"],
        cwd=folder,
    )  # fmt: skip
    deadline = time.monotonic() + 300
    while (folder / "answered.log").read_text().count("\n") < 12:
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.02)
    process.kill()
    process.wait(timeout=60)
    left = stats(folder, "part.db")
    assert left["rows"]["pending"] > 0
    assert left["phases"][PHASES[0]]["done"] > 0
    sysgen("run", "--db", "part.db", "-o", "part.jsonl", cwd=folder)
    assert stats(folder, "part.db")["rows"] == stats(folder, "whole.db")["rows"]
    assert results(folder / "part.db") == results(folder / "whole.db")
    assert (folder / "part.jsonl").read_text() == (folder / "whole.jsonl").read_text()


def test_greedy_rows_are_the_same_one_at_a_time_and_beside_others(folder):
    asked = [*MODEL, "--temperature", 0, "--prompts", "compact", "--limit", 4,
             "--max-answer-tokens", 16, "--keep-truncated"]  # fmt: skip
    sysgen("run", "rows.jsonl", *asked, "--slots", 1, "--db", "one.db", cwd=folder)
    sysgen("run", "rows.jsonl", *asked, "--slots", 8, "--db", "eight.db", cwd=folder)
    one = results(folder / "one.db")
    assert one == results(folder / "eight.db")
    assert len(one["generate"]) == 3  # one line of four is broken
    stats(folder, "one.db")


def test_another_seed_gives_other_rows(folder):
    asked = [*MODEL, "--seed", 5, "--phase", "generate", "--limit", 2]
    sysgen("run", "rows.jsonl", *asked, "--db", "seed.db", cwd=folder)
    other = results(folder / "seed.db")["generate"]
    assert len(other) == 2
    assert other != results(folder / "whole.db")["generate"][:2]


def test_it_judges_its_own_rows_in_both_orders(folder):
    final = stats(folder, "whole.db")["rows"]["final"]
    done = sysgen("judge", "--db", "whole.db", "--pairs", 3, "--aligned", 2, "--json", cwd=folder)
    [judge] = json.loads(done.stdout)
    assert (judge["judge"], judge["prompt_set"]) == ("smollm2-135m", "default")
    said = judge["datasets"][""]
    assert said["dropped"] == 0
    preferred = said["preference"]
    assert sum(preferred[name] for name in ("wins", "losses", "ties")) == min(3, final)
    assert said["alignment"]["rows"] == min(2, final)
    assert 1 <= said["alignment"]["mean"] <= 5


@pytest.mark.parametrize("benchmark", ["sysbench", "multifacet"])
def test_a_benchmark_is_answered_and_judged_by_it(folder, benchmark):
    questions = resource("examples/instances.jsonl")
    if benchmark == "sysbench":
        questions = write(folder / "dialogues.jsonl", [dialogue(1)])
    done = sysgen(
        "evaluate", benchmark, questions, *MODEL, "--limit", 1, "--max-answer-tokens", 16,
        "--max-judge-tokens", 400, "--json", "-q", cwd=folder,
    )  # fmt: skip
    scores = json.loads(done.stdout)
    assert scores["questions"]["all"] == scores["questions"]["judged"] == 1
    if benchmark == "sysbench":
        assert 0 <= scores["csr"]["total"] <= 1
    else:
        assert 1 <= scores["average"] <= 5
