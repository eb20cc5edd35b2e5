"""How llama-cpp-python is built for this machine: with which flags, by which command.

    env $(python3 -m sysgen_local.engine.llama.builds) pip install .

It prints environment variables for pip, one a line: none on most machines. README's commands use it
before anything is installed, so this module and `wheels` need the standard library alone.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping
from importlib.metadata import version

from sysgen_local.engine.llama import wheels

WITHOUT_AMX = {"CFLAGS": "-mno-amx-int8", "CXXFLAGS": "-mno-amx-int8"}
"""Variables for CMake. llama.cpp's code for AMX is then not built, and its other repacked weight
layouts stay. The flag holds before and behind `-march=native`, which llama.cpp adds itself."""

_PIP = f"{shlex.quote(sys.executable)} -m pip install --force-reinstall --no-deps"

_PROBE = "#ifdef __AMX_INT8__\n#include <immintrin.h>\n#endif\n"
_FAULT = re.compile(r"ldtilecfg[^;]*\(const void \*\*\)")  # it hands over 8 bytes of 64


def compiler() -> list[str]:
    """The command of the C++ compiler that CMake takes, $CXX or the usual ones; empty if there is
    none that runs. A Mac without its developer tools has a `c++` that only asks for them."""
    asked = shlex.split(os.environ.get("CXX", ""))
    tried = [asked] if asked else [["c++"], ["g++"], ["clang++"]]
    return next((words for words in tried if _runs(words)), [])


def _runs(words: list[str]) -> bool:
    if not shutil.which(words[0]):
        return False
    return subprocess.run([*words, "--version"], capture_output=True).returncode == 0


def miscompiles_amx(processor: str = "native") -> bool:
    """Whether a build for this processor, by its name in `-march`, uses AMX and the compiler has
    the faulty header that `amx` tells of. GCC 11 to 13 had it at first, and GCC 14 has not:
    https://gcc.gnu.org/PR114098. A tenth of a second."""
    words = compiler()
    if not words:
        return False
    words += [*shlex.split(os.environ.get("CXXFLAGS", "")), f"-march={processor}"]
    command = [*words, "-E", "-x", "c++", "-"]
    done = subprocess.run(command, input=_PROBE, capture_output=True, text=True, errors="replace")
    return done.returncode == 0 and bool(_FAULT.search(done.stdout))


def flags() -> dict[str, str]:
    """The variables that a build of llama.cpp needs on this machine. Who has set flags of their
    own keeps them."""
    theirs = any(os.environ.get(name) for name in WITHOUT_AMX)
    return WITHOUT_AMX if not theirs and miscompiles_amx() else {}


def for_pip() -> dict[str, str]:
    """The variables that pip needs to install llama-cpp-python here. Without a compiler it takes a
    ready-made wheel, from the index of the llama-cpp-python project. pip asks that index for every
    package, and where it is out of reach each question takes eight seconds with pip's five tries.
    """
    index = wheels.for_the_processor()
    if compiler() or not index or "PIP_EXTRA_INDEX_URL" in os.environ:
        return flags()
    return {"PIP_EXTRA_INDEX_URL": index, "PIP_PREFER_BINARY": "1", "PIP_RETRIES": "1"}


def command(variables: Mapping[str, str]) -> str:
    """The shell command that builds the installed version of llama-cpp-python anew, for this Python
    and with these variables. pip's cache is not asked: its wheels do not tell how they were built.
    """
    words = [f"{name}={shlex.quote(value)}" for name, value in variables.items()]
    return " ".join([*words, _PIP, "--no-cache-dir", _installed()])


def ready_made(index: str) -> str:
    """The shell command that installs the wheel of that version from this index, for this
    Python."""
    return f"{_PIP} --index-url {index} {_installed()}"


def _installed() -> str:
    return f"llama-cpp-python=={version('llama-cpp-python')}"


def main() -> None:
    variables = for_pip()
    for name, value in variables.items():
        print(f"{name}={value}")
    if compiler():
        return
    index = variables.get("PIP_EXTRA_INDEX_URL")
    instead = f"llama-cpp-python comes ready-made from {index}" if index else "pip may fail"
    print(f"No C++ compiler was found: {instead}. With one (g++) it is faster.", file=sys.stderr)


if __name__ == "__main__":
    main()
