"""Flags for llama.cpp's build are given where the compiler spoils AMX, and nowhere else. A machine
with AMX is had by a compiler that takes this one for such a processor."""

import os
import re
import shlex
import subprocess
import sys

import pytest
from places import ROOT

from sysgen_local.engine.llama import builds, wheels
from sysgen_local.engine.llama.devices import cpu_features

pytestmark = pytest.mark.e2e  # the compiler runs

TILES = """
#include <immintrin.h>
struct Tiles {
    unsigned char palette, start, reserved[14];
    unsigned short bytes[16];
    unsigned char rows[16];
};
void configure() {
    alignas(64) Tiles tiles = {};
    tiles.palette = 1;
    tiles.rows[0] = 77;
    _tile_loadconfig(&tiles);
}
"""


@pytest.fixture(autouse=True)
def no_flags(monkeypatch):
    for name in ("CC", "CXX", "CFLAGS", "CXXFLAGS", "PIP_EXTRA_INDEX_URL"):
        monkeypatch.delenv(name, raising=False)


def script(path, says):
    path.write_text(f"#!/bin/bash\n{says}\n")
    path.chmod(0o755)
    return str(path)


def assembly(source, *options):
    """What the compiler makes of it for a processor with AMX; the test is skipped where there is
    no such compiler."""
    words = [*builds.compiler(), "-march=sapphirerapids", "-O3", "-S", *options]
    done = subprocess.run(
        [*words, "-x", "c++", "-", "-o", "-"], input=source, capture_output=True, text=True
    )
    if done.returncode:
        pytest.skip("no compiler for x86-64 with AMX here")
    return done.stdout


@pytest.fixture
def with_amx(monkeypatch, tmp_path):
    """As on a processor with AMX, with a compiler that spoils it."""
    assembly(TILES)
    if not builds.miscompiles_amx("sapphirerapids"):
        pytest.skip("this compiler has no fault")
    own = shlex.join(builds.compiler())
    as_if = f'exec {own} "${{@/-march=native/-march=sapphirerapids}}"'
    monkeypatch.setenv("CXX", script(tmp_path / "c++", as_if))


def test_the_fault_is_found_where_the_compiler_drops_what_is_written():
    dropped = "$77" not in assembly(TILES)
    assert builds.miscompiles_amx("sapphirerapids") == dropped


def test_the_flag_leaves_amx_out_and_the_rest_in(monkeypatch):
    [flag] = {*builds.WITHOUT_AMX.values()}
    names = "#ifdef __AMX_INT8__\nint amx;\n#endif\n#ifdef __AVX512VNNI__\nint rest;\n#endif\n"
    assert "amx" in assembly(names)
    for order in (["-march=sapphirerapids", flag], [flag, "-march=sapphirerapids"]):
        made = assembly(names, *order)
        assert "rest" in made
        assert "amx" not in made
    monkeypatch.setenv("CXXFLAGS", flag)
    assert not builds.miscompiles_amx("sapphirerapids")


def test_flags_where_the_processor_has_amx(with_amx):
    assert builds.flags() == builds.for_pip() == builds.WITHOUT_AMX


@pytest.mark.parametrize("name", ["CFLAGS", "CXXFLAGS"])
def test_flags_of_ones_own_are_kept(with_amx, monkeypatch, name):
    monkeypatch.setenv(name, "-O2")
    assert builds.for_pip() == {}


@pytest.mark.skipif("AMX_INT8" in cpu_features(), reason="this processor has AMX")
def test_none_where_the_processor_has_no_amx():
    assert builds.flags() == {}


def test_none_where_the_compiler_does_not_know_the_processor(monkeypatch, tmp_path):
    knows_not = script(tmp_path / "c++", 'echo "$@"; [ "$1" = --version ]')
    monkeypatch.setenv("CXX", knows_not)
    assert builds.compiler() == [knows_not]
    assert builds.for_pip() == {}


def printed(**environment):
    done = subprocess.run(
        [sys.executable, "-m", builds.__name__], capture_output=True, text=True, check=True,
        env={**os.environ, **environment}, timeout=60,
    )  # fmt: skip
    return done.stdout.splitlines(), done.stderr


def test_what_is_printed_for_env(with_amx):
    flag = builds.WITHOUT_AMX["CFLAGS"]
    assert printed() == ([f"CFLAGS={flag}", f"CXXFLAGS={flag}"], "")


def test_without_a_compiler_a_ready_made_wheel_is_taken(tmp_path):
    index = wheels.for_the_processor()
    lines, said = printed(PATH=str(tmp_path))
    if index:
        assert f"PIP_EXTRA_INDEX_URL={index}" in lines
        assert f"No C++ compiler was found: llama-cpp-python comes ready-made from {index}" in said
    assert printed(PATH=str(tmp_path), PIP_EXTRA_INDEX_URL="https://example.org")[0] == []
    needs_tools = script(tmp_path / "c++", "exit 1")  # as of a Mac without its developer tools
    assert printed(PATH=str(tmp_path), CXX=needs_tools)[0] == lines


def test_a_command_can_be_copied(monkeypatch, tmp_path):
    monkeypatch.setattr(
        builds, "_PIP", shlex.quote(script(tmp_path / "a pip", 'echo "$CFLAGS" "$@"'))
    )
    built = builds.command({"CFLAGS": "-O2 -g"})
    done = subprocess.run(built, shell=True, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("-O2 -g --no-cache-dir llama-cpp-python==")


def test_readmes_commands_hand_them_to_pip(with_amx):
    commands = re.findall(
        r"<!-- \w+ command -->\n```sh\n(.*)\n```", (ROOT / "README.md").read_text()
    )
    assert len(commands) == 2
    for command in commands:
        _, install, *_ = command.split(" && ")
        asks, _, installs = install.partition(" .venv/bin/pip ")
        assert installs.startswith("install ")
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", f"{asks} env"], cwd=ROOT, capture_output=True,
            text=True, check=True, timeout=60,
        )  # fmt: skip
        assert {f"{name}={flag}" for name, flag in builds.WITHOUT_AMX.items()} <= {
            *done.stdout.splitlines()
        }
