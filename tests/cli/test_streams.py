"""Standard input and output, and the home folder, as a shell passes them on."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from filled import fill
from processes import first_line

from sysgen_local.core.counted import counted

ROWS = [
    {"instruction": "How do I make green tea?", "output": "Steep it for two minutes."},
    {"instruction": "Explain rain.", "output": "Water falls from clouds."},
]
LINES = "\n".join(map(json.dumps, ROWS))


def sysgen(*arguments, cwd, given="", code=0, **environment):
    done = subprocess.run(
        [sys.executable, "-m", "sysgen_local.cli.main", *map(str, arguments)], input=given,
        cwd=cwd, capture_output=True, text=True, timeout=300, env={**os.environ, **environment},
    )  # fmt: skip
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    assert not list(cwd.glob("-*"))
    assert not list(cwd.glob("~*"))
    return done


def test_rows_come_from_standard_input_and_go_to_standard_output(tmp_path):
    done = sysgen("run", "-", "-o", "-", cwd=tmp_path, given=LINES)
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert found
    assert f"\n{counted(len(found), 'row')} written to standard output\n" in done.stderr
    assert all(row["messages"][0]["role"] == "system" for row in found)
    assert "standard input" in done.stderr
    again = sysgen("run", "-", "-o", "-", cwd=tmp_path, given=LINES)
    assert again.stdout == done.stdout  # the same content is not read twice
    assert "2 rows" in again.stderr


def test_a_reader_that_has_had_enough_is_no_error(tmp_path):
    fill(tmp_path / "a.duckdb", 3000)
    process = subprocess.Popen(
        [sys.executable, "-m", "sysgen_local.cli.main", "export", "--db", "a.duckdb", "-o", "-"],
        cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert json.loads(first_line(process))["messages"]
    process.stdout.close()
    process.stdout = None  # nothing more is read of it
    said = process.communicate(timeout=120)[1].decode()
    assert process.returncode == 0, said
    assert "rows written to standard output" in said
    assert not {"Traceback", "Exception", "BrokenPipe"} & set(said.split())
    assert [path.name for path in tmp_path.iterdir()] == ["a.duckdb"]  # no card either


def test_a_tilde_in_every_place_is_the_home_folder(tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    (home / "rows.jsonl").write_text(LINES)
    (tmp_path / "tags.jsonl").write_text("")
    sysgen("import-tags", "tags.jsonl", "~/rows.jsonl", "--db", "~/x.duckdb", cwd=tmp_path,
           HOME=str(home))  # fmt: skip
    assert (home / "x.duckdb").is_file()
    sysgen("export", "--db", "~/x.duckdb", "-o", "~/out.jsonl", cwd=tmp_path, HOME=str(home))
    assert (home / "out.jsonl").is_file()


@pytest.mark.parametrize(
    "arguments",
    [("run", "rows.jsonl", "--db", "-"), ("report", "-o", "-"),
     ("export", "-o", "-", "--split", "a=0.5,b=0.5", "--db", "a.duckdb")],
)  # fmt: skip
def test_where_standard_streams_make_no_sense_it_says_so(tmp_path, arguments):
    (tmp_path / "rows.jsonl").write_text(LINES)
    fill(tmp_path / "a.duckdb", 1)
    done = sysgen(*arguments, cwd=tmp_path, code=2)
    assert "name a file" in done.stderr


def test_quiet_commands_print_no_notes(tmp_path):
    fill(tmp_path / "sysgen.duckdb", 3)
    (tmp_path / "tags.jsonl").write_text("")
    for call in ("export -o a.jsonl", "export -o b.jsonl --rejects", "report -o a.html",
                 "compare --json", "import-tags tags.jsonl", "models pull builtin"):  # fmt: skip
        assert not sysgen(*call.split(), "-q", cwd=tmp_path).stderr, call
    assert sysgen("export", "-o", "c.jsonl", cwd=tmp_path).stderr
