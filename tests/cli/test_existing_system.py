"""Rows that come with a system message, and --strict."""

import json
import subprocess
import sys

import pytest

OWN = "You are a pirate. Answer in one short sentence."
ROWS = [
    {"messages": [{"role": "system", "content": OWN}, {"role": "user", "content": "What is tea?"},
                  {"role": "assistant", "content": "A drink made of leaves and hot water."}]},
    {"instruction": "Name a fruit.", "output": "An apple is a fruit."},
    {"instruction": "Only a question?"},
]  # fmt: skip


def sysgen(*arguments, cwd, fails=False):
    done = subprocess.run(
        [sys.executable, "-m", "sysgen_local.cli.main", *map(str, arguments)],
        cwd=cwd, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert (done.returncode != 0) == fails, done.stderr
    return done


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, ROWS)))
    return tmp_path


def systems(folder):
    lines = (folder / "out.jsonl").read_text().splitlines()
    return [json.loads(line)["messages"][0]["content"] for line in lines]


def stats(folder):
    return json.loads(sysgen("stats", "--json", cwd=folder).stdout)


def test_replaced_by_default_and_kept_in_the_store(folder):
    sysgen("run", "rows.jsonl", "-o", "out.jsonl", cwd=folder)
    assert OWN not in systems(folder)
    assert stats(folder)["existing_system"] == {"rows": 1, "kept": 0}
    assert OWN in sysgen("show", "1", cwd=folder).stdout.replace("\n", " ")


def test_kept_it_is_the_system_message(folder):
    sysgen("run", "rows.jsonl", "--existing-system", "keep", "-o", "out.jsonl", cwd=folder)
    assert systems(folder)[0] == OWN
    assert stats(folder)["existing_system"] == {"rows": 1, "kept": 1}
    assert stats(folder)["phases"]["generate"]["done"] == 2
    # What the file was made with holds without being said again.
    sysgen("run", "--redo", "respond", "-o", "out.jsonl", cwd=folder)
    assert systems(folder)[0] == OWN
    other = sysgen("run", "--existing-system", "replace", cwd=folder, fails=True)
    assert "existing system message was keep, now replace" in other.stderr


def test_skipped_the_row_is_rejected(folder):
    sysgen("run", "rows.jsonl", "--existing-system", "skip", "-o", "out.jsonl", cwd=folder)
    assert stats(folder)["rejects"] == {"has_system": 1, "no_answer": 1}
    assert len(systems(folder)) == 1


@pytest.mark.parametrize("first", [["--existing-system", "skip"], []])
def test_a_file_is_not_read_in_two_ways(folder, first):
    sysgen("run", "rows.jsonl", *first, "--phase", "filter", cwd=folder)
    before = stats(folder)["rows"]
    other = [] if first else ["--existing-system", "skip"]
    done = sysgen("run", "rows.jsonl", *other, cwd=folder, fails=True)
    assert done.returncode == 2
    said = "with --existing-system skip, now without" if first else "now with --existing-system"
    assert said in done.stderr
    assert "-> " in done.stderr
    assert stats(folder)["rows"] == before
    # Whoever names no file, or has no such option, goes on with what was read.
    sysgen("filter", "rows.jsonl", cwd=folder)
    sysgen("run", "rows.jsonl", *first, "-o", "out.jsonl", cwd=folder)
    assert len(systems(folder)) == (1 if first else 2)


def test_a_command_without_the_option_reads_on_as_a_file_was_read(folder):
    rows = [ROWS[1], ROWS[0], ROWS[1], ROWS[0]]
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    skip = ("--existing-system", "skip")
    sysgen("run", "rows.jsonl", *skip, "--limit", 2, "--phase", "filter", cwd=folder)
    sysgen("filter", "rows.jsonl", cwd=folder)
    assert stats(folder)["rejects"] == {"has_system": 2}
    with (folder / "rows.jsonl").open("a") as file:
        file.write(json.dumps(ROWS[0]) + "\n")
    sysgen("filter", "rows.jsonl", "--appended", cwd=folder)
    assert stats(folder)["rejects"] == {"has_system": 3}


def test_strict_stops_at_the_first_row_that_cannot_be_used(folder):
    done = sysgen("run", "rows.jsonl", "--strict", cwd=folder, fails=True)
    assert done.returncode == 2
    assert "rows.jsonl, line 3: no_answer" in done.stderr
    assert "Traceback" not in done.stderr
