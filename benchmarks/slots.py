"""Counts how many of 200 greedy answers change with the number of slots.

With the same number of slots no answer changes, whatever else is in the batch; the tests check
that. With other numbers, llama.cpp may add floating-point numbers in another order.

python -m benchmarks.slots [GGUF]
"""

from __future__ import annotations

import sys
from pathlib import Path

from benchmarks import job
from sysgen_local.core.resources import resource
from sysgen_local.engine.llama.engine import LlamaEngine
from sysgen_local.engine.options import Options
from sysgen_local.engine.request import Message, Request, Segment

JOBS = 200


def main(model: Path, tokens: int = 64) -> None:
    requests = [
        Request(
            f"{i}", "slots", (Message("user", (Segment(row["instruction"]),)),), max_tokens=tokens
        )
        for i, row in enumerate(job.rows(JOBS))
    ]
    answers: dict[int, dict[str, str]] = {}
    for slots in (1, 4, 8, 16, 32):
        engine = LlamaEngine(model, Options(slots=slots, context=1024))
        answers[slots] = {c.id: c.text for c in engine.complete(requests)}
        engine.close()
        differ = sum(answers[slots][i] != text for i, text in answers[1].items())
        print(f"{slots:3} slots: {differ} of {JOBS} differ from 1 slot")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if sys.argv[1:] else resource("builtin_model/builtin.gguf"))
