"""`sysgen doctor`: shows the hardware and the versions, and how to install a faster build."""

from __future__ import annotations

import os
import platform
import shutil
from typing import TYPE_CHECKING

import click

from sysgen_local.core import terminal

if TYPE_CHECKING:
    from sysgen_local.models.catalogue import CatalogueEntry

_AMX_ADVICE = [
    "This build's code for AMX failed when tried, so AMX is left out. A newer compiler (GCC 14) "
    "makes one that works:",
    "  pip install --force-reinstall --no-cache-dir llama-cpp-python",
]


@click.command()
def doctor() -> None:
    """Print the hardware and the versions, and how to install a faster build.

    It prints the backends, devices, memory and versions. If this machine has a GPU that the
    installed llama-cpp-python cannot use, it prints the command that installs another build. Use it
    if a model is slow, and add its output to a question or a report of a fault.

    \b
    Example:
      sysgen doctor
    """
    from importlib.metadata import version

    import llama_cpp
    import psutil
    from rich.markup import escape
    from rich.table import Table

    from sysgen_local.core.resources import resource
    from sysgen_local.engine.llama import amx
    from sysgen_local.engine.llama.devices import cpu_features, devices

    console = terminal.console()
    found = devices()
    offload = llama_cpp.llama_supports_gpu_offload()
    table = Table.grid(padding=(0, 2))
    table.add_column()
    table.add_column(overflow="fold")  # wraps long paths instead of cutting them
    table.add_row("sysgen-local", version("sysgen-local"))
    table.add_row("python", f"{platform.python_version()} on {platform.platform()}")
    for package in ("llama-cpp-python", "llguidance", "duckdb", "huggingface-hub"):
        table.add_row(package, version(package))
    backends = sorted({_backend(d.name) for d in found})
    table.add_row("backends", ", ".join(backends) + ("" if offload else " (no GPU in this build)"))
    table.add_row("CPU features", ", ".join(cpu_features()))
    table.add_row("cores", f"{psutil.cpu_count(logical=False)} ({os.cpu_count()} threads)")
    memory = psutil.virtual_memory()
    table.add_row("memory", f"{_gib(memory.available)} free of {_gib(memory.total)}")
    table.add_row("disk here", f"{_gib(shutil.disk_usage('.').free)} free")
    for device in found:
        table.add_row(
            escape(f"device {device.name}"),
            escape(
                f"{device.description} ({device.kind}), {_gib(device.free)} free of "
                f"{_gib(device.total)}"
            ),
        )
    builtin = resource("builtin_model/builtin.gguf")
    table.add_row(
        "built-in model", escape(str(builtin)) if builtin.exists() else "MISSING: reinstall"
    )
    for name, where in _packaged():
        table.add_row(name, escape(where))
    console.print(table, soft_wrap=True)
    for line in _advice(offload) + (_AMX_ADVICE if amx.is_broken() else []):
        console.print(line, soft_wrap=True, highlight=False)


def _packaged() -> list[tuple[str, str]]:
    """(label, path) of each model that is a Python package. If it is not installed, the path is
    replaced by the reason and the way to install it."""
    from sysgen_local.core.errors import UsageError
    from sysgen_local.models import load_catalogue, package

    def location(entry: CatalogueEntry) -> str:
        try:
            return str(package.find(entry))
        except UsageError as error:
            return f"{error.message} -> {error.hint}"

    try:
        entries = load_catalogue().entries.values()
    except UsageError as error:  # the user's own models.toml is not valid
        return [("models.toml", error.message)]
    return [(f"model {entry.name}", location(entry)) for entry in entries if entry.package]


def _advice(offload: bool) -> list[str]:
    """Lines about the build of llama-cpp-python that fits this machine. `offload`: whether the
    installed one can use a GPU."""
    if offload:
        return ["This build can use the GPU; layers go there by themselves (--gpu-layers N)."]
    flag, wheel = "", "cpu"
    if platform.system() == "Darwin":
        flag, wheel = "-DGGML_METAL=on", "metal"
    elif shutil.which("nvidia-smi"):
        flag, wheel = "-DGGML_CUDA=on", "cu124 (or the CUDA version of your driver)"
    elif shutil.which("vulkaninfo"):
        flag, wheel = "-DGGML_VULKAN=on", ""
    if not flag:
        return ["No GPU was found: models run on the CPU. Small ones (0.5B to 4B) do best here."]
    lines = [
        "A GPU was found, but this build of llama-cpp-python cannot use it. Build one that can:",
        f'  CMAKE_ARGS="{flag}" pip install --force-reinstall --no-cache-dir llama-cpp-python',
    ]
    if wheel:
        lines.append(f"or take its project's ready-made wheel for: {wheel}")
    return lines


def _backend(device: str) -> str:
    """The backend of a device: "CUDA" for "CUDA0"."""
    return device.rstrip("0123456789")


def _gib(size: int) -> str:
    return f"{size / 2**30:.1f} GiB"
