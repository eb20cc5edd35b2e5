"""(b) The job by llama-server and an asynchronous client with all rows in flight.

python -m benchmarks.server MODEL ROWS SLOTS SEED
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
import time
from typing import Any

import httpx2

from benchmarks import ENVIRONMENT, job
from benchmarks.build import tool
from sysgen_local.core.records import Row
from sysgen_local.engine.request import Choice, Completion, Json, Request


class Client:
    def __init__(self, url: str, in_flight: int) -> None:
        self._http = httpx2.AsyncClient(base_url=url, timeout=None)
        self._room = asyncio.Semaphore(in_flight)

    async def ready(self, server: subprocess.Popen[bytes]) -> None:
        while server.poll() is None:
            try:
                if (await self._http.get("/health")).status_code == 200:
                    return
            except httpx2.TransportError:
                pass
            await asyncio.sleep(0.2)
        raise SystemExit(f"llama-server ended with code {server.returncode}")

    async def answer(self, request: Request) -> Completion:
        body: dict[str, Any] = {
            "messages": job.messages(request),
            "temperature": request.sampling.temperature,
            "top_p": request.sampling.top_p,
            "top_k": request.sampling.top_k,
            "min_p": 0.0,
            "seed": request.seed & 0x7FFFFFFF,
            "max_tokens": 8 if isinstance(request.constraint, Choice) else request.max_tokens,
            "cache_prompt": True,
        }
        match request.constraint:
            case Json(schema):
                form = {"name": "phrases", "schema": json.loads(schema)}
                body["response_format"] = {"type": "json_schema", "json_schema": form}
            case Choice():
                body["grammar"] = job.VERDICT
        answer = await self._http.post("/v1/chat/completions", json=body)
        answer.raise_for_status()
        reply = answer.json()
        choice, usage = reply["choices"][0], reply["usage"]
        return job.written(
            request,
            choice["message"]["content"] or "",
            choice["finish_reason"],
            usage["prompt_tokens"],
            usage["completion_tokens"],
        )

    async def row(self, work: job.Job[Row], result: job.JobResult) -> None:
        """Does one row. Each slot works on one row at a time, so that its KV cache is reused."""
        async with self._room:
            completion: Completion | None = None
            try:
                while True:
                    request = next(work) if completion is None else work.send(completion)
                    completion = await self.answer(request)
                    result.count(completion)
            except StopIteration as end:
                result.rows += 1
                result.final += job.is_final(end.value)


async def run(
    server: subprocess.Popen[bytes], client: Client, number: int, seed: int, result: job.JobResult
) -> None:
    await client.ready(server)
    rows = [job.row_of(i, entry) for i, entry in enumerate(job.rows(number), 1)]
    started = time.perf_counter()
    await asyncio.gather(*(client.row(job.job(row, seed), result) for row in rows))
    result.seconds = time.perf_counter() - started


def main(model: str, number: int, slots: int, seed: int) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [tool("llama-server"), "-m", model, "-np", slots, "-c", job.CONTEXT * slots]
    command += ["-t", job.threads(), "-b", 512, "-ub", 512, "--port", port, "--jinja"]
    server = subprocess.Popen(
        [str(word) for word in command],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=ENVIRONMENT,
    )
    client = Client(f"http://127.0.0.1:{port}", in_flight=slots * 2)
    result = job.JobResult("b")
    try:
        asyncio.run(run(server, client, number, seed, result))
        server.terminate()
        _, _, used = os.wait4(server.pid, 0)
    finally:
        server.kill()
    result.peak_bytes = used.ru_maxrss * 1024
    result.print()


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:5]))
