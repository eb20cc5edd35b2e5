"""`sysgen bench` on the real built-in model."""

import json
import subprocess
import sys


def sysgen(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "sysgen_local.cli.main", "bench", *arguments],
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip


def test_it_tells_rates_by_slots():
    done = sysgen("--slots", "1,4", "--json")
    assert done.returncode == 0, done.stderr
    rates = json.loads(done.stdout)["rates"]
    assert [r["slots"] for r in rates] == [1, 4]
    assert all(0 < r["decode"] < 1e6 and r["prefill"] > 0 < r["rows_an_hour"] for r in rates)
    assert "rows/h" in sysgen("--slots", "2").stdout


def test_slots_that_are_none_are_one_sentence():
    for slots in ("0", "x", "500", ""):
        done = sysgen("--slots", slots)
        assert done.returncode == 2
        assert "give numbers from 1 to 240" in done.stderr
