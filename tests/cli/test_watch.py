"""`sysgen status --watch`: follows a run from another process, and ends with it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

from processes import ended
from terminals import Terminal

COMMAND = [sys.executable, "-m", "sysgen_local.cli.main"]


def test_it_follows_a_run_on_a_terminal_and_ends_with_it(tmp_path: Path) -> None:
    with (tmp_path / "rows.jsonl").open("w") as file:
        for number in range(200):
            row = {"instruction": f"What is tea number {number}?", "output": "A drink."}
            file.write(f"{json.dumps(row)}\n")
    run = subprocess.Popen(
        [*COMMAND, "run", "rows.jsonl", "-q"], cwd=tmp_path, stderr=subprocess.PIPE, text=True
    )
    with ended(run):
        deadline = time.monotonic() + 60
        while not (tmp_path / "sysgen.duckdb.status.json").exists():
            assert time.monotonic() < deadline
            time.sleep(0.1)
        watch = Terminal(tmp_path, "status", "--watch")
        with ended(watch.process):
            for _ in range(3):
                watch.until(f"running as process {run.pid}")
                assert "now: " in watch.text
                watch.text = ""
            run.send_signal(signal.SIGINT)
            run.communicate(timeout=60)
            assert watch.end() == 0
    assert "not running; `sysgen run --db sysgen.duckdb` takes it up again" in watch.text


def test_without_a_run_it_prints_once(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text('{"instruction": "What is tea?", "output": "A drink."}\n')
    for words in (("run", "rows.jsonl", "-q"), ("status", "--watch")):
        done = subprocess.run(
            [*COMMAND, *words], cwd=tmp_path, capture_output=True, text=True, timeout=300
        )
        assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("sysgen.duckdb: 1 row = ")
    assert "running as process" not in done.stdout
