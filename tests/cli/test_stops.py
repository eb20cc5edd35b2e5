"""One run, stopped at many moments and taken up again: nothing lost, nothing twice."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time

import duckdb
from signals import minds

SLOTS = 4
COUNT = "SELECT count(*) FROM {}"
TABLES = ("generated", "filtered", "verified", "responded", "checked")


ANSWERED = """
import time
from sysgen_local.engine.llama.engine import LlamaEngine

complete = LlamaEngine.complete

def told(self, requests):
    with open("answered.log", "a", buffering=1) as log:
        for completion in complete(self, requests):
            time.sleep(0.2)
            print(completion.id, file=log)
            yield completion

LlamaEngine.complete = told
from sysgen_local.cli.main import main
main()
"""
"""`sysgen`, at the pace of a larger model; every answer is noted before the pipeline gets it."""


def command(*arguments):
    return [sys.executable, "-m", "sysgen_local.cli.main", "run", *map(str, arguments)]


def rows(n):
    nouns = "tea rain chess glass winter ants violins bread maps boats keys moss".split()
    verbs = "Describe Explain Compare Draw Sell Paint Clean Find".split()
    for i in range(n):
        question = f"{verbs[i % 8]} {nouns[i % 12]} number {i} for my friend."
        yield {"instruction": question, "output": f"{nouns[i % 12]} is good. " * (1 + i % 3)}


def state(path):
    """Phase -> rows done, as committed; all of them by plain SQL."""
    with duckdb.connect(str(path), read_only=True) as con:
        [(records,)] = con.execute("SELECT coalesce(sum(records), 0) FROM sources").fetchall()
        [(usable,)] = con.execute(COUNT.format("conversations")).fetchall()
        [(rejected,)] = con.execute(COUNT.format("rejects")).fetchall()
        assert records == usable + rejected
        done = {}
        coming = usable
        for table in TABLES:
            found = con.execute(f"SELECT count(*), count(dropped) FROM {table}").fetchall()
            [(done[table], dropped)] = found
            assert done[table] <= coming
            coming = done[table] - dropped
        [(final,)] = con.execute(COUNT.format("final")).fetchall()
        [(ended,)] = con.execute(COUNT.format("dropped")).fetchall()
        pending = usable - final - ended
        assert min(final, ended, pending) >= 0
        return done


def test_stopped_at_random_moments(tmp_path):
    """Sampled, not greedy: a row's random stream is its own, so even so nothing differs."""
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, rows(200))))
    options = ["rows.jsonl", "--seed", 3, "--slots", SLOTS, "-q"]
    subprocess.run(
        command(*options, "--db", "whole.db", "-o", "whole.jsonl"),
        cwd=tmp_path, check=True, capture_output=True, timeout=900,
    )  # fmt: skip
    rng = random.Random(9)
    kinds = [signal.SIGKILL] * 50 + [signal.SIGINT] * 10 + [signal.SIGTERM] * 10
    rng.shuffle(kinds)
    before = dict.fromkeys(TABLES, 0)
    stops = 0
    for kind in kinds:
        process = subprocess.Popen(
            command(*options, "--db", "part.db"), cwd=tmp_path, stderr=subprocess.PIPE, text=True
        )
        if kind != signal.SIGKILL:
            minds(process)
        time.sleep(rng.uniform(0.0, 1.6))
        process.send_signal(kind)
        _, said = process.communicate(timeout=60)
        stops += process.returncode != 0
        if kind != signal.SIGKILL and process.returncode:
            assert process.returncode == 130, said
            assert "takes it up again" in said
            assert "Traceback" not in said
        if (tmp_path / "part.db").exists() and (tmp_path / "part.db").stat().st_size:
            now = state(tmp_path / "part.db") if _is_store(tmp_path / "part.db") else before
            assert all(now[table] >= before[table] for table in TABLES)  # nothing committed is lost
            before = now
    assert stops >= len(kinds) // 2
    subprocess.run(
        command(*options, "--db", "part.db", "-o", "part.jsonl"),
        cwd=tmp_path, check=True, capture_output=True, timeout=900,
    )  # fmt: skip
    assert (tmp_path / "part.jsonl").read_text() == (tmp_path / "whole.jsonl").read_text()
    assert state(tmp_path / "part.db") == state(tmp_path / "whole.db")


def _is_store(path):
    """Whether the first process came as far as to make the tables."""
    try:
        with duckdb.connect(str(path), read_only=True) as con:
            found = con.execute("SELECT table_name FROM duckdb_tables()").fetchall()
    except duckdb.Error:
        return False
    return ("checked",) in found


SLOW = """
import time
from sysgen_local.engine.llama.runner import Runner

def decode(self, batch):
    open("step", "w").close()
    time.sleep(60)

Runner.decode = decode
from sysgen_local.cli.main import main
main()
"""
"""`sysgen`, with a step that takes a minute."""


def test_the_first_ctrl_c_waits_for_the_step_and_a_second_one_leaves_at_once(tmp_path):
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, rows(20))))
    process = subprocess.Popen(
        [sys.executable, "-c", SLOW, "run", "rows.jsonl", "-q"],
        cwd=tmp_path, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    deadline = time.monotonic() + 120
    while not (tmp_path / "step").exists():
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    time.sleep(1)
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=20)
    assert process.returncode == 130
    assert said.strip() == "interrupted; the same command takes it up again"
    assert state(tmp_path / "sysgen.duckdb")["generated"] == 0


def test_a_kill_costs_no_more_than_the_rows_in_work(tmp_path):
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, rows(40))))
    log = tmp_path / "answered.log"
    log.touch()
    rng = random.Random(5)
    lives: list[list[str]] = []
    for _ in range(4):
        process = subprocess.Popen(
            [sys.executable, "-c", ANSWERED, "run", "rows.jsonl", "--slots", "2", "-q"],
            cwd=tmp_path,
        )
        before = sum(map(len, lives))
        deadline = time.monotonic() + 300
        enough = before + rng.randint(12, 24)
        while log.read_text().count("\n") < enough:
            assert time.monotonic() < deadline
            assert process.poll() is None
            time.sleep(0.01)
        time.sleep(rng.uniform(0, 0.2))
        process.kill()
        process.wait(timeout=60)
        lives.append(log.read_text().splitlines()[before:])
    for number, life in enumerate(lives):
        later = {request for other in lives[number + 1 :] for request in other}
        again = {request.split(":")[0] for request in life if request in later}
        answered = {r.split(":")[0] for r in life if r in later and ":check:" not in r}
        finished = {r.split(":")[0] for r in life if ":respond:" in r} & answered
        assert len(again) <= 2
        assert len(finished) <= 1  # one that was killed while it was being committed
