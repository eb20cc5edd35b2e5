"""Signals to real processes. Before the program's own first lines Python ends as signals end it."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path


def minds(process: subprocess.Popen[str]) -> None:
    """Waits until the process minds SIGTERM itself, or has ended."""
    status = Path(f"/proc/{process.pid}/status")
    if sys.platform != "linux":
        time.sleep(1)
        return
    deadline = time.monotonic() + 60
    while process.poll() is None:
        caught = status.read_text().split("SigCgt:")[1].split()[0]
        if int(caught, 16) >> (signal.SIGTERM - 1) & 1:
            return
        assert time.monotonic() < deadline
        time.sleep(0.005)
