"""`sysgen run` on a terminal: a few rows first, what the others will take, then all or nothing."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from processes import ended
from terminals import Terminal

from sysgen_local.core.counted import counted, duration, rounded
from sysgen_local.store import Store

ROWS = 201
"""One more than a run takes without a question."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    with (tmp_path / "rows.jsonl").open("w") as file:
        for number in range(ROWS):
            row = {"instruction": f"What is tea number {number}?", "output": "A drink."}
            file.write(f"{json.dumps(row)}\n")
    return tmp_path


def of_model(builtin: Path, *more: object) -> tuple[object, ...]:
    """A run with the built-in model, named as any other file."""
    prompts = ("--prompts", "compact", "--temperature", 0)
    return "run", "rows.jsonl", "--model", builtin, *prompts, "--db", "s.duckdb", *more


def test_rows_are_shown_and_nothing_is_kept_where_the_answer_is_no(folder, builtin):
    terminal = Terminal(folder, *of_model(builtin))
    with ended(terminal.process):
        terminal.until("Show 5 of these 201 rows first? [Y/n]: ")
        terminal.type("\n")
        terminal.until("Go on? [")
        assert terminal.text.count("rows.jsonl, line ") == 5
        final, dropped = re.findall(r"preview: (\d) final, (\d) dropped", terminal.text)[0]
        assert int(final) + int(dropped) == 5
        assert re.search(r"the other 196 rows: about \d+ (s|min|h)", terminal.text)
        assert re.search(r"[\d,]+ tokens to read, [\d,]+ to write", terminal.text)
        assert ("Go on? [Y/n]" in terminal.text) == (int(final) > 0)
        terminal.type("n\n")
        assert terminal.end() == 1
    assert "nothing of the preview is kept" in terminal.text
    assert [path.name for path in folder.iterdir()] == ["rows.jsonl"]


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGKILL])
def test_a_process_that_ends_at_the_question_keeps_the_rows(folder, builtin, sent):
    terminal = Terminal(folder, *of_model(builtin, "--preview", 2))
    with ended(terminal.process):
        terminal.until("Go on? [")
        time.sleep(0.5)  # a signal just before Python waits for input is noticed after the input
        terminal.process.send_signal(sent)
        assert terminal.end() == (130 if sent == signal.SIGINT else -sent)
    with Store.open(folder / "s.duckdb", read_only=True) as store:
        counts = store.counts()
    assert (counts.final + counts.dropped, counts.input) == (2, ROWS)


def test_rows_of_the_preview_are_rows_of_the_run(folder, builtin):
    """They are not done twice, and a run without a preview makes the same rows of them."""
    terminal = Terminal(folder, *of_model(builtin, "--limit", 12, "--preview", 3))
    with ended(terminal.process):
        terminal.until("Go on? [")
        shown = [int(n) for n in re.findall(r"row (\d+) +rows.jsonl, line", terminal.text)]
        assert len(shown) == 3
        terminal.type("y\n")
        assert terminal.end() == 0
    said = [str(part) for part in of_model(builtin, "--limit", 12)]
    said[said.index("s.duckdb")] = "plain.duckdb"
    plain = subprocess.run(
        [sys.executable, "-m", "sysgen_local.cli.main", *said],
        cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=600,
    )  # fmt: skip
    assert plain.returncode == 0, plain.stderr
    assert "Show 5" not in plain.stderr
    with (
        Store.open(folder / "s.duckdb", read_only=True) as one,
        Store.open(folder / "plain.duckdb", read_only=True) as other,
    ):
        assert one.counts().rows() == other.counts().rows()
        assert one.counts().pending == 0
        for number in range(1, 13):
            here, there = one.row(number), other.row(number)
            assert here is not None
            assert there is not None
            assert here.answers == there.answers
            assert here.verified is not None
            assert there.verified is not None
            assert here.verified.system == there.verified.system


