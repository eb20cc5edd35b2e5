"""(d) The limit: what llama-batched-bench needs for as many tokens, with no job around them.

It reports two rates for a shape: prompts (PP) read and tokens written (TG) by so many sequences
at once. The job's tokens at those rates are the time below which no engine on this llama.cpp gets.
"""

from __future__ import annotations

import json
import subprocess

from benchmarks import job
from benchmarks.build import tool


def rates(model: str, slots: int, prompt: int, answer: int) -> tuple[float, float]:
    """(prompt tokens/s, written tokens/s) of `slots` sequences of that shape."""
    command = [tool("llama-batched-bench"), "-m", model, "-npp", prompt, "-ntg", answer]
    command += ["-npl", slots, "-c", job.CONTEXT * slots, "-t", job.threads()]
    command += ["-b", 512, "-ub", 512, "--output-format", "jsonl"]
    done = subprocess.run(
        [str(word) for word in command], check=True, capture_output=True, text=True
    )
    [line] = [line for line in done.stdout.splitlines() if line.startswith("{")]
    measured = json.loads(line)
    return float(measured["speed_pp"]), float(measured["speed_tg"])


def measure(model: str, slots: int, ours: job.Result) -> job.Result:
    """The time for the prompts and the answers that `ours` decoded, at this machine's limit."""
    assert ours.decoded_tokens is not None
    decoded = ours.decoded_tokens - ours.tokens_out
    # A typical moment of the job: 900 shared tokens and 200 of the row are behind a sequence.
    prompt_rate, answer_rate = rates(model, slots, prompt=job.TYPICAL, answer=64)
    seconds = decoded / prompt_rate + ours.tokens_out / answer_rate
    return job.Result(
        "d",
        rows=ours.rows,
        final=ours.final,
        seconds=seconds,
        tokens_in=decoded,
        tokens_out=ours.tokens_out,
        more={"prompt_rate": prompt_rate, "answer_rate": answer_rate},
    )
