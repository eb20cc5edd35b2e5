"""(c) The job by sysgen-local: the command `sysgen run`, from rows in a file to rows in a file.

As for the other contenders, it has the paper's four phases, prompts without the original answers,
and verdicts that are the likeliest label: calibrated ones would drop rows which the others answer.
MODEL may be the address of a server, which then does the model's work.

python -m benchmarks.ours MODEL ROWS SLOTS SEED [--prompts SET] [--batch N] [--overlap]
[--on-device]
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks import job
from sysgen_local.cli.commands import cli
from sysgen_local.engine.llama import engine as llama
from sysgen_local.engine.llama.grammar import GrammarMatcher
from sysgen_local.engine.openai import engine as servers
from sysgen_local.engine.options import BATCH, Options
from sysgen_local.engine.request import Completion, Request
from sysgen_local.phases import verify
from sysgen_local.store import Store


class MeasuredEngine(llama.LlamaEngine):
    """The engine with measurements that the command does not print. Seconds are wall time."""

    last: MeasuredEngine | None = None
    result: job.JobResult
    ways: dict[str, Any]  # options that the command does not have

    def __init__(self, path: Path, options: Options, *given: Any) -> None:
        started = time.perf_counter()
        super().__init__(path, replace(options, **self.ways), *given)
        self.load_seconds = time.perf_counter() - started
        self.engine_seconds = 0.0
        MeasuredEngine.last = self

    def complete(self, requests: Iterable[Request | None]) -> Iterator[Completion]:
        started = time.perf_counter()
        for completion in super().complete(requests):
            self.result.count(completion)
            yield completion
        self.engine_seconds += time.perf_counter() - started


class MeasuredServers(servers.ServerEngine):
    """The same of a server."""

    result: job.JobResult

    def complete(self, requests: Iterable[Request | None]) -> Iterator[Completion]:
        for completion in super().complete(requests):
            self.result.count(completion)
            yield completion


def main(
    model: str,
    number: int,
    slots: int,
    seed: int,
    prompts: str,
    batch: int,
    ways: dict[str, Any],
) -> None:
    llama.LlamaEngine = MeasuredEngine  # type: ignore[assignment,misc]
    servers.ServerEngine = MeasuredServers  # type: ignore[misc]
    verify.SHARE = 0.0
    forced = _count_forced()
    result = MeasuredEngine.result = MeasuredServers.result = job.JobResult("c")
    MeasuredEngine.ways = ways
    with tempfile.TemporaryDirectory() as folder:
        path, db = Path(folder, "rows.jsonl"), Path(folder, "sysgen.duckdb")
        path.write_text("".join(json.dumps(row) + "\n" for row in job.rows(number)))
        command: list[object] = ["run", path, "--db", db, "-o", Path(folder, "out.jsonl"), "-q"]
        command += ["--no-check", "--show-answer", "never"]
        command += ["--model", model, "--prompts", prompts, "--seed", seed]
        command += ["--temperature", job.SAMPLING.temperature, "--top-p", job.SAMPLING.top_p]
        command += ["--top-k", job.SAMPLING.top_k]
        command += ["--max-answer-tokens", job.MAX_ANSWER]
        command += [
            "--batch",
            batch,
            "--slots",
            slots,
            "--context",
            job.CONTEXT,
            "--threads",
            job.threads(),
        ]
        started = time.perf_counter()
        code = cli.main([str(word) for word in command], standalone_mode=False)
        ended = time.perf_counter()
        assert code == 0, f"sysgen run ended with {code}"
        with Store.open(db, read_only=True) as store:
            counts = store.counts()
    result.rows, result.final = counts.input, counts.final
    engine = MeasuredEngine.last
    result.seconds = ended - started - (engine.load_seconds if engine else 0.0)
    if engine is None:
        result.print()
        return
    result.decode_seconds = engine.decode_seconds
    result.decoded_tokens = engine.decoded_tokens
    writing = [phase for phase in result.phases.values() if phase[2]]
    behind = sum(out * asked / n for n, asked, out, _ in writing) / result.tokens_out
    result.more = {
        "engine_seconds": engine.engine_seconds,
        "load_seconds": engine.load_seconds,
        "steps": engine.steps,
        "forced_tokens": sum(forced),
        "prompt": round(behind),
        "answer": round(result.tokens_out / sum(n for n, _, _, _ in writing)),
        "dropped": {name: dict(phase.dropped) for name, phase in counts.phases.items()},
    }
    result.print()


def _count_forced() -> list[int]:
    """A list to which each call of the grammar adds its number of forced tokens, which are decoded
    like a prompt."""
    counts: list[int] = []
    real = GrammarMatcher.fast_forward

    def forced(self: GrammarMatcher) -> list[int]:
        tokens = real(self)
        counts.append(len(tokens))
        return tokens

    GrammarMatcher.fast_forward = forced  # type: ignore[method-assign]
    return counts


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("model")
    for name in ("rows", "slots", "seed"):
        parser.add_argument(name, type=int)
    parser.add_argument("--prompts", default="default")
    parser.add_argument("--batch", type=int, default=BATCH)
    parser.add_argument("--overlap", action="store_true")
    parser.add_argument("--on-device", action="store_true")
    given = parser.parse_args()
    ways = {"overlap": given.overlap, "on_device": given.on_device}
    main(given.model, given.rows, given.slots, given.seed, given.prompts, given.batch, ways)
