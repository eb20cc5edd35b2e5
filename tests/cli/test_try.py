"""`sysgen try` as a user runs it: rows as they come, side by side, and nothing left of it."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from processes import first_line

THINGS = ("a chair", "the kitchen", "an old bike", "the roof", "a violin", "a boat")
ROWS = [
    {"instruction": f"How do I {verb} {thing}?", "output": f"To {verb} {thing}, take your time."}
    for verb in ("paint", "clean")
    for thing in THINGS
]
TWO = ("--prompts", "compact", "--prompts", "default")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two datasets and a broken line, and a temporary folder of its own."""
    (tmp_path / "work").mkdir()
    (tmp_path / "tmp").mkdir()
    lines = [json.dumps(row) for row in ROWS]
    lines.insert(3, '{"instruction": "broken')
    (tmp_path / "work" / "rows.jsonl").write_text("\n".join(lines))
    other = [{"question": f"What is {t}?", "answer": f"It is {t}."} for t in THINGS[:4]]
    (tmp_path / "work" / "other.jsonl").write_text("\n".join(map(json.dumps, other)))
    return tmp_path


def environment(folder: Path) -> dict[str, str]:
    more = {"COLUMNS": "100", "HF_HUB_OFFLINE": "1", "TMPDIR": str(folder / "tmp")}
    return {**os.environ, **more}


def sysgen(*arguments: object, folder: Path, check: int = 0) -> subprocess.CompletedProcess:
    done = subprocess.run(
        [sys.executable, "-m", "sysgen_local.cli.main", *map(str, arguments)],
        cwd=folder / "work", capture_output=True, text=True, timeout=300,
        env=environment(folder),
    )  # fmt: skip
    assert done.returncode == check, done.stderr
    assert "Traceback" not in done.stderr
    return done


def tried(*arguments: object, folder: Path) -> list[dict]:
    done = sysgen("try", *arguments, "--json", "-q", folder=folder)
    assert done.stderr == ""
    return [json.loads(line) for line in done.stdout.splitlines()]


def nothing_left(folder: Path) -> bool:
    left = {p.name for p in (folder / "work").iterdir()} - {"rows.jsonl", "other.jsonl"}
    return not left and not list((folder / "tmp").iterdir())


def test_rows_with_their_journey_and_a_table_and_nothing_left(folder):
    done = sysgen("try", "rows.jsonl", "--rows", 2, folder=folder)
    assert done.stdout.count("row 1  rows.jsonl, line ") == 1
    assert done.stdout.count("row 2  rows.jsonl, line ") == 1
    assert done.stdout.count("─ system message ─") == 2
    for part in ("You are a helpful", "old answer", "new answer", "2 rows", "rows/h", "of 8"):
        assert part in done.stdout
    assert "model: builtin" in done.stderr
    assert "rows.jsonl: 12 rows, 1 rejected (line 4: bad_json" in done.stderr
    assert "2 of 12 rows are tried, drawn with seed 0" in done.stderr
    assert nothing_left(folder)


def test_all_rows_tried_end_as_in_a_run(folder):
    """The same plan, the same phases, the same random streams."""
    found = tried("rows.jsonl", "--rows", 100, "--seed", 3, folder=folder)
    sysgen("run", "rows.jsonl", "--seed", 3, "-o", "out.jsonl", "-q", folder=folder)
    run = {json.dumps(json.loads(line)["messages"])
           for line in (folder / "work" / "out.jsonl").read_text().splitlines()}  # fmt: skip
    tries = {
        json.dumps([{"role": "system", "content": row["system"]}, *row["new"]])
        for row in found
        if row["state"] == "final"
    }
    assert len(tries) >= 8
    assert tries == run
    assert len(found) == len(ROWS)


def test_prompt_sets_side_by_side_where_there_is_room(folder):
    arguments = ("try", "rows.jsonl", "--rows", 1, "-q", *TWO)
    wide = sysgen(*arguments, "--width", 100, folder=folder).stdout
    assert wide.splitlines()[0].strip("─") == " compact "
    [heads] = [line for line in wide.splitlines() if line.startswith("╭─ compact ")]
    assert "╮╭─ default ─" in heads
    assert wide.count("─ original answer ─") == 1
    narrow = sysgen(*arguments, "--width", 60, folder=folder).stdout
    piped = sysgen(*arguments, folder=folder).stdout
    for text, width in ((narrow, 60), (piped, 100)):
        assert max(map(len, text.splitlines())) <= width
        heads = [
            line for line in text.splitlines() if line.startswith(("╭─ compact", "╭─ default"))
        ]
        assert [head.split()[1] for head in heads] == ["compact", "default"]
    assert nothing_left(folder)


