"""`sysgen doctor` on machines that are not this one: with AMX, or with a GPU."""

import json
import re
import sys
from pathlib import Path

import llama_cpp
import pytest
from click.testing import CliRunner

from sysgen_local.cli.commands import cli
from sysgen_local.engine.llama import amx, builds
from sysgen_local.engine.llama.devices import cpu_features

no_gpu_build = pytest.mark.skipif(
    llama_cpp.llama_supports_gpu_offload(), reason="this build uses a GPU"
)


def program(path: Path, says: str) -> str:
    path.write_text(f"#!/bin/sh\n{says}\n")
    path.chmod(0o755)
    return str(path)


@pytest.fixture
def machine(monkeypatch, tmp_path):
    """Runs `doctor` on a machine with these programs; an `amx` program stands for the trial."""

    def doctor(*options, **programs):
        for name, says in programs.items():
            program(tmp_path / name.replace("_", "-"), says)
        monkeypatch.setenv("PATH", str(tmp_path))
        if "amx" in programs:
            monkeypatch.setattr(amx, "cpu_features", lambda: ["AVX2", "AMX_INT8"])
            monkeypatch.setattr(sys, "executable", str(tmp_path / "amx"))
        amx.is_broken.cache_clear()
        done = CliRunner().invoke(cli, ["doctor", *options], catch_exceptions=False)
        assert done.exit_code == 0
        return done.stdout

    yield doctor
    amx.is_broken.cache_clear()


CRASHES = "kill -ILL $$"
FLAGS = "CFLAGS=-mno-amx-int8 CXXFLAGS=-mno-amx-int8"
NVIDIA = '[ "$1" ] && echo 8.6 || echo "CUDA Version: 12.4"'


def test_where_amx_is_left_out_it_says_so_and_how_to_build(machine):
    said = machine(amx=CRASHES)
    assert re.search(r"^AMX +left out$", said, re.MULTILINE)
    assert "https://github.com/ggml-org/llama.cpp/pull/26954" in said
    [command] = [line for line in said.splitlines() if "--no-cache-dir" in line]
    assert command.strip() == builds.command(builds.WITHOUT_AMX)
    assert command.strip().startswith(f"{FLAGS} ")
    told = json.loads(machine("--json", amx=CRASHES))
    assert (told["amx"], told["rebuild"]) == ("left out", command.strip())
    assert f"  {told['rebuild']}" in told["advice"]


def test_where_amx_works_there_is_nothing_to_build(machine):
    told = json.loads(machine("--json", amx="exit 0"))
    assert (told["amx"], told["rebuild"]) == ("used", None)
    assert re.search(r"^AMX +used$", machine(amx="exit 0"), re.MULTILINE)


@pytest.mark.skipif("AMX_INT8" in cpu_features(), reason="this processor has AMX")
def test_where_there_is_no_amx_it_is_not_named(machine):
    told = json.loads(machine("--json"))
    assert told["amx"] is told["rebuild"] is None
    assert "AMX" not in machine()


@no_gpu_build
def test_a_gpu_that_is_not_used_yet(machine):
    told = json.loads(machine("--json", nvidia_smi=NVIDIA))
    assert told["rebuild"] == builds.command({"CMAKE_ARGS": "-DGGML_CUDA=on"})
    assert told["wheels"].endswith("/whl/cu124")
    assert f"  {told['rebuild']}" in told["advice"]
    assert f"  {builds.ready_made(told['wheels'])}" in told["advice"]
    assert told["wheels"] in machine(nvidia_smi=NVIDIA)


@no_gpu_build
def test_one_command_is_for_both(machine):
    told = json.loads(machine("--json", nvidia_smi=NVIDIA, amx=CRASHES))
    assert told["rebuild"].startswith(f"CMAKE_ARGS=-DGGML_CUDA=on {FLAGS} ")