def test_a_no_leaves_the_rows_of_earlier_runs_as_they_were(folder, builtin):
    """Three of them have done the first phase only."""
    for command in (
        of_model(builtin, "--limit", 9),
        ("generate", *of_model(builtin, "--limit", 12)[1:]),
    ):
        subprocess.run(
            [sys.executable, "-m", "sysgen_local.cli.main", *map(str, command)],
            cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, check=True, timeout=600,
        )  # fmt: skip
    with Store.open(folder / "s.duckdb", read_only=True) as store:
        before = [store.row(number) for number in range(1, 13)]
        done = store.counts().phases
    terminal = Terminal(folder, *of_model(builtin, "--limit", 12, "--preview", 2))
    with ended(terminal.process):
        terminal.until("Go on? [")
        terminal.type("n\n")
        assert terminal.end() == 1
    with Store.open(folder / "s.duckdb", read_only=True) as store:
        assert [store.row(number) for number in range(1, 13)] == before
        assert store.counts().phases == done


@pytest.mark.parametrize(
    "more", [("--yes",), ("-q",), ("--preview", "0"), ("--limit", "3")], ids=lambda of: of[0]
)
def test_nothing_is_asked_where_nobody_wants_it(folder, builtin, more):
    asked = [*of_model(builtin), *more]
    terminal = Terminal(folder, *asked, *(() if "--limit" in more else ("--limit", "2")))
    with ended(terminal.process):
        assert terminal.end() == 0
    assert "first?" not in terminal.text


def test_a_run_that_goes_on_is_not_asked_again(folder, builtin):
    """And without a terminal, a preview is shown and the run goes on."""
    first = subprocess.run(
        [sys.executable, "-m", "sysgen_local.cli.main",
         *map(str, of_model(builtin, "--limit", 4, "--preview", 2))],
        cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=600,
    )  # fmt: skip
    assert first.returncode == 0, first.stderr
    assert "the other 2 rows: about" in first.stderr
    terminal = Terminal(folder, *of_model(builtin))
    with ended(terminal.process):
        terminal.until("now: ")
        terminal.process.send_signal(signal.SIGINT)
        assert terminal.end() == 130
    assert "first?" not in terminal.text
    assert (folder / "s.duckdb").exists()


@pytest.mark.parametrize(
    ("more", "code", "said"),
    [
        (("--model", "no-such-model"), 2, "no model"),
        (("--model", "http://127.0.0.1:9/v1"), 1, "127.0.0.1:9"),
        (("--map", "instruction=nope,answer=output"), 2, "no usable row"),
        (("empty.jsonl", "--preview", "3"), 2, "empty.jsonl is empty"),
    ],
)
def test_a_start_that_fails_leaves_no_file(folder, more, code, said):
    (folder / "empty.jsonl").touch()
    inputs = () if "empty.jsonl" in more else ("rows.jsonl",)
    done = subprocess.run(
        [sys.executable, "-m", "sysgen_local.cli.main", "run", *inputs, *more],
        cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=600,
    )  # fmt: skip
    assert done.returncode == code, done.stderr
    assert said in done.stderr
    kept = "--map" in more  # the store has every record and why it cannot be used
    assert (folder / "sysgen.duckdb").exists() == kept


def test_numbers_in_words():
    assert [counted(n, "row") for n in (0, 1, 1234)] == ["0 rows", "1 row", "1,234 rows"]
    assert [rounded(n) for n in (0, 7, 94, 850, 12_345, 3_449_000, 2.5e9)] == [
        "0", "7", "94", "850", "12,000", "3.4 million", "2.5 billion",
    ]  # fmt: skip
    assert [duration(s) for s in (40, 89, 90, 700, 3570, 12_000, 46 * 3600 + 3500, 187_200)] == [
        "40 s", "89 s", "2 min", "12 min", "1 h", "3 h 20 min", "47 h", "2 d 4 h",
    ]  # fmt: skip
