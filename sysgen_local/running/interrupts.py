"""Handles Ctrl-C and SIGTERM: the first signal ends the run in good order, the second one
immediately.

Python calls a signal handler in the main thread, between two of its own instructions. While that
thread loads a model or decodes a batch, this can take minutes. So another thread gets each signal
from the system, and ends the process if the main thread does not.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import NoReturn

SIGNALS = (signal.SIGINT, signal.SIGTERM)
"""The signals that end a run."""

EXIT = 130
"""Exit code of an interrupted command."""

GRACE = 0.5
"""Seconds after a second signal in which the main thread can end by itself."""

_REDO = any(word.split("=")[0] == "--redo" for word in sys.argv)
"""Whether running the same command again would delete the results so far."""

_CONTINUED_BY = "`sysgen run` with the same --db" if _REDO else "the same command"
_MESSAGE = f"\ninterrupted; {_CONTINUED_BY} takes it up again\n"
_printed = threading.Lock()
"""Acquired when the message is printed, and never released."""


@contextmanager
def held_back() -> Iterator[None]:
    """Signals have their effect after the `with` block, and not yet in processes started within it:
    a process that is starting would print a traceback. Such a process calls `let_through`. A signal
    without a handler of Python may end this process within the block."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        with _handlers_held_back():
            yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _handlers_held_back() -> Iterator[None]:
    """Calls Python's handlers after the `with` block. The mask of the main thread is not enough:
    the system may give the signal to a thread of a library, and Python still calls the handler in
    the main thread."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []
    # An ignored signal is left alone. To ignore it again while another thread is receiving it would
    # make Python print an error.
    before = {s: of for s in SIGNALS if callable(of := signal.getsignal(s))}
    for of in before:
        signal.signal(of, lambda number, _: came.append(number))
    try:
        yield
    finally:
        for of, handler in before.items():
            signal.signal(of, handler)
        for number in came:  # not raised again: the watch would take it for a second one
            before[signal.Signals(number)](number, None)


def let_through() -> None:
    """Ends what `held_back` began in the process that started this one."""
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)


def watch() -> None:
    """Makes a second signal end the process. To be called once, in the main thread."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    threading.Thread(target=_end_at_second_signal, args=(reader,), daemon=True).start()


def say() -> None:
    """Prints once that the run was interrupted and how to continue it."""
    if _printed.acquire(blocking=False) and _can_write():
        with suppress(OSError):
            os.write(2, _MESSAGE.encode())


def leave() -> NoReturn:
    """Ends the process immediately."""
    say()
    os._exit(EXIT)


def _can_write() -> bool:
    """Whether stderr accepts a line now. A full pipe that nobody reads would block the process."""
    try:
        return bool(select.select([], [2], [], 0)[1])
    except (OSError, ValueError):  # Windows, or closed
        return True


def _end_at_second_signal(reader: int) -> None:
    """Reads the numbers of the received signals, and ends the process after the second one."""
    received = 0
    while received < 2:
        received += sum(number in SIGNALS for number in os.read(reader, 64))
    time.sleep(GRACE)
    leave()
