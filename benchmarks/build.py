"""Builds llama-server and llama-batched-bench from the sources of the installed llama.cpp.

They are built once, with CMake, in `benchmarks/cache/`. That takes about fifteen minutes.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
from importlib.metadata import version
from pathlib import Path

from sysgen_local.engine.llama import builds

CACHE = Path(__file__).parent / "cache"
TARGETS = ("llama-server", "llama-batched-bench")


def tool(name: str) -> Path:
    """The path of one of TARGETS. Builds it if it does not exist. Raises CalledProcessError."""
    number = version("llama-cpp-python")
    build = _build_folder(number)
    path = build / "bin" / name
    if not path.exists():
        _build(_sources(number), build)
    return path


def _build_folder(number: str) -> Path:
    """Its name tells how it was built: an older build may have the AMX that crashes."""
    return CACHE / f"llama.cpp-{number}{'-no-amx' if builds.flags() else ''}"


def _sources(number: str) -> Path:
    folder = CACHE / f"llama_cpp_python-{number}" / "vendor" / "llama.cpp"
    if not folder.exists():
        requirement = f"llama-cpp-python=={number}"
        options = ["--no-deps", "--no-binary", "llama-cpp-python", "-d", str(CACHE)]
        _run(sys.executable, "-m", "pip", "download", "-q", *options, requirement)
        with tarfile.open(CACHE / f"llama_cpp_python-{number}.tar.gz") as archive:
            archive.extractall(CACHE, filter="data")
    return folder


def _build(sources: Path, build: Path) -> None:
    # The settings of llama-cpp-python: a release build for this machine's CPU. CMake takes the
    # compiler's flags from the environment when it sets the folder up.
    settings = ["CMAKE_BUILD_TYPE=Release", "LLAMA_CURL=OFF", "LLAMA_OPENSSL=OFF"]
    without = ["TESTS", "EXAMPLES", "UI", "APP"]
    settings += [f"LLAMA_BUILD_{part}=OFF" for part in without]
    settings += ["CMAKE_BUILD_RPATH_USE_ORIGIN=ON"]  # the folder may be moved
    _run("cmake", "-S", sources, "-B", build, *(f"-D{setting}" for setting in settings))
    _run("cmake", "--build", build, "-j", os.cpu_count() or 1, "--target", *TARGETS)


def _run(*command: object) -> None:
    words, environment = [str(word) for word in command], {**os.environ, **builds.flags()}
    subprocess.run(words, check=True, stdout=sys.stderr, env=environment)


if __name__ == "__main__":
    for target in TARGETS:
        print(tool(target))
