"""What llama.cpp's repacked weight layouts are worth on this machine's CPU.

llama.cpp has one switch for AMX and for all other repacked layouts. So where AMX is broken and left
out by that switch, the others are lost too; a build without AMX (`builds.WITHOUT_AMX`) keeps them.
This compares the two on any machine without AMX: the same build with the switch on and off.

python -m benchmarks.layouts MODEL [ROUNDS]
"""

from __future__ import annotations

import argparse
import statistics
from pathlib import Path
from typing import Any

from llama_cpp import llama_cpp

from benchmarks import job
from benchmarks.__main__ import machine
from sysgen_local.engine.llama import amx
from sysgen_local.engine.llama.engine import LlamaEngine
from sysgen_local.engine.options import Options
from sysgen_local.engine.request import Choice, Message, Request, Segment

SLOTS = 16
ANSWER = 64

WAYS = {"repacked": True, "not repacked": False}
_default_params = llama_cpp.llama_model_default_params


def load(model: Path, repacked: bool) -> LlamaEngine:
    def params() -> Any:
        params = _default_params()
        params.use_extra_bufts = repacked
        return params

    llama_cpp.llama_model_default_params = params
    try:
        return LlamaEngine(model, Options(slots=SLOTS, context=job.CONTEXT, threads=job.threads()))
    finally:
        llama_cpp.llama_model_default_params = _default_params


def rate(engine: LlamaEngine, requests: list[Request]) -> float:
    """Tokens that llama.cpp decodes a second, prompts and answers."""
    before = engine.decoded_tokens, engine.decode_seconds
    for _ in engine.complete(requests):
        pass
    return (engine.decoded_tokens - before[0]) / (engine.decode_seconds - before[1])


def prompts(round_: int) -> list[Request]:
    """One long prompt for each slot, answered by a label, so that nothing is written."""
    return [_request(f"{round_}:{i}", 4, Choice(("yes", "no"))) for i in range(SLOTS)]


def answers(round_: int) -> list[Request]:
    """A short prompt for each slot and a long answer."""
    return [_request(f"{round_}:{i}", 0, None) for i in range(SLOTS)]


def _request(name: str, repeated: int, constraint: Choice | None) -> Request:
    text = " ".join([name, *(row["output"] for row in job.rows(SLOTS)[:repeated])])
    message = Message("user", (Segment(f"Go on with this text: {text}"),))
    return Request(name, "layouts", (message,), constraint=constraint, max_tokens=ANSWER)


def main(model: Path, rounds: int) -> None:
    """Engines of one file share its weights, so the ways take turns."""
    found: dict[tuple[str, str], list[float]] = {}
    for round_ in range(rounds):
        for way, repacked in WAYS.items():
            engine = load(model, repacked)
            for what, requests in (("prompts", prompts), ("answers", answers)):
                found.setdefault((what, way), []).append(rate(engine, requests(round_)))
            engine.close()
    for what in ("prompts", "answers"):
        on, off = (found[what, way] for way in WAYS)
        ratios = [one / other for one, other in zip(on, off, strict=True)]
        rates = f"repacked {statistics.median(on):.0f}, not {statistics.median(off):.0f} tokens/s"
        between = f"{min(ratios):.2f} to {max(ratios):.2f}"
        print(f"{what}: {rates}; {statistics.median(ratios):.2f} times ({between})")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("model", type=Path)
    parser.add_argument("rounds", type=int, nargs="?", default=3)
    given = parser.parse_args()
    if amx.state() is not None:
        parser.error("llama.cpp was built with AMX here, which is behind the same switch")
    print(machine(), given.model.name, flush=True)
    main(given.model, given.rounds)