def test_json_has_a_line_a_row_and_combination(folder):
    found = tried("rows.jsonl", "other.jsonl", "--rows", 4, "--no-check", *TWO, folder=folder)
    assert [of["combination"] for of in found] == ["compact"] * 4 + ["default"] * 4
    first, second = ({(of["source"], of["line"]): of for of in found[i : i + 4]} for i in (0, 4))
    assert first.keys() == second.keys()
    assert {path for path, _ in first} == {"rows.jsonl", "other.jsonl"}
    final = [of for of in found if of["state"] == "final"]
    assert final
    assert all(of["system"] and of["new"][-1]["role"] == "assistant" for of in final)
    assert all(of["tries"] is None for of in found)
    assert all(of["phase"] and of["reason"] for of in found if of["state"] == "dropped")
    checked = tried("rows.jsonl", "--rows", 3, folder=folder)
    assert any(of["tries"] for of in checked)


def test_the_same_seed_draws_the_same_rows_evenly_over_the_inputs(folder):
    def drawn(seed):
        found = tried("rows.jsonl", "other.jsonl", "--rows", 6, "--seed", seed, "--no-check",
                      folder=folder)  # fmt: skip
        return sorted((of["source"], of["line"]) for of in found)

    once = drawn(1)
    assert [path for path, _ in once] == ["other.jsonl"] * 3 + ["rows.jsonl"] * 3
    assert once == drawn(1)
    assert once != drawn(2)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "INPUT"),
        (["rows.jsonl", "--rows", 0], "--rows"),
        (["rows.jsonl", "--rows", 5000], "--rows"),
        (["missing.jsonl"], "there is no file missing.jsonl"),
        (["rows.jsonl", "--model", "qwen2.5-7"], "did you mean"),
        (["rows.jsonl", "--model", "builtin", "--model", "builtin"], "builtin is named twice"),
        (["rows.jsonl", "--prompts", "none"], "there is no prompt set none"),
        (["rows.jsonl", "--strict"], "rows.jsonl, line 4: bad_json"),
        (["odd.jsonl"], "odd.jsonl has no usable row: line 1: unknown_shape"),
        (["empty.jsonl"], "empty.jsonl is empty"),
    ],
)
def test_wrong_use_is_one_sentence_and_exit_code_2(folder, arguments, said):
    (folder / "work" / "odd.jsonl").write_text('{"title": "a", "body": "b"}\n')
    (folder / "work" / "empty.jsonl").write_text("\n")
    done = sysgen("try", *arguments, folder=folder, check=2)
    assert said in done.stderr
    assert done.stdout == ""


SLOW = """
import time
from sysgen_local.engine.llama.engine import LlamaEngine

complete = LlamaEngine.complete

def slowly(self, requests):
    for completion in complete(self, requests):
        time.sleep(0.3)
        yield completion

LlamaEngine.complete = slowly
from sysgen_local.cli.main import main
main()
"""
"""`sysgen`, at the pace of a larger model."""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_rows_come_one_by_one_and_a_stop_leaves_nothing(folder, number):
    process = subprocess.Popen(
        [sys.executable, "-c", SLOW, "try", "rows.jsonl", "--rows", "12", "--slots", "1", "--json"],
        cwd=folder / "work", stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=environment(folder),
    )  # fmt: skip
    first = json.loads(first_line(process))
    assert first["state"] in ("final", "dropped")
    assert process.poll() is None
    process.send_signal(number)
    rest, said = process.communicate(timeout=60)
    assert rest.count("\n") < 8
    assert nothing_left(folder)
    if number != signal.SIGKILL:
        assert process.returncode == 130, said
        assert "interrupted" in said
        assert "Traceback" not in said


def test_a_terminal_shows_where_the_rows_are(folder):
    """One line while they are in work, which is gone at the end."""
    import pty

    program, output = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "sysgen_local.cli.main", "try", "rows.jsonl", "--rows", "2"],
        cwd=folder / "work", stdout=output, stderr=output,
        env={**environment(folder), "TERM": "xterm-256color"},
    )  # fmt: skip
    os.close(output)
    screen = b""
    while True:
        assert select.select([program], [], [], 300)[0]
        try:
            read = os.read(program, 65536)
        except OSError:  # Linux says so where the other end was closed
            break
        if not read:
            break
        screen += read
    os.close(program)
    assert process.wait(timeout=60) == 0
    text = screen.decode()
    assert "builtin: 0 of 2" in text
    assert "in generate" in text
    assert "\x1b[" in text[text.index("You are a helpful") - 12 :]
    assert text.rindex("\x1b[2K") < text.index("rows/h is the least")


def test_help_teaches(folder):
    done = sysgen("try", "--help", folder=folder)
    for part in ("Examples:", "sysgen try rows.jsonl", "--prompts", "--seed", "--no-check"):
        assert part in done.stdout
