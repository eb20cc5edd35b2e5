"""The ready-made wheels that the llama-cpp-python project publishes, and which of them fit here.

There is one package index for each kind of processor or GPU. What each is for stands in the
project's README and its build files at version 0.3.36. The wheels are for any Python 3. Nothing
here uses the network.
"""

from __future__ import annotations

import platform
import re
import shutil
import subprocess
from pathlib import Path

INDEXES = "https://abetlen.github.io/llama-cpp-python/whl"

CUDA = {
    (13, 2): (7.5, 99.0), (13, 0): (7.5, 99.0),
    (12, 5): (6.0, 99.0), (12, 4): (6.0, 99.0), (12, 3): (6.0, 99.0), (12, 2): (6.0, 99.0),
    (12, 1): (6.0, 99.0),
    (11, 8): (6.0, 8.9),
}  # fmt: skip
"""CUDA version -> lowest and highest compute capability; only for Linux on x86-64. The newest
comes first."""

_ROCM = Path("/opt/rocm/.info/version")


def for_this_machine() -> str | None:
    """The index whose wheels make the most of this machine, its GPU included; None if there is
    none."""
    if platform.system() == "Linux" and platform.machine() == "x86_64":
        cuda = _cuda()
        if cuda:
            return cuda
        if _ROCM.is_file() and _ROCM.read_text().startswith("7.2"):
            return f"{INDEXES}/rocm72"
        if shutil.which("vulkaninfo") and not shutil.which("nvidia-smi"):
            return f"{INDEXES}/vulkan"
    return for_the_processor()


def for_the_processor() -> str | None:
    """The index whose wheels need nothing but this processor and system; None if there is none.
    Those for x86-64 need AVX2, and use neither AVX-512 nor AMX."""
    names = {
        ("Linux", "x86_64"): "cpu",
        ("Linux", "aarch64"): "cpu",
        ("Darwin", "arm64"): "metal",  # every such Mac has a GPU that Metal knows
    }
    name = names.get((platform.system(), platform.machine()))
    return name and f"{INDEXES}/{name}"


def _cuda() -> str | None:
    """The index of the newest CUDA version that the driver and all GPUs of NVIDIA know."""
    driver = re.search(r"CUDA (?:UMD )?Version: *(\d+)\.(\d+)", _nvidia_smi())
    gpus = [
        float(line)
        for line in _nvidia_smi("--query-gpu=compute_cap", "--format=csv,noheader").splitlines()
        if re.fullmatch(r"\d+\.\d+", line)
    ]
    if not driver or not gpus:
        return None
    known = tuple(map(int, driver.groups()))
    for (major, minor), (lowest, highest) in CUDA.items():
        if (major, minor) <= known and lowest <= min(gpus) and max(gpus) <= highest:
            return f"{INDEXES}/cu{major}{minor}"
    return None


def _nvidia_smi(*options: str) -> str:
    """What it prints; empty if it is not there, or fails."""
    found = shutil.which("nvidia-smi")
    if not found:
        return ""
    try:
        done = subprocess.run(
            [found, *options], capture_output=True, text=True, errors="replace", timeout=60
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout if done.returncode == 0 else ""
