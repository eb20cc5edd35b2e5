"""`sysgen bench`: tokens of prompts and answers per second on this machine, by number of slots.

Measured with the engine of a run, in some seconds for each number of slots. Rows an hour are
estimated from it for a typical row.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from sysgen_local.engine.options import Options
from sysgen_local.engine.request import Choice, Message, Request, Segment

if TYPE_CHECKING:
    from sysgen_local.engine.llama.engine import LlamaEngine

READ, WRITTEN = 700, 330
"""Tokens of a typical row over the paper's four phases: an instruction and an answer of 300 tokens
together, seven phrases judged, an answer of 200 tokens. A shared prefix costs nothing."""

PROMPT, ANSWER = 300, 48
"""Tokens of a request in the measurement."""

CONTEXT = 1024


@dataclass(frozen=True, slots=True)
class Rates:
    """Tokens/s with so many slots busy: prompts read, answers written."""

    slots: int
    prefill: float
    decode: float

    @property
    def rows_an_hour(self) -> float:
        """Of typical rows (READ, WRITTEN); 0 of a model that wrote nothing."""
        if not self.decode:
            return 0.0
        return 3600 / (READ / self.prefill + WRITTEN / self.decode)


def measure(path: Path, options: Options, slots: int) -> Rates:
    """Raises what `LlamaEngine` raises."""
    from sysgen_local.engine.llama.engine import LlamaEngine

    engine = LlamaEngine(path, replace(options, slots=slots, context=CONTEXT))
    try:
        _work(engine, [_write(i, 1) for i in range(slots)])  # warm
        prompts = [_read(i) for i in range(max(2, slots))]
        before = engine.decoded_tokens
        seconds, _ = _work(engine, prompts)
        prefill = (engine.decoded_tokens - before) / seconds
        start, first = _work(engine, [_write(i, 1) for i in range(slots)])
        whole, all_ = _work(engine, [_write(i, ANSWER) for i in range(slots)])
        return Rates(slots, prefill, (all_ - first) / max(whole - start, 1e-9))
    finally:
        engine.close()


def _work(engine: LlamaEngine, requests: Iterable[Request]) -> tuple[float, int]:
    """(seconds, tokens written)"""
    started = time.perf_counter()
    written = sum(completion.tokens_out for completion in engine.complete(requests))
    return time.perf_counter() - started, written


def _read(i: int) -> Request:
    """A prompt of its own that is only read."""
    text = f"Case {i}. " + " ".join(f"{(i + 3) * k * 7919 % 1000}" for k in range(PROMPT // 4))
    return Request(f"{i}", "read", (_user(text),), Choice(("yes", "no")))


def _write(i: int, tokens: int) -> Request:
    """A short prompt with a long answer."""
    text = f"Explain step by step how rain number {i + 1} forms. Write a numbered list."
    return Request(f"{i}", "write", (_user(text),), max_tokens=tokens)


def _user(text: str) -> Message:
    return Message("user", (Segment(text),))
