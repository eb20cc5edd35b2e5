"""`sysgen doctor`: shows the hardware and the versions, and how to install a faster build."""

from __future__ import annotations

import os
import platform
import shutil
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from sysgen_local.cli import model_facts
from sysgen_local.cli import options as opt
from sysgen_local.core import terminal
from sysgen_local.core.counted import gigabytes

if TYPE_CHECKING:
    from sysgen_local.cli.outputs import Machine
    from sysgen_local.models.catalogue import CatalogueEntry


@click.command()
@opt.as_json
def doctor(as_json: bool) -> None:
    """Print the hardware and the versions, and how to install a faster build.

    It prints the backends, devices, memory and versions, and which servers of models run here. If
    the installed llama-cpp-python cannot use this machine's GPU, or leaves the processor's AMX out,
    it prints the command that installs another build. It names the index of ready-made wheels that
    fits this machine. Use it if a model is slow, and add its output to a question or a report of a
    fault.

    \b
    Example:
      sysgen doctor
    """
    machine = _machine()
    if as_json:
        from sysgen_local.cli.outputs import print_json

        print_json(machine)
        return
    gpu = "" if machine.gpu_offload else " (no GPU in this build)"
    facts = [("sysgen-local", machine.versions["sysgen-local"])]
    facts += [("python", f"{machine.versions['python']} on {machine.platform}")]
    facts += [(name, machine.versions[name]) for name in _PACKAGES]
    facts += [
        ("backends", ", ".join(machine.backends) + gpu),
        ("CPU features", ", ".join(machine.cpu_features)),
        *([("AMX", machine.amx)] if machine.amx else []),
        ("cores", f"{machine.cores} ({machine.threads} threads)"),
        ("memory", f"{gigabytes(machine.memory_free)} free of {gigabytes(machine.memory_total)}"),
        ("disk here", f"{gigabytes(machine.disk_free)} free"),
    ]
    facts += [
        (
            f"device {of.name}",
            f"{of.description} ({of.kind}), {gigabytes(of.free)} free of {gigabytes(of.total)}",
        )
        for of in machine.devices
    ]
    facts += list(machine.models.items())
    facts += [(of.name, model_facts.server_line(of)) for of in machine.servers]
    facts += [("ready-made wheels", machine.wheels or "none for this system")]
    width = max(len(name) for name, _ in facts)
    # No table: a terminal wraps a long path, and it can be copied as one line.
    for line in [f"{name:{width}}  {fact}" for name, fact in facts] + machine.advice:
        click.echo(terminal.shown(line))


_PACKAGES = ("llama-cpp-python", "llguidance", "duckdb", "huggingface-hub")


def _machine() -> Machine:
    """All that `doctor` prints."""
    from importlib.metadata import version

    import llama_cpp
    import psutil

    from sysgen_local.cli import outputs
    from sysgen_local.core.resources import resource
    from sysgen_local.engine.llama import amx, wheels
    from sysgen_local.engine.llama.devices import cpu_features, devices

    found = devices()
    offload = bool(llama_cpp.llama_supports_gpu_offload())
    memory = psutil.virtual_memory()
    builtin = resource("builtin_model/builtin.gguf")
    state, index = amx.state(), wheels.for_this_machine()
    left_out = state == "left out"
    rebuild = _rebuild(offload, left_out=left_out)
    return outputs.Machine(
        versions={
            **{name: version(name) for name in ("sysgen-local", *_PACKAGES)},
            "python": platform.python_version(),
        },
        platform=platform.platform(),
        backends=sorted({_backend(device.name) for device in found}),
        gpu_offload=offload,
        cpu_features=list(cpu_features()),
        cores=psutil.cpu_count(logical=False),
        threads=os.cpu_count(),
        memory_free=memory.available,
        memory_total=memory.total,
        disk_free=shutil.disk_usage(".").free,
        devices=[outputs.Device(**asdict(device)) for device in found],
        models={
            "built-in model": str(builtin) if builtin.exists() else "MISSING: reinstall",
            **dict(_packaged()),
        },
        servers=model_facts.running_servers(),
        amx=state,
        rebuild=rebuild,
        wheels=index,
        advice=_advice(offload, left_out=left_out, rebuild=rebuild, index=index),
    )


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


def _gpu_flags() -> str:
    """The flags of a build for the GPU that is found here; empty if none is."""
    if platform.system() == "Darwin":
        return "-DGGML_METAL=on"
    if shutil.which("nvidia-smi"):
        return "-DGGML_CUDA=on"
    return "-DGGML_VULKAN=on" if shutil.which("vulkaninfo") else ""


def _rebuild(offload: bool, *, left_out: bool) -> str | None:
    """The command for a build that makes more of this machine; None where there is no need.
    `offload`: whether the installed one can use a GPU. `left_out`: whether its AMX is."""
    from sysgen_local.engine.llama import builds

    gpu = _gpu_flags()
    if not left_out and (offload or not gpu):
        return None
    return builds.command(
        ({"CMAKE_ARGS": gpu} if gpu else {}) | (builds.WITHOUT_AMX if left_out else {})
    )


def _advice(offload: bool, *, left_out: bool, rebuild: str | None, index: str | None) -> list[str]:
    """Lines about the build of llama-cpp-python that fits this machine. `rebuild`: the command of
    that build. `index`: of ready-made wheels."""
    from sysgen_local.engine.llama import amx, builds

    lines = ["No GPU was found: models run on the CPU. Small ones (0.5B to 4B) do best here."]
    if offload:
        lines = ["This build can use the GPU; layers go there by themselves (--gpu-layers N)."]
    elif _gpu_flags():
        lines = ["A GPU was found, but this build of llama-cpp-python cannot use it."]
    if left_out:
        lines += [
            "This build's code for AMX fails when it is tried, so AMX is left out, and llama.cpp's "
            "other fast layouts of weights with it. A build without AMX keeps those.",
            "GCC 12 makes the fault; with GCC 14 leave CFLAGS and CXXFLAGS out, and AMX works. "
            f"The fix in llama.cpp: {amx.UPSTREAM}",
        ]
    if rebuild:
        lines += ["Build one that makes more of this machine:", f"  {rebuild}"]
    if rebuild and index:
        lines += ["or, without a compiler, take its project's ready-made wheel:"]
        lines += [f"  {builds.ready_made(index)}"]
    return lines


def _backend(device: str) -> str:
    """The backend of a device: "CUDA" for "CUDA0"."""
    return device.rstrip("0123456789")
