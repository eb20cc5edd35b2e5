"""(d) The limit: the time of llama-batched-bench for the same number of tokens, without a job.

It reports two rates for a shape: prompt tokens (PP) and written tokens (TG) per second, for several
sequences at once. No engine on this llama.cpp can do the job's tokens faster than at these rates.
"""

from __future__ import annotations

import json
import subprocess

from benchmarks import ENVIRONMENT, job
from benchmarks.build import tool


def rates(model: str, slots: int, prompt: int, answer: int, flash: str) -> tuple[float, float]:
    """(prompt tokens/s, written tokens/s) of `slots` sequences of that shape."""
    command = [tool("llama-batched-bench"), "-m", model, "-npp", prompt, "-ntg", answer]
    command += ["-npl", slots, "-c", job.CONTEXT * slots, "-t", job.threads()]
    command += ["-b", 512, "-ub", 512, "-fa", flash, "--output-format", "jsonl"]
    done = subprocess.run(
        [str(word) for word in command], check=True, capture_output=True, text=True, env=ENVIRONMENT
    )
    [line] = [line for line in done.stdout.splitlines() if line.startswith("{")]
    measured = json.loads(line)
    return float(measured["speed_pp"]), float(measured["speed_tg"])


def measure(model: str, slots: int, ours: job.JobResult) -> job.JobResult:
    """The time for the prompt and answer tokens of `ours`, at this machine's limit.

    The shape is that of `ours`: an average written token has `prompt` tokens before its answer. The
    faster of flash attention and plain kernels counts. Tokens forced by a grammar are decoded like
    a prompt, so they count as prompt tokens.
    """
    assert ours.decoded_tokens is not None
    forced = ours.more["forced_tokens"]
    answers = ours.tokens_out - forced
    prompts = ours.decoded_tokens - answers
    shape = {"prompt": ours.more["prompt"], "answer": ours.more["answer"]}
    found = {flash: rates(model, slots, **shape, flash=flash) for flash in ("on", "off")}
    seconds = {flash: prompts / read + answers / write for flash, (read, write) in found.items()}
    best = min(seconds, key=seconds.__getitem__)
    return job.JobResult(
        "d",
        rows=ours.rows,
        final=ours.final,
        seconds=seconds[best],
        tokens_in=prompts,
        tokens_out=answers,
        more={**shape, "flash_attention": best, "rates": found},
    )
