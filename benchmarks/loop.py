"""(a) The job as a user would write it: one call of `Llama.create_chat_completion` after another.

`Llama` keeps the tokens of its last prompt, and reads only what differs. A careful user makes use
of that: with `phases`, all rows go through one phase before the next one, and rows whose prompts
begin alike come together. With `rows` (a0), one row after the other goes through all phases, so
that every phase reads its instructions and demonstrations again.

(`LlamaRAMCache` would keep several prompts, but also copies 300 MB of logits for each of them at
this vocabulary, which its limit does not count: with its default size it takes over 50 GB.)

python -m benchmarks.loop MODEL ROWS phases|rows SEED
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from typing import Any

from llama_cpp import Llama, llama_cpp
from llama_cpp.llama_grammar import LlamaGrammar

from benchmarks import job
from sysgen_local.core.records import Row
from sysgen_local.engine.llama.amx import disable_if_broken
from sysgen_local.engine.request import Choice, Completion, Json, Request
from sysgen_local.running.stage import AnyStage


class Loop:
    def __init__(self, model: str, result: job.JobResult) -> None:
        self._result = result
        disable_if_broken()
        self._llama = Llama(
            model,
            n_ctx=job.CONTEXT,
            n_threads=job.threads(),
            n_gpu_layers=-1,
            verbose=False,
        )
        self._verdict = LlamaGrammar.from_string(job.VERDICT, verbose=False)
        self.decode_seconds = 0.0
        self._decode = llama_cpp.llama_decode
        llama_cpp.llama_decode = self._timed

    def _timed(self, context: Any, batch: Any) -> int:
        started = time.perf_counter()
        status: int = self._decode(context, batch)
        self.decode_seconds += time.perf_counter() - started
        return status

    def do(self, work: job.Job[Row]) -> Row:
        """The row behind this work. All its requests are answered and counted."""
        completion: Completion | None = None
        try:
            while True:
                request = next(work) if completion is None else work.send(completion)
                completion = self.answer(request)
                self._result.count(completion)
        except StopIteration as end:
            row: Row = end.value
            return row

    def answer(self, request: Request) -> Completion:
        reply: Any = self._llama.create_chat_completion(
            job.messages(request),  # type: ignore[arg-type]
            temperature=request.sampling.temperature,
            top_p=request.sampling.top_p,
            top_k=request.sampling.top_k,
            min_p=0.0,
            repeat_penalty=1.0,
            seed=request.seed & 0x7FFFFFFF,
            max_tokens=8 if isinstance(request.constraint, Choice) else request.max_tokens,
            **self._constraint(request),
        )
        choice, usage = reply["choices"][0], reply["usage"]
        return job.written(
            request,
            choice["message"]["content"],
            choice["finish_reason"],
            usage["prompt_tokens"],
            usage["completion_tokens"],
        )

    def _constraint(self, request: Request) -> dict[str, Any]:
        match request.constraint:
            case Json(schema):
                return {"response_format": {"type": "json_object", "schema": json.loads(schema)}}
            case Choice():
                return {"grammar": self._verdict}
            case _:
                return {}


def by_rows(loop: Loop, rows: list[Row], seed: int) -> list[Row]:
    return [loop.do(job.job(row, seed)) for row in rows]


def by_phases(loop: Loop, rows: list[Row], seed: int) -> list[Row]:
    waiting, ended = rows, []
    for stage in job.stages(seed):
        done = [loop.do(job.step(stage, row)) for row in sorted(waiting, key=_group(stage))]
        waiting = [row for row in done if not job.is_dropped(row, stage)]
        ended += [row for row in done if job.is_dropped(row, stage)]
    return ended + waiting


def _group(stage: AnyStage) -> Callable[[Row], str]:
    """A key that brings rows together whose first prompts of this stage begin alike."""

    def key(row: Row) -> str:
        asked = next(stage.work(row), None) if stage.phase != "filter" else None
        return asked[0].group if asked else ""

    return key


def main(model: str, number: int, order: str, seed: int) -> None:
    result = job.JobResult("a")
    loop = Loop(model, result)
    rows = [job.row_of(i, entry) for i, entry in enumerate(job.rows(number), 1)]
    started = time.perf_counter()
    done = {"rows": by_rows, "phases": by_phases}[order](loop, rows, seed)
    result.seconds = time.perf_counter() - started
    result.rows = len(done)
    result.final = sum(map(job.is_final, done))
    result.decode_seconds = loop.decode_seconds
    result.print()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4]))
