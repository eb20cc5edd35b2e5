"""The connection of this process to Ray: a cluster that is there, or one of this machine alone.

Ray is told to be quiet: its messages would go to standard output, where the rows may go. A local
cluster ends with this process; Ray sees to that itself, also where the process is killed.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from sysgen_local.core.errors import UsageError
from sysgen_local.core.extras import needs
from sysgen_local.engine.cluster.worker import versions

LOCAL = "local"
"""The address that means a cluster of this machine alone."""

AUTO = "auto"
"""The address that means the cluster that this machine belongs to."""

ANSWER = 3.0
"""Seconds in which an address must accept a connection, ..."""

TRIAL = 12.0
"""... and seconds in which Ray must be connected. Ray itself would try for minutes."""

PROBE = 60.0
"""Seconds in which a node must report its versions. It starts a process for that."""

ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    # Ray prints errors of workers to standard output, also with `log_to_driver=False`. Lines that
    # match this expression are left out.
    "RAY_DEDUP_LOGS": "1",
    "RAY_DEDUP_LOGS_SKIP_REGEX": "(?s).*",
    # The model's steps have the priority that they have without Ray, and not a lower one.
    "RAY_worker_niceness": "0",
}
"""Environment variables for Ray. It reads them when it is imported."""

STORE = 256 << 20
"""Bytes of a local cluster's object store. Batches are small and pass it by; Ray would take a third
of the memory."""

_TRY = (
    "import logging, sys, ray\n"
    "ray.init(sys.argv[1], log_to_driver=False, logging_level=logging.CRITICAL)"
)


def connect(address: str) -> Any:
    """Connects this process to Ray, if it is not yet, and returns the module `ray`.

    `address` is `local`, `auto` (the cluster of this machine) or HOST:PORT. Raises UsageError where
    Ray is not installed, the address does not answer, this machine is no node of the cluster, or a
    node has not the same sysgen-local and Python.
    """
    os.environ.update({**ENVIRONMENT, **os.environ})
    with needs("ray", "--ray"):
        import ray
    if ray.is_initialized():
        other = ray.get_runtime_context().gcs_address
        if address not in (LOCAL, AUTO, other):
            raise UsageError(f"this process is connected to the Ray cluster at {other} already")
        return ray
    require_form(address)
    if address != LOCAL:
        _require_answer(address)
    with _own_signals():
        try:
            ray.init(
                address=address,
                include_dashboard=False,
                object_store_memory=STORE if address == LOCAL else None,
                log_to_driver=False,
                logging_level=logging.CRITICAL,
            )
        except Exception as error:
            raise _refused(address, str(error)) from error
    try:
        require_versions(ray)
    except UsageError:
        ray.shutdown()
        raise
    return ray


def resources(ray: Any) -> list[dict[str, float]]:
    """The resources of each living node."""
    return [dict(node["Resources"]) for node in ray.nodes() if node["Alive"]]


def require_form(address: str) -> None:
    """Raises UsageError for a text that is no address of a cluster."""
    if address.startswith("ray://"):
        raise UsageError(
            f"{address} is the address of Ray's client server, which is not used here",
            hint="run the command on a machine of the cluster, with --ray auto",
        )
    _, colon, port = address.rpartition(":")
    if address not in (LOCAL, AUTO) and not (colon and port.isdigit()):
        raise UsageError(
            f"--ray {address} is no address of a Ray cluster",
            hint="an address is HOST:PORT or auto; where none is given, --ray is the last word",
        )


def _require_answer(address: str) -> None:
    """Raises UsageError where no Ray cluster answers at the address."""
    if address != AUTO:
        host, _, port = address.rpartition(":")
        try:
            socket.create_connection((host.strip("[]"), int(port)), ANSWER).close()
        except OSError as error:
            why = error.strerror or str(error)
            raise UsageError(f"no Ray cluster answers at {address}: {why}") from error
    # Another program may listen there. Then Ray would try again and again, and not in Python, so
    # that no deadline ends it: a process of its own tries first.
    try:
        tried = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", _TRY, address],
            capture_output=True,
            text=True,
            timeout=TRIAL + ANSWER,
        )
    except subprocess.TimeoutExpired as error:
        raise UsageError(f"no Ray cluster answers at {address}") from error
    if tried.returncode and address == AUTO and "Could not find any running" in tried.stderr:
        raise UsageError(
            "this machine belongs to no Ray cluster",
            hint="`ray start --head` begins one, and `ray start --address HOST:PORT` joins one",
        )
    if tried.returncode:
        lines = tried.stderr.strip().splitlines()
        raise _refused(address, lines[-1].partition(": ")[2] if lines else "")


def _refused(address: str, why: str) -> UsageError:
    """The error for an address at which Ray answers, but does not connect."""
    first = " ".join(why.split("\n\n")[0].split())
    where = "on this machine" if address == LOCAL else f"at {address}"
    return UsageError(
        f"Ray {where} cannot be used: {first}",
        hint=None if address == LOCAL
        else "the command runs on a machine of the cluster (`ray start --address HOST:PORT`)",
    )  # fmt: skip


def require_versions(ray: Any) -> None:
    """Raises UsageError for a node without sysgen-local, or with another version."""
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    probe = ray.remote(num_cpus=0, max_retries=0)(versions)
    asked = []
    for node in ray.nodes():
        if node["Alive"] and node["Resources"].get("CPU"):
            there = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
            name = node["NodeManagerAddress"]
            asked.append((name, probe.options(scheduling_strategy=there).remote()))
    for name, answer in asked:
        try:
            found = ray.get(answer, timeout=PROBE)
        except Exception as error:
            raise cannot_start(f"the node {name}", str(error)) from error
        require_same(name, found)


def require_same(node: str, found: Sequence[str]) -> None:
    """Raises UsageError where a node has other versions than this process."""
    for what, here, there in zip(("sysgen-local", "Python"), versions(), found, strict=True):
        if here != there:
            raise UsageError(
                f"the node {node} has {what} {there}, and this machine has {here}",
                hint="all machines of the cluster need the same version",
            )


def cannot_start(what: str, why: str) -> UsageError:
    """The error for a node or a worker on which the program cannot be started."""
    if "No module named" in why:
        module = why.split("No module named", 1)[1].split("\n")[0].strip(" '\"")
        return UsageError(
            f"{what} has no Python module {module}",
            hint=f"pip install 'sysgen-local[ray]=={versions()[0]}' on all machines of the cluster",
        )
    return UsageError(f"{what} cannot be used: {' '.join(why.split())[:300]}")


@contextmanager
def _own_signals() -> Iterator[None]:
    """Keeps this process's signal handlers: `ray.init` sets one of its own for SIGTERM."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
