"""`sysgen COMMAND` without what it needs: a sentence that says what is missing, and an example."""

from __future__ import annotations

import inspect
import json
import re
import shlex
import subprocess
import sys

import click
import pytest
from places import ROOT

from sysgen_local.cli.commands import cli
from sysgen_local.cli.hints import example

CALLS = """
import contextlib, io, json, sys
from sysgen_local.cli.main import main
said = {}
for words in json.loads(sys.argv[1]):
    sys.argv = ["sysgen", *words]
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main()
        except SystemExit as end:
            said[" ".join(words)] = (end.code, out.getvalue(), err.getvalue())
print(json.dumps(said))
"""
NEEDS = {
    "run": "INPUT is missing, and there is no store at sysgen.duckdb",
    "generate": "INPUT is missing", "filter": "INPUT is missing", "verify": "INPUT is missing",
    "respond": "INPUT is missing", "check": "INPUT is missing",
    "try": "INPUT is missing", "import-tags": "TAGS is missing",
    "show": "name a row's number", "report": "-o or --output is missing",
    "export": "-o or --output is missing", "push": "OWNER/NAME is missing",
    "models show": "NAME|OWNER/REPO|FILE is missing",
    "models check": "NAME|OWNER/REPO|FILE is missing",
    "models pull": "NAME[:QUANT]|OWNER/REPO[:QUANT] is missing",
    "models path": "NAME[:QUANT]|OWNER/REPO[:QUANT] is missing",
    "evaluate sysbench": "name DIALOGUES", "evaluate multifacet": "name INSTANCES",
    "evaluate advancedif": "FILE is missing",
    "evaluate ifeval": "FILE is missing", "evaluate multi-if": "FILE is missing",
    "evaluate iheval": "PATH is missing",
    "evaluate own": "FILE is missing", "testset": "-o or --output is missing",
    "train": "--base is missing",
    "evaluate harness": "TASK is missing", "merge": "STORE.duckdb is missing",
    "study": "[LABEL=]MODEL[@user] is missing",
    "completion": "{bash|zsh|fish} is missing",
}  # fmt: skip
"""Command -> what it says when called alone in an empty folder."""
STORES = {"status", "stats", "compare", "judge", "review"}
"""Commands that need a store and nothing else."""
ALONE = {"bench", "context", "desk", "doctor", "models list"}
"""Commands that need nothing."""


def leaves(command, path=()):
    children = getattr(command, "commands", {})
    for name, child in children.items():
        yield from leaves(child, (*path, name))
    if not children:
        yield " ".join(path), command


@pytest.fixture(scope="module")
def said(tmp_path_factory):
    """Command -> (exit code, standard output, standard error), called alone in an empty folder."""
    names = [*NEEDS, *STORES, "models", "evaluate", "", "run --nonsense", "stats --db"]
    names += ["export --prefer old -o x.jsonl", "runn"]
    done = subprocess.run(
        [sys.executable, "-c", CALLS, json.dumps([name.split() for name in names])],
        cwd=tmp_path_factory.mktemp("empty"), capture_output=True, text=True, check=True,
        timeout=120,
    )  # fmt: skip
    return json.loads(done.stdout)


def test_every_command_is_looked_at():
    assert {name for name, _ in leaves(cli)} == {*NEEDS, *STORES, *ALONE}


@pytest.mark.parametrize("name", NEEDS)
def test_a_command_alone_says_what_is_missing_and_shows_an_example(said, name):
    code, out, err = said[name]
    assert code == 2
    assert not out
    sentence, hint, rest = err.rstrip("\n").split("\n")
    assert sentence.startswith(f"sysgen {name}: {NEEDS[name]}")
    assert hint == f"  -> for example: {example(dict(leaves(cli))[name])}"
    assert rest == f"  -> `sysgen {name} --help` shows all options"


@pytest.mark.parametrize("name", sorted(STORES))
def test_a_command_without_a_store_says_how_to_make_one(said, name):
    code, out, err = said[name]
    assert (code, out) == (2, "")
    assert "There is no store at sysgen.duckdb" in err
    assert "`sysgen run" in err


def test_other_errors_of_usage_have_the_same_form(said):
    for call, sentence in {
        "run --nonsense": "sysgen run: No such option '--nonsense'",
        "stats --db": "sysgen: Option '--db' requires an argument",
        "export --prefer old -o x.jsonl": "sysgen export: Invalid value for '--prefer': 'old' is",
        "runn": "sysgen: No such command 'runn'. Did you mean 'run'?",
    }.items():
        code, out, err = said[call]
        assert (code, out) == (2, "")
        first, hint = err.rstrip("\n").split("\n")
        assert first.startswith(sentence)
        assert re.fullmatch(r"  -> `sysgen( \w+)? --help` shows all options", hint)


def test_a_group_alone_shows_its_help(said):
    for group in ("models", "evaluate", ""):
        assert said[group][0] == 2
        assert said[group][2].startswith("Usage: sysgen")


@pytest.mark.parametrize(("name", "command"), list(leaves(cli)))
def test_every_example_is_a_valid_call(name, command, monkeypatch):
    """Each example in a command's help is parsed, with the options and arguments that it has."""
    monkeypatch.chdir(ROOT)
    text = re.sub(r"\\\n\s*", "", inspect.cleandoc(command.help))
    [block] = re.findall(r"^Examples?:\s*(.*)", text, re.M | re.S)
    calls = re.findall(r"sysgen ([^\n|)#>]*)", re.sub(r"(?m)\s{3,}.*$", "", block))
    assert calls
    for call in calls:
        words = shlex.split(call)
        group: click.Command = cli
        while isinstance(group, click.Group):
            group = group.commands[words.pop(0)]
        group.make_context("sysgen", words)
