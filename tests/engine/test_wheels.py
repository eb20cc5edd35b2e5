"""Which index of ready-made wheels fits: by system, processor, and what NVIDIA's tool prints."""

import platform
import shutil

import pytest

from sysgen_local.engine.llama import wheels

pytestmark = pytest.mark.e2e  # a script in place of NVIDIA's tool runs


@pytest.fixture
def machine(monkeypatch, tmp_path):
    """Makes this machine another one: its system, processor, and programs."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(wheels, "_ROCM", tmp_path / "version")

    def is_now(system="Linux", processor="x86_64", cuda="", gpus=(), rocm="", vulkan=False):
        monkeypatch.setattr(platform, "system", lambda: system)
        monkeypatch.setattr(platform, "machine", lambda: processor)
        if cuda:
            table = f"| NVIDIA-SMI 570.86.10   Driver Version: 570.86.10   {cuda} |"
            says = "\n".join(gpus)
            program(tmp_path / "nvidia-smi", f'[ "$1" ] && echo "{says}" || echo "{table}"')
        if vulkan:
            program(tmp_path / "vulkaninfo", "exit 0")
        if rocm:
            (tmp_path / "version").write_text(rocm)
        index = wheels.for_this_machine()
        return index and index.removeprefix(f"{wheels.INDEXES}/")

    return is_now


def program(path, says):
    path.write_text(f"#!/bin/sh\n{says}\n")
    path.chmod(0o755)
    assert shutil.which(path.name)


@pytest.mark.parametrize(
    ("system", "processor", "index"),
    [
        ("Linux", "x86_64", "cpu"),
        ("Linux", "aarch64", "cpu"),
        ("Linux", "ppc64le", None),
        ("Darwin", "arm64", "metal"),
        ("Darwin", "x86_64", None),
    ],
)
def test_a_machine_without_a_gpu(machine, system, processor, index):
    assert machine(system, processor) == index


@pytest.mark.parametrize(
    ("cuda", "gpus", "index"),
    [
        ("CUDA Version: 12.4", ["8.6"], "cu124"),
        ("CUDA Version: 12.8", ["9.0"], "cu125"),  # the newest that the driver knows
        ("CUDA Version: 13.1", ["8.9", "8.9"], "cu130"),
        ("CUDA UMD Version: 13.3", ["9.0"], "cu132"),
        ("CUDA Version: 13.0", ["6.1"], "cu125"),  # too old a GPU for CUDA 13
        ("CUDA Version: 13.0", ["6.1", "8.6"], "cu125"),
        ("CUDA Version: 12.0", ["7.5"], "cu118"),
        ("CUDA Version: 12.0", ["9.0"], "cpu"),  # too new a GPU for CUDA 11.8
        ("CUDA Version: 11.4", ["7.5"], "cpu"),
        ("CUDA Version: 12.4", ["5.2"], "cpu"),
        ("CUDA Version: 12.4", ["[N/A]"], "cpu"),
        ("CUDA Version: N/A", ["8.6"], "cpu"),
    ],
)
def test_gpus_of_nvidia(machine, cuda, gpus, index):
    assert machine(cuda=cuda, gpus=gpus) == index


def test_other_gpus(machine):
    assert machine(vulkan=True) == "vulkan"
    assert machine(rocm="7.2.4-93") == "rocm72"


def test_wheels_for_gpus_are_for_x86_64_alone(machine):
    assert machine(processor="aarch64", cuda="CUDA Version: 12.4", gpus=["9.0"]) == "cpu"


def test_a_tool_that_fails_is_no_gpu(machine, tmp_path):
    program(tmp_path / "nvidia-smi", "exit 9")
    assert machine(vulkan=True) == "cpu"
