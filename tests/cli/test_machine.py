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

from sysgen_local.core.resources import resource

ROWS = [
    {"instruction": f"Explain {w} to me.", "output": f"{w} is good. It is made with care. " * 20}
    for w in "tea rain chess glass winter ants violins bread maps boats keys moss".split()
]
EVERY = (
    "import sys, json\n"
    "tried = []\n"
    "note = lambda *of: of[0].startswith('socket.') and tried.append(of)\n"
    "sys.addaudithook(note)\n"
    "from sysgen_local.cli.commands import cli\n"
    "def here(event, args):\n"
    "    if event == 'socket.connect': return args[1][0] == '127.0.0.1'\n"
    "    if event == 'socket.getaddrinfo': return args[0] == '127.0.0.1'\n"
    "    return event == 'socket.__new__'\n"
    "for command in json.loads(sys.argv[1]):\n"
    "    looks = command[0] in ('models', 'doctor')  # for servers on this machine\n"
    "    cli.main(command, standalone_mode=False)\n"
    "    wrong = [of for of in tried if not (looks and here(*of))]\n"
    "    assert not wrong, (command, wrong)\n"
    "    tried.clear()\n"
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


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    """A folder with a store whose rows are all done."""
    folder = tmp_path_factory.mktemp("filled")
    (folder / "rows.jsonl").write_text("\n".join(map(json.dumps, ROWS)))
    assert not sysgen("run", "rows.jsonl", cwd=folder).returncode
    return folder


def small_files():
    limits.setrlimit(limits.RLIMIT_FSIZE, (1 << 20, 1 << 20))


def test_a_full_disk_loses_nothing_that_was_committed(folder):
    many = "\n".join(json.dumps({**row, "instruction": f"{i}"}) for i in range(60) for row in ROWS)
    (folder / "many.jsonl").write_text(many)
    options = ("--language", "en", "--no-check")  # else other files are written first
    complains(
        sysgen("run", "many.jsonl", *options, cwd=folder, preexec_fn=small_files),
        "sysgen.duckdb", "could not be written", "disk is full",
    )  # fmt: skip
    done = sysgen("run", "many.jsonl", "--phase", "filter", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "720 rows" in done.stderr


def test_a_full_temporary_folder_is_named(folder):
    """What tells languages is unpacked there."""
    complains(
        sysgen("run", "rows.jsonl", cwd=folder, preexec_fn=small_files),
        "languages could not be unpacked in", "disk is full", "TMPDIR", code=(1,),
    )  # fmt: skip
    done = sysgen("run", "rows.jsonl", "-o", "out.jsonl", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert (folder / "out.jsonl").read_text()


FULL_DISK = """
mount -t tmpfs -o size=4m tmpfs disk || exit 77
"$@" run rows.jsonl --phase filter --db disk/s.db -q
dd if=/dev/zero of=disk/fill bs=16k; truncate -s -16k disk/fill
"$@" run --db disk/s.db -q; echo "exit $?" >&2
"$@" stats --json --db disk/s.db
rm disk/fill
"$@" run --db disk/s.db -q -o out.jsonl
"""
READ_ONLY = """
mount -t tmpfs tmpfs disk || exit 77
cp sysgen.duckdb disk/s.db; touch disk/empty.db
mount -o remount,ro disk
for db in new.db empty.db s.db; do "$@" run rows.jsonl --db disk/$db -q; echo "exit $?" >&2; done
"$@" run -o disk/out.jsonl -q; echo "exit $?" >&2
"$@" report -o disk/out.html; echo "exit $?" >&2
"$@" stats --json --db disk/s.db
"$@" export --db disk/s.db -o out.jsonl || exit 1
"""


def on_a_disk_of_its_own(script, folder):
    """Runs it with `sysgen` as its arguments; the disk is seen by this shell alone, and gone
    with it."""
    (folder / "disk").mkdir()
    command = [sys.executable, "-m", "sysgen_local.cli.main"]
    try:
        done = subprocess.run(
            ["unshare", "--map-root-user", "--mount", "sh", "-c", script, "sh", *command],
            cwd=folder, capture_output=True, text=True, timeout=600,
        )  # fmt: skip
    except FileNotFoundError:
        pytest.skip("no unshare here")
    if done.returncode == 77 or "unshare failed" in done.stderr:
        pytest.skip("no file system may be mounted here")
    assert "Traceback" not in done.stderr
    return done


def test_a_disk_that_can_only_be_read(filled):
    done = on_a_disk_of_its_own(READ_ONLY, filled)
    assert done.returncode == 0, done.stderr
    *told, _ = done.stderr.split("exit ")
    codes = [code[0] for code in done.stderr.split("exit ")[1:]]
    assert codes == ["2", "2", "2", "2", "2"]
    for name, said in zip(("new.db", "empty.db", "s.db", "disk", "disk"), told, strict=True):
        assert f"sysgen: disk/{name}" in said or f"sysgen: The folder {name} cannot" in said
        assert "->" in said
    assert json.loads(done.stdout)["rows"]["input"] == len(ROWS)


def test_a_disk_that_is_full_soon_after_the_model_begins(folder):
    done = on_a_disk_of_its_own(FULL_DISK, folder)
    full, again = done.stderr.split("exit 1\n")
    assert "sysgen: disk/s.db could not be written" in full
    assert "No space left" in full
    assert "see whether the disk is full; what was committed before is safe" in full
    rows = json.loads(done.stdout)["rows"]
    assert rows["input"] == sum(rows.values()) - rows["input"]
    assert rows["pending"] > 0
    assert "12 rows" in again
    assert "0 pending" in again
    assert (folder / "out.jsonl").exists()


def tiny_files():
    limits.setrlimit(limits.RLIMIT_FSIZE, (1000, 1000))


@pytest.mark.parametrize(
    "command",
    [
        ["run", "-o", "out.jsonl"],
        ["export", "-o", "out.jsonl"],
        ["export", "-o", "out.parquet"],
        ["report", "-o", "out.html"],
    ],
)
def test_a_full_disk_while_something_is_written_leaves_what_was_there(filled, command):
    out = filled / command[-1]
    out.write_text("of yesterday")
    before = {path.name for path in filled.iterdir()} | {"sysgen.duckdb.wal"}
    complains(
        sysgen(*command, cwd=filled, preexec_fn=tiny_files),
        f"{command[-1]} could not be written", "see whether the disk is full",
    )  # fmt: skip
    assert out.read_text() == "of yesterday"
    assert {path.name for path in filled.iterdir()} <= before


JUMPS = (
    "import datetime, itertools, json, sys, time\n"
    "from sysgen_local.store import journal, rows, schema\n"
    "jumps = itertools.cycle([0, -400 * 86400, 30 * 86400, -3600])\n"
    "clock, now = time.time, schema.now\n"
    "time.time = lambda: clock() + next(jumps)\n"
    "jumping = lambda: now() + datetime.timedelta(seconds=next(jumps))\n"
    "schema.now = rows.now = journal.now = jumping\n"
    "from sysgen_local.cli.commands import cli\n"
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
    complains(changed, "another recipe", "model m.gguf has other contents now", "--redo")
    model.unlink()
    complains(sysgen("run", "more.jsonl", cwd=folder), "m.gguf", "cannot read")


def test_a_context_that_no_machine_has_memory_for(folder):
    complains(
        sysgen("run", "rows.jsonl", "--context", 999_999_999, cwd=folder),
        "1 slot x 1000000000 tokens", "GB of memory", "--context",
    )  # fmt: skip


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


MERGE = """
for size in 60k 300k 1m; do
    mount -t tmpfs -o size=$size tmpfs disk || exit 77
    "$@" merge sysgen.duckdb -o disk/all.duckdb; echo "exit $?" >&2
    ls -A disk
    umount disk
done
"""


def test_a_merge_that_the_disk_has_no_room_for_leaves_nothing(folder, filled):
    """Whether the log of commits does not fit, or the file that is made of it."""
    shutil.copy(filled / "sysgen.duckdb", folder)
    done = on_a_disk_of_its_own(MERGE, folder)
    assert done.stdout == ""
    said = done.stderr.split("exit 1\n")
    assert said.pop() == ""
    assert len(said) == 3
    for of in said:
        assert "could not be written" in of
        assert "No space left" in of
