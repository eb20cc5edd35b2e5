"""Work that is broken off leaves an engine that can go on."""

import itertools
import signal
from pathlib import Path

import numpy as np
import pytest
from test_llama import TOPICS, answers, ask
from tiny import make

from sysgen_local.engine.llama import LlamaEngine
from sysgen_local.engine.plan import Options
from sysgen_local.errors import SysgenError


@pytest.fixture
def endless(tmp_path: Path):
    """A model that writes noise, and seldom comes to an end."""
    engine = LlamaEngine(make(tmp_path / "tiny.gguf", "llama"), Options(slots=3, threads=1))
    yield engine
    engine.close()


def test_a_signal_ends_the_work_between_two_steps(endless):
    """As Ctrl-C does: whatever runs is abandoned, and the slots are free again."""
    want = answers(endless, [ask(0, "tea", max_tokens=30)])
    steps = []

    def stop(*_):
        endless.cancel()
        steps.append(endless.steps)

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, 0.1)
    try:
        for _ in endless.complete(ask(i, "rain", max_tokens=400) for i in itertools.count()):
            pass
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert endless.steps <= steps[0] + 1
    assert endless._memory.free == 3
    assert answers(endless, [ask(0, "tea", max_tokens=30)])["0"].text == want["0"].text


def test_a_model_that_computes_no_numbers_is_called_damaged(tmp_path):
    path = make(tmp_path / "tiny.gguf", "llama", spread=np.inf)
    engine = LlamaEngine(path, Options(slots=2, threads=1))
    with pytest.raises(SysgenError, match=r"tiny\.gguf computes no numbers"):
        answers(engine, [ask(0, "tea", max_tokens=30)])
    engine.close()


def test_closing_abandons_what_runs(endless):
    want = answers(endless, [ask(0, "tea", max_tokens=30)])
    completions = endless.complete(ask(i, t, max_tokens=9 * i + 1) for i, t in enumerate(TOPICS))
    next(completions)
    completions.close()
    assert endless._memory.free == 3
    assert answers(endless, [ask(0, "tea", max_tokens=30)])["0"].text == want["0"].text
