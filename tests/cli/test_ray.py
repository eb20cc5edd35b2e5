"""`sysgen run --ray`: the same rows, also where the driver is killed or stopped."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import duckdb
import psutil
import pytest
from clusters import ray_processes, wait_for
from places import ROOT
from processes import ended

from sysgen_local.core.errors import UsageError
from sysgen_local.core.server import Server
from sysgen_local.engine.options import Options
from sysgen_local.models.measured import Settings
from sysgen_local.phases.filter import Filter
from sysgen_local.running.executor import Task, require_cluster
from sysgen_local.running.throughput import Rates, note_settings

pytestmark = pytest.mark.skipif(
    subprocess.run([sys.executable, "-c", "import ray"], capture_output=True).returncode != 0,
    reason="the extra ray is not installed",
)

SYSGEN = [sys.executable, "-c", "from sysgen_local.cli.main import main; main()"]

SLOW = """
import time
from sysgen_local.engine.llama.engine import LlamaEngine

complete = LlamaEngine.complete

def slower(self, requests):
    for completion in complete(self, requests):
        time.sleep(0.05)
        yield completion

LlamaEngine.complete = slower
"""
"""For the workers: the pace of a larger model."""


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    lines = (ROOT / "examples" / "questions.jsonl").read_text().splitlines()[:16]
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(lines))
    return path


@pytest.fixture
def slow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "slow"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(SLOW)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(folder), str(ROOT)]))


@pytest.fixture(autouse=True)
def _nothing_stays() -> Iterator[None]:
    """No process of a cluster outlives its command."""
    before = ray_processes()
    yield
    wait_for(lambda: ray_processes() <= before, 30)


def sysgen(folder: Path, *words: object) -> subprocess.CompletedProcess[str]:
    command = [*SYSGEN, *map(str, words)]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=200)


def committed(folder: Path) -> int:
    """Rows of the run in progress that have ended."""
    try:
        state = json.loads((folder / "sysgen.duckdb.status.json").read_text())
    except (OSError, ValueError):
        return 0
    return int(state["finished_in_this_run"])


def started(folder: Path, enough: Callable[[], bool], *more: str) -> subprocess.Popen[str]:
    """A run in progress that has come so far."""
    words = ["run", "rows.jsonl", "-q", "--no-check", *more, "--workers", "2", "--ray"]
    process = subprocess.Popen(
        [*SYSGEN, *words], cwd=folder, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    deadline = time.monotonic() + 120
    while not enough():
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return process


def test_the_rows_are_those_of_one_process(rows: Path):
    folder = rows.parent
    alone = sysgen(folder, "run", rows, "--db", "alone.duckdb", "-o", "-")
    assert alone.returncode == 0, alone.stderr
    workers = sysgen(folder, "run", rows, "--db", "two.duckdb", "-o", "-", "--workers", 2, "--ray")
    assert workers.returncode == 0, workers.stderr
    assert workers.stdout == alone.stdout
    assert len(alone.stdout.splitlines()) > 5
    assert "2 workers on 1 node" in workers.stderr
    assert not (folder / "ray").exists()


@pytest.mark.parametrize(("workers", "takes"), [(1, True), (2, False)])
def test_workers_take_the_settings_of_their_machine_if_it_is_theirs_alone(
    rows: Path, builtin: Path, monkeypatch: pytest.MonkeyPatch, workers: int, takes: bool
):
    folder = rows.parent
    monkeypatch.setenv("SYSGEN_MEASURED", str(folder / "measured.json"))
    settings = Settings(5, 64, overlap=False, on_device=False)
    note_settings(builtin, settings, Rates(slots=5, prefill=1e3, decode=1e2))
    done = sysgen(folder, "run", rows, "--phase", "generate", "--workers", workers, "--ray")
    assert done.returncode == 0, done.stderr
    assert (", 5 slots x" in done.stderr) is takes, done.stderr


def test_a_killed_driver_is_taken_up_again(rows: Path, slow: None):
    folder = rows.parent
    with ended(started(folder, lambda: committed(folder) >= 3)) as process:
        process.kill()
        process.communicate(timeout=30)
    with duckdb.connect(str(folder / "sysgen.duckdb")) as store:
        [(kept,)] = store.execute("SELECT count(*) FROM generated").fetchall()
    assert kept >= 3
    # Another number of workers, or none at all, goes on with it: the recipe is the same.
    done = sysgen(folder, "run", "-o", "-")
    assert done.returncode == 0, done.stderr
    assert "0 pending" in done.stderr
    fresh = sysgen(folder, "run", rows, "--db", "fresh.duckdb", "--no-check", "-o", "-")
    assert done.stdout == fresh.stdout


def test_a_killed_worker_loses_nothing_and_prints_nothing_among_the_rows(rows: Path, slow: None):
    folder = rows.parent
    with ended(started(folder, lambda: committed(folder) >= 2, "-o", "-")) as process:
        every = psutil.process_iter()
        workers = [one for one in every if one.name().startswith("ray::Worker")]
        assert workers
        workers[0].kill()
        written, said = process.communicate(timeout=120)
    assert process.returncode == 0, said
    alone = sysgen(folder, "run", rows, "--db", "alone.duckdb", "--no-check", "-o", "-")
    assert written == alone.stdout
    assert "Traceback" not in said


def test_ctrl_c_ends_in_good_order(rows: Path, slow: None):
    folder = rows.parent
    with ended(started(folder, lambda: committed(folder) >= 2)) as process:
        process.send_signal(signal.SIGINT)
        written, said = process.communicate(timeout=30)
    assert process.returncode == 130
    assert said.splitlines()[-1] == "interrupted: the same command takes it up again"
    assert not written
    assert "Traceback" not in said


def test_ctrl_c_ends_the_wait_for_room(rows: Path):
    words = ["run", "rows.jsonl", "--workers", "1", "--worker-cpus", "1000", "--ray"]
    process = subprocess.Popen(
        [*SYSGEN, *words], cwd=rows.parent, text=True, stderr=subprocess.PIPE
    )
    with ended(process):
        for line in process.stderr:
            if line.startswith("waiting for 1 worker to be placed by Ray"):
                break
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=30)
    assert process.returncode == 130, said
    assert "Traceback" not in said


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_second_signal_ends_it_at_once(rows: Path, slow: None, number: signal.Signals):
    folder = rows.parent
    with ended(started(folder, lambda: committed(folder) >= 1)) as process:
        process.send_signal(number)
        time.sleep(0.05)
        process.send_signal(number)
        began = time.monotonic()
        process.communicate(timeout=30)
        assert time.monotonic() - began < 5
    assert process.returncode == 130


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--ray", "127.0.0.1:{port}"], "no Ray cluster answers at 127.0.0.1:{port}"),
        (["--ray", "other.jsonl"], "--ray other.jsonl is no address of a Ray cluster"),
        (["--ray", "ray://head:10001"], "Ray's client server, which is not used here"),
        (["--workers", "2"], "are for --ray"),
        (["--worker-gpus", "0"], "are for --ray"),
        (["--worker-resources", "big", "--ray"], "--worker-resources cannot be 'big'"),
        (["--workers", "100000", "--ray"], "has no room for 100000 workers"),
    ],
)
def test_what_cannot_be_used(rows: Path, free_port: int, words: list[str], sentence: str):
    words = [word.format(port=free_port) for word in words]
    done = sysgen(rows.parent, "run", rows, *words)
    assert done.returncode == 2, done.stderr
    assert sentence.format(port=free_port) in done.stderr
    assert "Traceback" not in done.stderr
    assert not (rows.parent / "sysgen.duckdb").exists()


def test_an_address_of_something_else(rows: Path):
    """It accepts connections and never answers."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        address = f"127.0.0.1:{listening.getsockname()[1]}"
        began = time.monotonic()
        done = sysgen(rows.parent, "run", rows, "--ray", address)
    assert done.returncode == 2, done.stderr
    assert f"no Ray cluster answers at {address}" in done.stderr
    assert time.monotonic() - began < 40
    assert not (rows.parent / "sysgen.duckdb").exists()


def test_a_server_is_not_distributed():
    task = Task(Filter(), Server.at("http://127.0.0.1:9/v1#m"), {})
    with pytest.raises(UsageError, match=r"127\.0\.0\.1:9/v1#m is a server"):
        require_cluster([task], Options(ray="local"))
