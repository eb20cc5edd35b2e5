"""Text on a terminal: all of it is shown, none of it is obeyed, whatever the encoding."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys

import pytest
from filled import fill
from hypothesis import given, settings
from hypothesis import strategies as st
from places import ROOT
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from sysgen_local.core import terminal
from sysgen_local.core.records import Conversation, Reject, Source, Turn
from sysgen_local.store import Store

HOSTILE = "red \x1b[31m, title \x1b]0;owned\x07, C1 \x9b2J, NEL \x85, delete \x7f, back \x08"
COMMANDS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")
ODD = "Ünï 中文 😀 ▁█ · … \u202eرtl \ud800"


def drawn(*parts: object, width: int = 60, **more: object) -> str:
    screen = io.StringIO()
    console = terminal.console(screen, width=width, **more)
    for part in parts:
        console.print(part)
    return screen.getvalue()


@pytest.mark.parametrize("width", [20, 60, 200])
def test_what_a_terminal_would_obey_is_shown(width):
    table = Table(HOSTILE, title=HOSTILE, caption=HOSTILE)
    table.add_row(HOSTILE)
    table.add_row(Text(HOSTILE))
    parts = (Text(HOSTILE), HOSTILE, Panel(Text(HOSTILE), title=Text(HOSTILE)), table)
    said = drawn(*parts, width=width)
    assert not COMMANDS.search(said)
    whole = re.sub(r"[\s│╭╮╰╯─┃┏┓└┘┌┐├┤┼┴┬━╇╃┡┩]", "", said)
    assert whole.count(r"\x1b[31m") >= 6
    assert whole.count(r"\x9b2J") >= 6


def test_colours_of_our_own_still_reach_the_terminal():
    text = Text("a\x1bb and c")
    text.stylize("red", 2, 3)  # b
    text.stylize("green", 8, 9)  # c
    said = drawn(text, force_terminal=True, color_system="standard")
    assert re.sub("\x1b\\[[0-9;]*m", "", said) == "a\\x1bb and c\n"
    assert said.startswith("a\\x1b\x1b[31mb\x1b[0m and \x1b[32mc")


def test_no_color_is_obeyed(monkeypatch):
    text = Text("a red word", style="red on blue")
    options = {"force_terminal": True, "color_system": "standard"}
    assert re.search("\x1b\\[[0-9;]*3[0-7]", drawn(text, **options))
    monkeypatch.setenv("NO_COLOR", "1")
    assert not re.search("\x1b\\[[0-9;]*[349][0-7]", drawn(text, **options))


@settings(deadline=None)
@given(st.text())
def test_shown_text_has_no_commands_and_loses_nothing(text):
    shown = terminal.shown(text)
    assert not COMMANDS.search(shown)
    if not COMMANDS.search(text):
        assert shown == text
    assert terminal.shown(shown) == shown


def test_line_ends_of_windows_are_line_ends():
    assert terminal.shown("a\r\nb\rc") == "a\nb\\x0dc"


@settings(deadline=None)
@given(st.text(st.characters(), max_size=40))
def test_every_character_can_be_written_to_every_encoding(text):
    for encoding in ("ascii", "cp1252", "latin-1", "utf-8"):
        terminal.prepare()
        stream = io.TextIOWrapper(io.BytesIO(), encoding, errors=terminal.ERRORS, newline="")
        stream.write(text)
        stream.flush()


def test_json_says_the_same_in_every_encoding(monkeypatch):
    what = {"text": f"{ODD[:-1]} {HOSTILE}", "n": [1, None]}
    for encoding in ("ascii", "cp1252", "utf-8"):
        stream = io.TextIOWrapper(io.BytesIO(), encoding, errors="strict")
        monkeypatch.setattr(sys, "stdout", stream)
        for indent in (None, 2):
            text = terminal.json_text(what, indent=indent)
            stream.write(text)
            assert json.loads(text) == what
            assert not COMMANDS.search(text)


def test_no_module_makes_a_console_of_its_own():
    wrong = [
        str(path)
        for path in (ROOT / "sysgen_local").rglob("*.py")
        if path.name != "terminal.py" and re.search(r"\bConsole\(", path.read_text())
    ]
    assert not wrong


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A store of rows in odd scripts that send commands to the terminal."""
    folder = tmp_path_factory.mktemp("odd")
    fill(folder / "sysgen.duckdb", 8, checks=True)
    with Store.open(folder / "sysgen.duckdb") as store:
        row = (Turn("user", f"{ODD} {HOSTILE}"), Turn("assistant", f"{HOSTILE} {ODD}"))
        reject = Reject(2, "unknown_shape", f"its keys are {ODD} {HOSTILE}", f"{HOSTILE} {ODD}")
        source = Source(f"{ODD}{HOSTILE}", "y", "1", f"[/b] {ODD} {HOSTILE}", f"[/b] {HOSTILE}")
        store.ingest(source, [Conversation(row, 1), reject])
    return folder


EVERY = """
import json, sys
from sysgen_local.cli.main import main
for command in json.loads(sys.argv[1]):
    sys.argv = ["sysgen", *command]
    try:
        main()
    except SystemExit as end:
        assert end.code == (2 if "état" in command else 0), (command, end.code)
"""
COMMANDS_OF_ALL = [
    ["show", "9"], ["show", "2"], ["show", "--rejected"], ["stats"], ["status"], ["doctor"],
    ["models", "list"], ["show", "--where", "état"], ["export", "-o", "ü.jsonl"],
]  # fmt: skip


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "utf-8"])
def test_commands_write_to_every_terminal(folder, encoding):
    environment = {**os.environ, "PYTHONIOENCODING": encoding, "COLUMNS": "120"}

    def done(commands):
        ran = subprocess.run(
            [sys.executable, "-c", EVERY, json.dumps(commands)],
            cwd=folder, capture_output=True, timeout=300, env=environment,
        )  # fmt: skip
        told = ran.stderr.decode(errors="replace")
        assert ran.returncode == 0, told
        assert "Traceback" not in told
        return ran

    ran = done(COMMANDS_OF_ALL)
    for said in (ran.stdout, ran.stderr):
        # click writes UTF-8 where it is told of ASCII
        text = said.decode("utf-8" if encoding == "ascii" else encoding)
        assert not COMMANDS.search(text)
    assert rb"\x1b" in ran.stdout
    stats = json.loads(done([["stats", "--json"]]).stdout.decode(encoding))
    assert stats["rows"]["input"] == 11
