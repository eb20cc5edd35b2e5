"""When the machine misbehaves: one sentence with what, where and what next, and nothing lost."""

from __future__ import annotations

import json
import resource as limits
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tiny import make

from sysgen_local.resources import resource

ROWS = [
    {"instruction": f"Explain {w} to me.", "output": f"{w} is good. It is made with care. " * 20}
    for w in "tea rain chess glass winter ants violins bread maps boats keys moss".split()
]
EVERY = (
    "import sys, json\n"
    "tried = []\n"
    "sys.addaudithook(lambda event, args: event.startswith('socket.') and tried.append(event))\n"
    "from sysgen_local.cli.main import cli\n"
    "for command in json.loads(sys.argv[1]):\n"
    "    cli.main(command, standalone_mode=False)\n"
    "assert not tried, tried\n"
)


def sysgen(*arguments, cwd, **more):
    return subprocess.run(
        [sys.executable, "-m", "sysgen_local.cli.main", *map(str, arguments)],
        cwd=cwd, capture_output=True, text=True, timeout=120, **more,
    )  # fmt: skip


def complains(done, *says, code=(1, 2)):
    assert done.returncode in code, done.stderr
    assert "Traceback" not in done.stderr
    complaint = done.stderr[done.stderr.index("sysgen: ") :]
    for word in says:
        assert str(word) in complaint, complaint


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, ROWS)))
    return tmp_path


def small_files():
    limits.setrlimit(limits.RLIMIT_FSIZE, (1 << 20, 1 << 20))


def test_a_full_disk_loses_nothing_that_was_committed(folder):
    many = "\n".join(json.dumps({**row, "instruction": f"{i}"}) for i in range(60) for row in ROWS)
    (folder / "many.jsonl").write_text(many)
    complains(
        sysgen("run", "many.jsonl", cwd=folder, preexec_fn=small_files),
        "sysgen.duckdb", "could not be written", "disk is full",
    )  # fmt: skip
    done = sysgen("run", "many.jsonl", "--phase", "filter", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "720 rows" in done.stderr


def test_a_full_disk_while_the_dataset_is_written(folder):
    sysgen("run", "rows.jsonl", cwd=folder)
    out = Path("/dev/full")
    if not out.exists():
        pytest.skip("no /dev/full here")
    (folder / "full.jsonl").symlink_to(out)
    done = sysgen("export", "-o", "full.jsonl", cwd=folder)
    assert "Traceback" not in done.stderr
    stats = json.loads(sysgen("stats", "--json", cwd=folder).stdout)
    assert stats["rows"]["pending"] == 0


JUMPS = (
    "import datetime, itertools, json, sys, time\n"
    "from sysgen_local.store import journal, rows, schema\n"
    "jumps = itertools.cycle([0, -400 * 86400, 30 * 86400, -3600])\n"
    "clock, now = time.time, schema.now\n"
    "time.time = lambda: clock() + next(jumps)\n"
    "jumping = lambda: now() + datetime.timedelta(seconds=next(jumps))\n"
    "schema.now = rows.now = journal.now = jumping\n"
    "from sysgen_local.cli.main import cli\n"
    "for command in json.loads(sys.argv[1]):\n"
    "    assert not cli.main(command, standalone_mode=False)\n"
)


def test_a_clock_that_jumps_changes_no_row_and_no_figure_goes_astray(folder):
    commands = [
        ["run", "rows.jsonl", "--phase", "generate"],
        ["run", "-o", "jumped.jsonl"],
        ["status"],
        ["stats"],
        ["report", "-o", "jumped.html"],
    ]
    done = subprocess.run(
        [sys.executable, "-c", JUMPS, json.dumps(commands)],
        cwd=folder, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "-" not in done.stderr.split("rows/h")[0].rsplit("|", 1)[-1]  # no negative rate
    assert not sysgen(
        "run", "rows.jsonl", "--db", "b.duckdb", "-o", "b.jsonl", cwd=folder
    ).returncode
    assert (folder / "jumped.jsonl").read_text() == (folder / "b.jsonl").read_text()


def test_a_folder_that_cannot_be_written(folder):
    if not Path("/proc/self").exists():
        pytest.skip("no /proc here")
    complains(sysgen("run", "rows.jsonl", "--db", "/proc/x.duckdb", cwd=folder), "/proc/x.duckdb")
    complains(sysgen("run", "rows.jsonl", "-o", "/proc/out.jsonl", cwd=folder), "/proc/out.jsonl")


@pytest.mark.parametrize("content", ["half", "flipped", "text", "foreign"])
def test_a_file_that_is_no_store(folder, content):
    import duckdb

    path = folder / "sysgen.duckdb"
    if content in ("half", "flipped"):
        sysgen("run", "rows.jsonl", cwd=folder)
        whole = path.read_bytes()
        half, quarter = len(whole) // 2, len(whole) // 4
        path.write_bytes(whole[:half] if content == "half" else whole[:-quarter] + bytes(quarter))
    elif content == "text":
        path.write_text("this is not it")
    else:
        with duckdb.connect(str(path)) as con:
            con.execute("CREATE TABLE t (x INTEGER)")
    before = path.read_bytes()
    complains(sysgen("run", "rows.jsonl", cwd=folder), "sysgen.duckdb", "--db")
    assert path.read_bytes() == before or content in ("half", "flipped")


def test_a_model_that_is_another_one_than_before(folder):
    model = folder / "m.gguf"
    shutil.copy(resource("builtin_model/builtin.gguf"), model)
    model.chmod(0o644)
    begun = sysgen("run", "rows.jsonl", "--model", "m.gguf", "--prompts", "compact", cwd=folder)
    assert begun.returncode == 0, begun.stderr
    (folder / "more.jsonl").write_text(json.dumps({"instruction": "And more?", "output": "Yes."}))
    make(model, "llama")
    changed = sysgen("run", "more.jsonl", "--model", "m.gguf", cwd=folder)
    complains(changed, "another recipe", "model_file was", "--redo")
    model.unlink()
    complains(sysgen("run", "more.jsonl", cwd=folder), "m.gguf", "cannot read")


def test_offline_means_offline(folder):
    commands = [
        ["run", "rows.jsonl", "-o", "out.jsonl", "-q"],
        ["show", "1"],
        ["stats"],
        ["status"],
        ["export", "-o", "again.jsonl"],
        ["models", "list"],
        ["doctor"],
    ]
    done = subprocess.run(
        [sys.executable, "-c", EVERY, json.dumps(commands)],
        cwd=folder, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert (folder / "again.jsonl").read_text() == (folder / "out.jsonl").read_text()
