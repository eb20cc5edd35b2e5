"""(a) The job as a user would write it: one call of `Llama.create_chat_completion` after another.

python -m benchmarks.loop MODEL ROWS SEED
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

from llama_cpp import Llama, llama_cpp
from llama_cpp.llama_grammar import LlamaGrammar

from benchmarks import job
from sysgen_local.engine.llama.amx import disable_if_broken
from sysgen_local.engine.request import Choice, Completion, Json, Request


class Loop:
    def __init__(self, model: str) -> None:
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

    def answer(self, request: Request) -> Completion:
        reply: Any = self._llama.create_chat_completion(
            job.messages(request),  # type: ignore[arg-type]
            temperature=request.sampling.temperature,
            top_p=request.sampling.top_p,
            top_k=0,
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


def main(model: str, number: int, seed: int) -> None:
    loop = Loop(model)
    result = job.JobResult("a")
    started = time.perf_counter()
    for i, entry in enumerate(job.rows(number), 1):
        work = job.job(job.row_of(i, entry), seed)
        completion: Completion | None = None
        try:
            while True:
                request = next(work) if completion is None else work.send(completion)
                completion = loop.answer(request)
                result.count(completion)
        except StopIteration as end:
            result.rows += 1
            result.final += job.is_final(end.value)
    result.seconds = time.perf_counter() - started
    result.decode_seconds = loop.decode_seconds
    result.print()


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:4]))
