"""Time until the first row is finished, in a run of 1,000 rows and in a run of one row.

python -m benchmarks.first [MODEL] [RUNS]
"""

from __future__ import annotations

import json
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks import ENVIRONMENT, job
from sysgen_local.report.status import read_status


def seconds(model: str, number: int) -> float:
    """Seconds from the command to the first finished row, including loading the model."""
    with tempfile.TemporaryDirectory() as folder:
        rows, db = Path(folder, "rows.jsonl"), Path(folder, "sysgen.duckdb")
        rows.write_text("".join(json.dumps(row) + "\n" for row in job.rows(number)))
        command = [sys.executable, "-m", "sysgen_local.cli.main", "run", rows, "--db", db, "-q"]
        command += ["--model", model, "--context", job.CONTEXT, "--temperature", 0]
        started = time.perf_counter()
        run = subprocess.Popen(
            [str(word) for word in command], env=ENVIRONMENT, stderr=subprocess.DEVNULL
        )
        while run.poll() is None:
            state = read_status(db)
            if state and state["rows"]["final"] + state["rows"]["dropped"]:
                break
            time.sleep(0.02)
        took = time.perf_counter() - started
        run.send_signal(signal.SIGINT)
        run.wait(timeout=60)
        return took


def main(model: str, runs: int) -> None:
    for number in (1, 1000):
        found = statistics.median(seconds(model, number) for _ in range(runs))
        print(f"{number:,} rows: the first is finished after {found:.1f} s", flush=True)


if __name__ == "__main__":
    given = sys.argv[1:]
    main(given[0] if given else "builtin", int(given[1]) if given[1:] else 3)
