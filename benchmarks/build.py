"""llama-server and llama-batched-bench of the very llama.cpp that is installed, from its sources.

They are built once, with CMake, into `benchmarks/cache/`; that takes about fifteen minutes.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
from importlib.metadata import version
from pathlib import Path

CACHE = Path(__file__).parent / "cache"
TARGETS = ("llama-server", "llama-batched-bench")


def tool(name: str) -> Path:
    """The path of one of TARGETS, built if need be. Raises CalledProcessError, shown as it is."""
    number = version("llama-cpp-python")
    build = CACHE / f"llama.cpp-{number}"
    path = build / "bin" / name
    if not path.exists():
        _build(_sources(number), build)
    return path


def _sources(number: str) -> Path:
    folder = CACHE / f"llama_cpp_python-{number}" / "vendor" / "llama.cpp"
    if not folder.exists():
        wanted = f"llama-cpp-python=={number}"
        options = ["--no-deps", "--no-binary", "llama-cpp-python", "-d", str(CACHE)]
        _run(sys.executable, "-m", "pip", "download", "-q", *options, wanted)
        with tarfile.open(CACHE / f"llama_cpp_python-{number}.tar.gz") as archive:
            archive.extractall(CACHE, filter="data")
    return folder


def _build(sources: Path, build: Path) -> None:
    # As llama-cpp-python builds its own: release, for this machine's CPU.
    settings = ["CMAKE_BUILD_TYPE=Release", "LLAMA_CURL=OFF", "LLAMA_OPENSSL=OFF"]
    without = ["TESTS", "EXAMPLES", "UI", "APP"]
    settings += [f"LLAMA_BUILD_{part}=OFF" for part in without]
    settings += ["CMAKE_BUILD_RPATH_USE_ORIGIN=ON"]  # the folder may be moved
    _run("cmake", "-S", sources, "-B", build, *(f"-D{setting}" for setting in settings))
    _run("cmake", "--build", build, "-j", os.cpu_count() or 1, "--target", *TARGETS)


def _run(*command: object) -> None:
    subprocess.run([str(word) for word in command], check=True, stdout=sys.stderr)


if __name__ == "__main__":
    for target in TARGETS:
        print(tool(target))
