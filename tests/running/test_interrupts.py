"""Signals that are held back while processes start."""

from __future__ import annotations

import os
import signal
import threading
import time

import pytest

from sysgen_local.running import interrupts


@pytest.mark.parametrize("number", interrupts.SIGNALS)
def test_a_signal_that_a_thread_of_a_library_gets_waits_too(number: int):
    """The system gives it to any thread that does not block it."""
    seen: list[int] = []
    before = signal.signal(number, lambda got, _: seen.append(got))
    end = threading.Event()
    thread = threading.Thread(target=end.wait)
    thread.start()
    try:
        with interrupts.held_back():
            os.kill(os.getpid(), number)
            time.sleep(0.2)
            assert not seen
        assert seen == [number]
    finally:
        end.set()
        thread.join()
        signal.signal(number, before)


@pytest.mark.parametrize("number", interrupts.SIGNALS)
def test_where_signals_are_ignored_they_stay_so(number: int):
    """Within the block too: else another thread could get one just when it is ignored again."""
    before = signal.signal(number, signal.SIG_IGN)
    try:
        with interrupts.held_back():
            os.kill(os.getpid(), number)
            assert signal.getsignal(number) == signal.SIG_IGN
        assert signal.getsignal(number) == signal.SIG_IGN
    finally:
        signal.signal(number, before)


def test_another_thread_may_hold_them_back():
    done: list[bool] = []

    def work() -> None:
        with interrupts.held_back():
            done.append(True)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert done == [True]
