"""Completion as shells ask for it: in environment variables, and in the shells that are here."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import click
import pytest
from places import ROOT
from test_imports import HEAVY

from sysgen_local.cli.commands import cli

PROGRAM = f"""#!{sys.executable}
import sys
sys.path.insert(0, {str(ROOT)!r})
from sysgen_local.cli.main import main
main()
"""
SHELLS = [shell for shell in ("bash", "fish", "zsh") if shutil.which(shell)]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder of files, and `sysgen` in the search path."""
    program = tmp_path / "bin" / "sysgen"
    program.parent.mkdir()
    program.write_text(PROGRAM)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    work = tmp_path / "work"
    (work / "inner").mkdir(parents=True)
    for name in ("rows.jsonl", "data.duckdb", "my store.duckdb", "quants.gguf", "inner/x.duckdb",
                 "SOURCES.CSV"):  # fmt: skip
        (work / name).touch()
    monkeypatch.chdir(work)
    return work


def asked(*words, kind="bash"):
    """(kind, value) of each completion of the last word, for the script of a shell."""
    place = {"COMP_WORDS": "\n".join(words), "COMP_CWORD": str(len(words) - 1)}
    if kind == "fish":
        place["COMP_CWORD"] = words[-1]
    done = subprocess.run(
        words[0], env={**os.environ, **place, "_SYSGEN_COMPLETE": f"{kind}_complete"},
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    assert not done.stderr
    if kind == "zsh":
        lines = done.stdout.splitlines()
        return list(zip(lines[::3], lines[1::3], strict=False))
    return [tuple(line.split(",", 1)) for line in done.stdout.splitlines() if line]


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        ("run ro", [("file", "ro")]),
        ("try --rows 2 ro", [("file", "ro")]),
        ("run -o ro", [("plain", "rows.jsonl")]),
        ("export -o x", [("file", "x")]),
        ("evaluate multifacet --sources SO", [("plain", "SOURCES.CSV")]),
        ("run --db da", [("plain", "data.duckdb")]),
        ("run --db my", [("file", "my")]),  # the shell quotes the blank itself
        ("run --db in", [("file", "in")]),
        ("run --db inner/", [("plain", "inner/x.duckdb")]),
        ("stats --compare da", [("plain", "data.duckdb")]),
        ("run --model smollm2-13", [("plain", "smollm2-135m")]),
        ("run --judge ./", [("plain", "./quants.gguf")]),
        ("bench --model qua", [("plain", "quants.gguf")]),
        ("bench --lora qua", [("plain", "quants.gguf")]),
        ("run --model builtin+qua", [("plain", "builtin+quants.gguf")]),
        ("study after=builtin+qua", [("plain", "after=builtin+quants.gguf")]),
        ("study --judge builtin smollm2-13", [("plain", "smollm2-135m")]),
        ("models show smollm2-13", [("plain", "smollm2-135m")]),
        ("models show ./", [("plain", "./quants.gguf")]),
        ("models pull qua", []),
        ("run --prompts ", [("plain", "compact"), ("plain", "default")]),
        ("run --prompts in", [("dir", "in")]),
        ("run --redo v", [("plain", "verify")]),
        ("completion z", [("plain", "zsh")]),
    ],
)
@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_kind_of_value_is_completed(folder, shell, typed, found):
    assert asked("sysgen", *typed.split(" "), kind=shell) == found


def test_words_that_bash_splits_are_put_together(folder):
    assert asked("sysgen", "run", "--redo", "=", "v") == [("plain", "verify")]
    assert ("plain", "generate") in asked("sysgen", "run", "--redo", "=")
    assert asked("sysgen", "run", "--model", "phi-4", ":", "q8") == [("plain", "q8_0")]
    assert ("plain", "q8_0") in asked("sysgen", "run", "--model", "=", "phi-4", ":")


