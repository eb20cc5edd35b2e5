"""The time of the engine without a model: the logits of every step are there immediately.

llama_decode does nothing, and logits come from a prepared array; the rest is as in a run:
scheduling, filling the batch, sampling, grammars. Runs with 1 and with 16 slots give the time of a
step and of each row in it. There is only one thread, which never waits, so the processor time is
measured; the smallest of several runs counts.
"""

from __future__ import annotations

import ctypes
import json
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import llama_cpp
import numpy as np

from sysgen_local.engine.llama.engine import LlamaEngine
from sysgen_local.engine.options import Options
from sysgen_local.engine.request import GREEDY, Json, Message, Request, Sampling, Segment
from sysgen_local.phases.tags import SCHEMA

STEPS = 300
SLOTS = 16
DRAWN = Sampling(temperature=0.7, top_p=0.95)
KINDS: dict[str, tuple[Sampling, Json | None]] = {
    "greedy": (GREEDY, None),
    "sampled": (DRAWN, None),
    "JSON": (DRAWN, Json(json.dumps(SCHEMA))),
}


def measure(model: Path, runs: int = 5) -> dict[str, tuple[float, float]]:
    """Kind of request -> (microseconds a step, microseconds a row)."""
    found = {}
    for kind, (sampling, constraint) in KINDS.items():
        one, all_slots = (
            min(_step(model, slots, sampling, constraint) for _ in range(runs))
            for slots in (1, SLOTS)
        )
        row = (all_slots - one) / (SLOTS - 1)
        found[kind] = ((one - row) * 1e6, row * 1e6)
    return found


def _step(model: Path, slots: int, sampling: Sampling, constraint: Json | None) -> float:
    """Seconds a step in which all slots write."""
    engine = LlamaEngine(model, Options(slots=slots, context=1024, threads=1))
    stock = _stock(engine.tokenizer.size)
    real = llama_cpp.llama_decode, llama_cpp.llama_get_logits
    step = 0

    def decode(context: Any, batch: Any) -> int:
        nonlocal step
        step += 1
        return 0

    def get_logits(context: Any) -> Any:
        return stock[step % 7 :].ctypes.data_as(ctypes.POINTER(ctypes.c_float))

    user = Message("user", (Segment("Hello"),))

    def requests(count: int, tokens: int) -> Iterator[Request]:
        for i in range(count):
            yield Request(f"{i}", "none", (user,), constraint, sampling, tokens, seed=i)

    llama_cpp.llama_decode, llama_cpp.llama_get_logits = decode, get_logits
    try:
        deque(engine.complete(requests(1, 2)))  # everything that is made once, mainly the grammar
        before = engine.steps
        started = time.process_time()
        deque(engine.complete(requests(slots, STEPS)))
        return (time.process_time() - started) / (engine.steps - before)
    finally:
        llama_cpp.llama_decode, llama_cpp.llama_get_logits = real
        engine.close()


def _stock(vocabulary: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Rows of logits in which one token is clearly the likeliest, as in those of a model."""
    random = np.random.default_rng(0)
    stock = random.normal(0, 2, (SLOTS + 7, vocabulary)).astype(np.float32)
    stock[np.arange(SLOTS + 7), random.integers(100, 4000, SLOTS + 7)] = 18
    return stock


if __name__ == "__main__":
    from benchmarks.model import model as large
    from sysgen_local.core.resources import resource

    for path in (resource("builtin_model/builtin.gguf"), large()):
        for kind, (step, row) in measure(path).items():
            print(f"{path.name:32} {kind:8} {step:6.0f} us a step + {row:6.1f} us a row")
