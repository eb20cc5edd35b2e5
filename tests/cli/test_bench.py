"""`sysgen bench` on the real built-in model."""

import json
import os
import subprocess
import sys

from sysgen_local.core.resources import resource
from sysgen_local.models import fingerprint
from sysgen_local.models.measured import noted


def sysgen(*arguments, **env):
    return subprocess.run(
        [sys.executable, "-m", "sysgen_local.cli.main", "bench", *arguments],
        capture_output=True, text=True, timeout=120, env=os.environ | env,
    )  # fmt: skip


def test_it_tells_rates_by_slots():
    done = sysgen("--slots", "1,4", "--json")
    assert done.returncode == 0, done.stderr
    rates = json.loads(done.stdout)["rates"]
    assert [r["slots"] for r in rates] == [1, 4]
    assert all(0 < r["decode"] < 1e6 and r["prefill"] > 0 < r["rows_an_hour"] for r in rates)
    assert "rows/h" in sysgen("--slots", "2").stdout


def test_the_best_rates_are_noted(tmp_path, monkeypatch):
    monkeypatch.setenv("SYSGEN_MEASURED", str(tmp_path / "measured.json"))
    done = sysgen("--slots", "1,2", "--json")
    best = max(json.loads(done.stdout)["rates"], key=lambda rates: rates["rows_an_hour"])
    known = noted(fingerprint(resource("builtin_model/builtin.gguf")))
    assert known is not None
    assert known.run is known.checked is None
    assert known.bench.rows_an_hour == round(best["rows_an_hour"], 2)
    assert (known.bench.read, known.bench.device) == (round(best["prefill"], 2), "cpu")
    assert known.bench.load_seconds > 0
    (tmp_path / "file").touch()
    done = sysgen("--slots", "1", SYSGEN_MEASURED=str(tmp_path / "file" / "m.json"))
    assert done.returncode == 0
    assert "rows/h" in done.stdout
    assert "could not be noted" in done.stderr


def test_slots_that_are_none_are_one_sentence():
    for slots in ("0", "x", "500", ""):
        done = sysgen("--slots", slots)
        assert done.returncode == 2
        assert "give numbers from 1 to 240" in done.stderr


def test_the_fastest_settings_are_kept_and_a_run_takes_them(tmp_path):
    rows = tmp_path / "rows.jsonl"
    row = {"instruction": "Why does it rain?", "output": "Clouds cool."}
    rows.write_text("".join(json.dumps(row | {"id": i}) + "\n" for i in range(24)))
    kept = {"SYSGEN_MEASURED": str(tmp_path / "measured.json")}

    def run(*more):
        command = ["run", str(rows), "--db", str(tmp_path / f"{len(more)}.duckdb"), *more]
        done = subprocess.run(
            [sys.executable, "-m", "sysgen_local.cli.main", *command],
            capture_output=True, text=True, timeout=120, env=os.environ | kept,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stderr

    assert " 16 slots x" in run()
    done = sysgen("--settings", "--json", **kept)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    tried = [of["settings"] for of in found["rates"]]
    assert [of["slots"] for of in tried[:2]] == [16, 32]
    assert found["settings"] in tried
    assert not any(of["overlap"] or of["on_device"] for of in tried)  # no GPU: no need to try
    document = json.loads((tmp_path / "measured.json").read_text())
    [here] = document["machines"].values()
    [measured] = [of for of in here if of["by"] == "settings"]  # the run was noted too
    assert measured["settings"] == found["settings"]
    measured["settings"] = {"slots": 5, "batch": 64, "overlap": True, "on_device": True}
    (tmp_path / "measured.json").write_text(json.dumps(document))
    assert " 5 slots x" in run("--phase", "generate")
    assert " 3 slots x" in run("--slots", "3", "--seed", "0")
    shown = sysgen("--settings", **kept)
    assert "kept for runs: " in shown.stdout
    assert "tokens a step" in shown.stdout


def test_settings_are_those_of_a_run_without_options_of_its_own():
    for given in (["--slots", "8"], ["--threads", "1", "--batch", "64"], ["--gpu-layers", "0"]):
        done = sysgen("--settings", *given)
        assert done.returncode == 2
        named = " and ".join(of for of in given if of.startswith("--"))
        assert f"--settings finds what runs without {named} take: leave it off" in done.stderr
    done = sysgen("--settings", "--model", "http://127.0.0.1:1/v1#m")
    assert done.returncode != 0
    assert "Traceback" not in done.stderr
