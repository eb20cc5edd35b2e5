"""Ctrl-C and SIGTERM: the first asks for an end in good order, the second ends at once.

Python calls a signal's handler in the main thread, between two of its own instructions. While that
thread loads a model or decodes a batch there are none, for minutes. So a thread of its own is told
by the system of each signal that comes, and ends the process where the main thread does not.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import threading
import time
from contextlib import suppress
from typing import NoReturn

SIGNALS = (signal.SIGINT, signal.SIGTERM)
EXIT = 130

GRACE = 0.5
"""Seconds that the main thread has after a second signal to end by itself."""

_REDO = any(word.split("=")[0] == "--redo" for word in sys.argv)
"""Whether the same command would delete what was done so far."""

_AGAIN = "`sysgen run` with the same --db" if _REDO else "the same command"
_SAID = f"\ninterrupted; {_AGAIN} takes it up again\n"
_saying = threading.Lock()


def watch() -> None:
    """From here on a second signal ends the process. To be called once, in the main thread."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    threading.Thread(target=_end_at_the_second, args=(reader,), daemon=True).start()


def say() -> None:
    """Once: that it was interrupted, and how to go on."""
    if _saying.acquire(blocking=False) and _can_write():  # never released
        with suppress(OSError):
            os.write(2, _SAID.encode())


def leave() -> NoReturn:
    """Ends the process, whatever is under way in it."""
    say()
    os._exit(EXIT)


def _can_write() -> bool:
    """Whether stderr takes a line now: a pipe that nobody reads would hold up the end."""
    try:
        return bool(select.select([], [2], [], 0)[1])
    except (OSError, ValueError):  # Windows, or closed
        return True


def _end_at_the_second(reader: int) -> None:
    came = 0
    while came < 2:
        came += sum(number in SIGNALS for number in os.read(reader, 64))
    time.sleep(GRACE)
    leave()
