"""`sysgen bench`: tokens of prompts and answers per second on this machine, by number of slots.

Measured with the engine of a run, in some seconds for each number of slots. Rows an hour are
estimated from it for a typical row. The best of them are noted (`models.measured`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from sysgen_local.core.model_files import ModelFiles
from sysgen_local.core.server import Server
from sysgen_local.engine.factory import open_engine
from sysgen_local.engine.options import Options
from sysgen_local.engine.request import Choice, Engine, Loaded, Message, Request, Segment
from sysgen_local.models import fingerprint, measured

READ, WRITTEN = 700, 330
"""Tokens of a typical row over the paper's four phases: an instruction and an answer of 300 tokens
together, seven phrases judged, an answer of 200 tokens. A shared prefix costs nothing."""

PROMPT, ANSWER = 300, 48
"""Tokens of a request in the measurement."""

CONTEXT = 1024


@dataclass(frozen=True, slots=True)
class Rates:
    """Tokens/s with so many slots busy: prompts read, answers written. `load_seconds`: time to load
    the model. `device`: `cpu`, `gpu (33 layers)`, or `server`."""

    slots: int
    prefill: float
    decode: float
    load_seconds: float = 0.0
    device: str = "cpu"

    @property
    def rows_an_hour(self) -> float:
        """Of typical rows (READ, WRITTEN); 0 of a model that wrote nothing."""
        if not self.decode:
            return 0.0
        return 3600 / (READ / self.prefill + WRITTEN / self.decode)


def measure(
    model: ModelFiles | Server, options: Options, slots: int, say: Callable[[str], None]
) -> Rates:
    """`say` is given lines about servers. Raises as `open_engine`."""
    engine = open_engine(model, replace(options, slots=slots, context=CONTEXT), say)
    try:
        _work(engine, [_write(i, 1) for i in range(slots)])  # warm
        seconds, read, _ = _work(engine, [_read(i) for i in range(max(2, slots))])
        start, _, first = _work(engine, [_write(i, 1) for i in range(slots)])
        whole, _, all_ = _work(engine, [_write(i, ANSWER) for i in range(slots)])
        # Beside other work the few tokens can take longer than the many: then nothing is deducted.
        decode = (all_ - first) / (whole - start) if whole > start else all_ / whole
        if not isinstance(engine, Loaded):
            return Rates(slots, read / seconds, decode, device="server")
        return Rates(slots, read / seconds, decode, engine.load_seconds, engine.device)
    finally:
        engine.close()


def note_best(path: Path, rates: Sequence[Rates]) -> None:
    """Notes the rates with the most rows an hour for this model file; none of a model that wrote
    nothing. Raises SysgenError as `measured.note`."""
    best = max(rates, key=lambda of: of.rows_an_hour)
    if best.rows_an_hour:
        measured.note(
            file=path.name,
            fingerprint=fingerprint(path),
            by="bench",
            checked=False,
            rows_an_hour=best.rows_an_hour,
            read=best.prefill,
            written=best.decode,
            load_seconds=rates[0].load_seconds,  # later ones find the file in the system's cache
            device=best.device,
        )


def _work(engine: Engine, requests: Iterable[Request]) -> tuple[float, int, int]:
    """(seconds, tokens read, tokens written). What the KV cache had is not read, as far as the
    engine says so."""
    started = time.perf_counter()
    read = written = 0
    for of in engine.complete(requests):
        read += of.tokens_in if of.tokens_decoded is None else of.tokens_decoded
        written += of.tokens_out
    return time.perf_counter() - started, read, written


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
