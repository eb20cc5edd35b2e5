"""llama.cpp is built without AMX where the compiler spoils it."""

import shlex
import shutil
import subprocess

import pytest

from benchmarks.build import _build, _build_folder
from sysgen_local.engine.llama import builds

pytestmark = pytest.mark.e2e  # the compiler runs

PROJECT = """
cmake_minimum_required(VERSION 3.21)
project(small C CXX)
foreach(name llama-server llama-batched-bench)
  add_executable(${name} one.cpp two.c)
  target_compile_options(${name} PRIVATE -march=native)
endforeach()
"""
REFUSES = '#ifdef __AMX_INT8__\n#error "with AMX"\n#endif\n'


@pytest.fixture
def small(tmp_path):
    """A project whose sources refuse AMX, set up as llama.cpp is."""
    if not shutil.which("cmake"):
        pytest.skip("no CMake here")
    (tmp_path / "CMakeLists.txt").write_text(PROJECT)
    (tmp_path / "one.cpp").write_text(f"{REFUSES}int main() {{ return 0; }}\n")
    (tmp_path / "two.c").write_text(REFUSES)
    return tmp_path


@pytest.fixture
def with_amx(monkeypatch, tmp_path):
    """As on a processor with AMX, with compilers that spoil it."""
    for name in ("CFLAGS", "CXXFLAGS"):
        monkeypatch.delenv(name, raising=False)
    if not builds.miscompiles_amx("sapphirerapids"):
        pytest.skip("this compiler has no fault")
    for name, own in (("CXX", shlex.join(builds.compiler())), ("CC", "cc")):
        path = tmp_path / name.lower()
        path.write_text(f'#!/bin/bash\nexec {own} "${{@/-march=native/-march=sapphirerapids}}"\n')
        path.chmod(0o755)
        monkeypatch.setenv(name, str(path))


def test_the_flags_reach_every_source(with_amx, small, monkeypatch):
    _build(small, small / "right")
    assert (small / "right" / "llama-server").exists()
    monkeypatch.setattr(builds, "flags", dict)
    with pytest.raises(subprocess.CalledProcessError):
        _build(small, small / "wrong")


def test_a_build_with_the_fault_is_not_taken_for_one_without(with_amx, monkeypatch):
    right = _build_folder("0.1")
    monkeypatch.setattr(builds, "flags", dict)
    assert right != _build_folder("0.1")
