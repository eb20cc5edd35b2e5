"""Real processes: every wait for one has a deadline."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def ended(process: subprocess.Popen[Any]) -> Iterator[subprocess.Popen[Any]]:
    """The process, which is killed where it still runs at the end of the block. A block of
    `Popen` alone waits for it without a deadline, also where the test has failed."""
    with process:
        try:
            yield process
        finally:
            process.kill()


def first_line(process: subprocess.Popen[Any], seconds: float = 120) -> Any:
    """The first line of what it writes to standard output."""
    assert process.stdout is not None
    assert select.select([process.stdout], [], [], seconds)[0], "it writes nothing"
    return process.stdout.readline()


def exit_code(child: int, seconds: float = 300) -> int:
    """The exit code of a forked process, negative for a signal."""
    deadline = time.monotonic() + seconds
    while True:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() > deadline:
            os.kill(child, signal.SIGKILL)
        time.sleep(0.002)
