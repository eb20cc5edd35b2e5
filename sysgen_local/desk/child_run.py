"""A run that the desk started: `sysgen run` as a process of its own."""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from threading import Lock
from typing import Literal

from sysgen_local.core.errors import SysgenError
from sysgen_local.running import interrupts

Outcome = Literal["finished", "stopped", "failed"]

_BEGINS = ("sysgen: ", "Error: ")
"""How the line begins that says why a command failed."""

_LAST = 4
"""Maximum number of lines that are shown of a run that failed without such a line."""


class ChildRun:
    """The process runs when this is made. It survives the end of this process."""

    def __init__(self, arguments: Sequence[str]) -> None:
        """Raises SysgenError where the system starts no process."""
        # A pipe that nobody reads would stop the run.
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115 - open as long as the run
        self._said: str | None = None
        self._reading = Lock()
        self.started = time.monotonic()
        self.signals = 0
        try:
            # A session of its own: Ctrl-C in the terminal of the desk does not reach it.
            with interrupts.held_back():
                self._process = subprocess.Popen(
                    [sys.executable, "-P", "-m", "sysgen_local.cli.main", *arguments],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=self._stderr,
                    start_new_session=True,
                )
        except OSError as error:
            self._stderr.close()
            raise SysgenError(
                f"the run cannot be started: {error.strerror}",
                hint="name a folder in place of many files",
            ) from error

    @property
    def pid(self) -> int:
        """The id of the process."""
        return self._process.pid

    @property
    def live(self) -> bool:
        """Whether it still runs."""
        return self._process.poll() is None

    @property
    def seconds(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self.started

    def stop(self) -> None:
        """Asks the run to end in good order; the second call ends it immediately. What was
        committed is safe either way."""
        if self.live:
            self.signals += 1
            with suppress(ProcessLookupError):
                self._process.send_signal(signal.SIGINT)

    def wait(self) -> None:
        """Returns when the run has ended."""
        self._process.wait()

    @property
    def outcome(self) -> Outcome | None:
        """How it ended; None as long as it runs."""
        code = self._process.poll()
        if code is None:
            return None
        if code == 0:
            return "finished"
        # Negative: the signal came before the program could handle it.
        return "stopped" if code in (interrupts.EXIT, -signal.SIGINT) else "failed"

    def says(self) -> str:
        """What it said at its end, and where it failed the reason; "" as long as it runs."""
        with self._reading:
            if self._said is None and self.outcome is not None:
                with self._stderr as file:
                    file.seek(0)
                    self._said = self._last_words(file.read().decode("utf-8", "replace"))
            return self._said or ""

    def _last_words(self, text: str) -> str:
        lines = [line for line in text.splitlines() if line.strip() and line[0] != "{"]
        if self.outcome != "failed":
            return "\n".join(lines)
        first = [i for i, line in enumerate(lines) if line.startswith(_BEGINS)]
        reason = lines[first[-1] :] if first else lines[-_LAST:]
        return "\n".join(reason).removeprefix("sysgen: ").removeprefix("Error: ") or (
            "the run ended without a word; `sysgen run` in a terminal may show why"
        )
