"""A command on a pseudo-terminal."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import sys
import time
from pathlib import Path


class Terminal:
    """A command on a pseudo-terminal: what it prints, and keys for it."""

    def __init__(self, folder: Path, *said: object) -> None:
        self._master, terminal = pty.openpty()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "sysgen_local.cli.main", *map(str, said)],
            cwd=folder, stdin=terminal, stdout=terminal, stderr=terminal,
            env={**os.environ, "COLUMNS": "100", "TERM": "xterm-256color"},
        )  # fmt: skip
        os.close(terminal)
        self.text = ""

    def _read(self, seconds: float) -> bool:
        """Whether there may be more."""
        if not select.select([self._master], [], [], seconds)[0]:
            return True
        try:
            read = os.read(self._master, 1 << 16)
        except OSError:  # Linux: the other side is closed
            return False
        self.text += re.sub("\x1b\\[[0-9;?]*[A-Za-z]", "", read.decode(errors="replace"))
        return bool(read)

    def until(self, said: str) -> None:
        deadline = time.monotonic() + 300
        while said not in self.text:
            assert time.monotonic() < deadline, self.text
            assert self._read(1) or said in self.text, self.text

    def type(self, keys: str) -> None:
        os.write(self._master, keys.encode())

    def end(self) -> int:
        deadline = time.monotonic() + 600
        while self._read(1):
            assert time.monotonic() < deadline, self.text
        code = self.process.wait(60)
        os.close(self._master)
        assert "Traceback" not in self.text
        return code