def test_repositories_that_were_pulled_are_completed(folder, monkeypatch):
    snapshot = folder / "hub" / "models--Me--Mine-GGUF" / "snapshots" / ("c" * 40)
    snapshot.mkdir(parents=True)
    for quant in ("Q4_K_M", "Q8_0"):
        (snapshot / f"mine-{quant}.gguf").touch()
    (folder / "hub" / "models--Me--no-gguf" / "snapshots").mkdir(parents=True)
    monkeypatch.setenv("HF_HUB_CACHE", str(folder / "hub"))
    for command in (("run", "--model"), ("models", "pull"), ("study",)):
        assert asked("sysgen", *command, "Me") == [("plain", "Me/Mine-GGUF")]
    found = asked("sysgen", "models", "path", "Me/Mine-GGUF:", kind="zsh")
    assert found == [("plain", "Me/Mine-GGUF:q4_k_m"), ("plain", "Me/Mine-GGUF:q8_0")]
    assert asked("sysgen", "bench", "--model", "Me/Mine-GGUF", ":", "q8") == [("plain", "q8_0")]


def test_whole_words_of_other_shells_keep_their_option(folder, monkeypatch):
    monkeypatch.setenv("HOME", str(folder))
    for shell in ("zsh", "fish"):
        assert asked("sysgen", "run", "--redo=v", kind=shell) == [("plain", "--redo=verify")]
        found = asked("sysgen", "run", "--db=in", kind=shell)
        assert found == [("plain", "--db=inner/")]
    assert asked("sysgen", "run", "~/ro", kind="fish") == [("plain", "~/rows.jsonl")]


def test_a_broken_catalogue_of_the_user_completes_nothing_and_says_nothing(folder, monkeypatch):
    (folder / "models.toml").write_text("[models")
    monkeypatch.setenv("SYSGEN_MODELS", str(folder / "models.toml"))
    assert asked("sysgen", "models", "pull", "sm") == []


def script(shell, line, words):
    """What to run in a shell that completes `line`, whose words bash gets as an array."""
    source = subprocess.run(
        ["sysgen", "completion", shell], capture_output=True, text=True, check=True, timeout=60
    ).stdout
    if shell == "bash":
        array = " ".join(f"'{word}'" for word in words)
        last = f"COMP_WORDS=({array}); COMP_CWORD={len(words) - 1}; _sysgen_completion sysgen"
        return f"{source}\n{last}\nprintf '%s\\n' \"${{COMPREPLY[@]}}\""
    if shell == "fish":
        return f"{source}\ncomplete -C '{line}'"
    # zsh completes in its line editor alone: there the functions that take the values print them.
    return f"""
compdef() {{ :; }}; compadd() {{ print -rl -- "${{completions[@]}}"; }}; words=({line}); CURRENT=4
{source}
_sysgen_completion
"""


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize(
    ("option", "word", "value"),
    [("--db", "da", "data.duckdb"), ("--model", "smollm2-13", "smollm2-135m"),
     ("--redo", "ver", "verify")],
)  # fmt: skip
def test_the_shell_itself_completes(folder, shell, option, word, value):
    line = f"sysgen run {option} {word}"
    done = subprocess.run(
        [shell, *{"fish": ["--no-config"], "zsh": ["-f"], "bash": ["--norc"]}[shell],
         "-c", script(shell, line, line.split())],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.stdout.split() == [value], done.stderr


def test_completion_loads_no_engine_and_no_store():
    """Of huggingface_hub, which loads its parts when they are used, only the place of the cache."""
    heavy = HEAVY - {"pydantic", "huggingface_hub"} | {"huggingface_hub.hf_api"}
    code = (
        "import sys\nfrom sysgen_local.cli.commands import cli\n"
        "from click.shell_completion import get_completion_class\n"
        "made = get_completion_class('bash')(cli, {}, 'sysgen', '_SYSGEN_COMPLETE')\n"
        "assert made.get_completions(['run', '--model'], 'smol')\n"
        "assert made.get_completions(['run', '--prompts'], 'def')\n"
        f"print(sorted({heavy!r} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "[]"


def test_every_option_that_takes_a_file_or_a_model_completes_it():
    """A parameter that completes nothing takes a number, a text, or one of no known values."""

    def parameters(command, path):
        for name, child in getattr(command, "commands", {}).items():
            yield from parameters(child, f"{path} {name}")
        yield from ((path, parameter) for parameter in command.params)

    silent = {
        parameter.opts[0]
        for path, parameter in parameters(cli, "sysgen")
        if isinstance(parameter.type, click.types.StringParamType)
        if parameter._custom_shell_complete is None
    }
    assert silent == {
        "--title", "--where", "--language", "--license", "--map", "--split", "--encoding",
        "--bertscore", "--baseline", "repo", "tasks", "--slots", "--reviewer", "--ray",
        "--worker-resources",
    }  # fmt: skip
