"""Compares a run that is killed and interrupted at random moments with one that is not.

    python -m benchmarks.kills [--kills 50] [--interrupts 20] [--input FILE] [--times 8] [--seed 0]

Both runs use the built-in model and the same rows. The two output files must be identical, and the
numbers of `stats` must add up to the input after every kill. The exit code is 1 if they do not.
"""

from __future__ import annotations

import argparse
import json
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from sysgen_local.store import Store


def start(folder: Path, name: str) -> subprocess.Popen[bytes]:
    command = ["run", "rows.jsonl", "--db", f"{name}.duckdb", "-o", f"{name}.jsonl", "--quiet"]
    return subprocess.Popen(
        [sys.executable, "-m", "sysgen_local.cli.main", *command],
        cwd=folder,
        stderr=subprocess.PIPE,
    )


def through(folder: Path, name: str) -> float:
    began = time.monotonic()
    process = start(folder, name)
    _, stderr = process.communicate()
    if process.returncode:
        raise SystemExit(f"the run ended with {process.returncode}: {stderr.decode()}")
    return time.monotonic() - began


def broken_off(folder: Path, name: str, sent: signal.Signals, after: float) -> bool:
    """Whether the signal came before the run had ended."""
    process = start(folder, name)
    try:
        process.wait(after)
    except subprocess.TimeoutExpired:
        process.send_signal(sent)
    _, stderr = process.communicate()
    expected = {signal.SIGKILL: -signal.SIGKILL, signal.SIGINT: 130}[sent]
    if process.returncode not in (0, expected):
        raise SystemExit(f"after {sent.name}: {process.returncode}: {stderr.decode()}")
    return process.returncode != 0


def adds_up(db: Path, rows: int) -> bool:
    if not db.exists():
        return True
    with Store.open(db) as store:
        counts = store.counts().rows()
    ends = counts["final"] + counts["dropped"] + counts["rejected"] + counts["pending"]
    return counts["input"] == ends and counts["input"] <= rows


def main() -> int:
    options = argparse.ArgumentParser(prog="python -m benchmarks.kills")
    options.add_argument("--kills", type=int, default=50)
    options.add_argument("--interrupts", type=int, default=20)
    options.add_argument("--input", type=Path, default=Path("examples/questions.jsonl"))
    options.add_argument("--times", type=int, default=8, help="how often the rows are repeated")
    options.add_argument("--seed", type=int, default=0)
    arguments = options.parse_args()
    chance = random.Random(arguments.seed)
    with tempfile.TemporaryDirectory() as folder_:
        folder = Path(folder_)
        text = arguments.input.read_bytes() * arguments.times
        (folder / "rows.jsonl").write_bytes(text)
        rows = text.count(b"\n")
        seconds = through(folder, "whole")
        signals = [signal.SIGKILL] * arguments.kills + [signal.SIGINT] * arguments.interrupts
        chance.shuffle(signals)
        hit = {signal.SIGKILL: 0, signal.SIGINT: 0}
        wrong = 0
        for sent in signals:
            # On average such a run gets a little further than its start, so most of the runs
            # still have rows to do.
            after = chance.uniform(0, 2 + 2 * seconds / len(signals))
            hit[sent] += broken_off(folder, "broken", sent, after)
            wrong += not adds_up(folder / "broken.duckdb", rows)
        through(folder, "broken")
        same = (folder / "whole.jsonl").read_bytes() == (folder / "broken.jsonl").read_bytes()
        result = {
            "rows": rows,
            "seconds": round(seconds, 1),
            "kills": hit[signal.SIGKILL],
            "interrupts": hit[signal.SIGINT],
            "sums that did not add up": wrong,
            "the same file": same,
        }
    print(json.dumps(result))
    return int(wrong > 0 or not same)


if __name__ == "__main__":
    raise SystemExit(main())
