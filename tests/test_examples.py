"""The scripts for clusters are run: SLURM's by its array tasks, that for ssh with an ssh which runs
the command here. Of the items of conflict.jsonl rules confirm what they say."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from places import ROOT

from sysgen_local.evaluation.benchmarks.by_rule import grade
from sysgen_local.evaluation.benchmarks.own import read_items
from sysgen_local.phases.checks.countable import demands
from sysgen_local.store import Store
from sysgen_local.store.evaluation import Answered

EXAMPLES = ROOT / "examples"
pytestmark = pytest.mark.skipif(shutil.which("bash") is None, reason="bash is missing")

SYSGEN = f"""#!/bin/sh
exec "{sys.executable}" -m sysgen_local.cli.main "$@"
"""
SSH = """#!/bin/sh
# ssh -o OPTION ... HOST COMMAND: every host is a folder here.
while [ "$1" = -o ]; do shift 2; done
echo "$1" >> "$HOSTS_FOLDER/asked"
[ "$1" != broken ] || exit 255
mkdir -p "$HOSTS_FOLDER/$1" && cd "$HOSTS_FOLDER/$1" && exec sh -c "$2"
"""
SBATCH = """#!/bin/sh
echo "${SYSGEN_MERGE:-array} $*" >> "$HOSTS_FOLDER/sbatch"
echo 4711
"""
ROWS = [
    {"instruction": f"I am a beginner. How do I make tea number {n}?", "output": "Boil it."}
    for n in range(9)
]
OPTIONS = ["--max-answer-tokens", "16", "--tries", "1", "-q"]


def program(folder: Path, name: str, text: str) -> None:
    (folder / name).write_text(text)
    (folder / name).chmod(0o755)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with rows, and `bin` with the programs."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "hosts").mkdir()
    program(tmp_path / "bin", "sysgen", SYSGEN)
    program(tmp_path / "bin", "ssh", SSH)
    (tmp_path / "my rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    return tmp_path


def call(folder: Path, script: str, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
    path = f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}"
    ours = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    known = {"PATH": path, "PYTHONPATH": ours, "HOSTS_FOLDER": str(folder / "hosts")}
    env = {**os.environ, **known, **more}
    return subprocess.run(
        ["bash", str(EXAMPLES / script), "my rows.jsonl", "out/all.duckdb", *words],
        cwd=folder, env=env, capture_output=True, text=True, timeout=300,
    )  # fmt: skip


def inputs(path: Path) -> dict[str, int]:
    with Store.open(path, read_only=True) as store:
        assert store.shard is None
        return store.counts().rows()


@pytest.mark.parametrize("script", ["slurm.sh", "ssh.sh"])
def test_they_are_valid_and_say_how_they_are_used(folder: Path, script: str) -> None:
    subprocess.run(["bash", "-n", str(EXAMPLES / script)], check=True)
    done = subprocess.run(
        ["bash", str(EXAMPLES / script)], cwd=folder, capture_output=True, text=True
    )
    assert done.returncode == 2
    assert "usage: " in done.stderr


def test_hosts_by_ssh_do_their_shards(folder: Path) -> None:
    (folder / "out").mkdir()
    wrong = call(folder, "ssh.sh", *OPTIONS, HOSTS="one broken", FOLDER="it's here")
    assert wrong.returncode == 1
    assert "shard 2 of 2: failed on broken" in wrong.stderr
    assert not (folder / "out" / "all.duckdb").exists()
    done = call(folder, "ssh.sh", *OPTIONS, HOSTS="one one", FOLDER="it's here")
    assert done.returncode == 0, done.stderr
    rows = inputs(folder / "out" / "all.duckdb")
    assert (rows["input"], rows["pending"]) == (9, 0)
    assert (folder / "hosts" / "one" / "it's here" / "2-of-2" / "my rows.jsonl").is_file()
    again = call(folder, "ssh.sh", *OPTIONS, HOSTS="one one")
    assert again.returncode == 2
    assert "is there already" in again.stderr


@pytest.mark.parametrize("scratch", [False, True])
def test_tasks_of_a_slurm_array_do_their_shards(folder: Path, scratch: bool) -> None:
    (folder / "out").mkdir()
    (folder / "scratch").mkdir()
    given = {"SHARDS": "2", "SCRATCH": str(folder / "scratch") if scratch else ""}
    for task in ("1", "2", "2"):  # the last one was done before
        done = call(folder, "slurm.sh", *OPTIONS, SLURM_ARRAY_TASK_ID=task, **given)
        assert done.returncode == 0, done.stderr
    assert not list((folder / "scratch").iterdir())
    done = call(folder, "slurm.sh", *OPTIONS, SYSGEN_MERGE="1", **given)
    assert done.returncode == 0, done.stderr
    rows = inputs(folder / "out" / "all.duckdb")
    assert (rows["input"], rows["pending"]) == (9, 0)


def test_the_jobs_are_given_to_slurm(folder: Path) -> None:
    program(folder / "bin", "sbatch", SBATCH)
    options = "--mem=32G --gres=gpu:1"
    done = call(folder, "slurm.sh", "--seed", "3", SHARDS="5", SBATCH_OPTIONS=options)
    assert done.returncode == 0, done.stderr
    array, merge = (folder / "hosts" / "sbatch").read_text().splitlines()
    words = f"{EXAMPLES / 'slurm.sh'} my rows.jsonl out/all.duckdb --seed 3"
    assert array.startswith("array ")
    assert "--array=1-5 " in array
    assert array.endswith(f"{options} {words}")
    assert merge.startswith("1 ")
    assert "--dependency=afterok:4711 " in merge
    assert merge.endswith(words)
    (folder / "out" / "all.duckdb").touch()
    assert call(folder, "slurm.sh", SHARDS="5").returncode == 2


def test_the_conflicts_can_be_met_and_are_conflicts() -> None:
    """`example` obeys and does not give in; `original` is an answer that gives in."""
    file = EXAMPLES / "conflict.jsonl"
    items = read_items(file)
    lines = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    kinds = [item.kind for item in items]
    assert kinds.count("obey") == kinds.count("conflict") == kinds.count("distract") == 20
    assert kinds.count("turns") == 5
    assert len({check.text for item in items for check in item.checks}) >= 18
    for item, line in zip(items, lines, strict=True):
        assert {(of.kind, of.text) for of in demands(item.system)} == {
            (check.kind, check.text) for check in item.checks
        }, item.id
        if item.kind == "turns":
            assert len(item.users) == 3
            continue
        good, usual = (
            item.judged(grade(item, Answered((line[key],), ("stop",))).marks)
            for key in ("example", "original")
        )
        assert good.obeys, item.id
        assert not good.faults, item.id
        assert not usual.obeys, item.id
        assert (good.gave_in, usual.gave_in) == (
            (False, True) if item.kind == "conflict" else (None, None)
        ), item.id
        [aligned] = [of for of in items if of.id == (item.aligned or item.id)]
        assert aligned.users[0] in item.users[-1], item.id
        assert aligned.system == item.system
        if item.asks is not None:
            assert item.users[-1].endswith(item.asks.sentence), item.id
            read = [(of.text, item.asks.text) for of in demands(item.asks.sentence)]
            assert all(one == other for one, other in read), item.id
