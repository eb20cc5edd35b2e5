"""What one long row costs beside short ones: rows of about 500 tokens alone, the same beside a long
one, and the long one alone.

Each is a run of its own process, from a store to its results, as `sysgen run` does it. The long row
may come in a later pass with larger slots; loading the model for that is counted.

python -m benchmarks.long_row MODEL [--rows 64] [--tokens 30000] [--phases generate,filter,...]
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil

from benchmarks import job
from sysgen_local.core.records import Conversation, Phase, Source, Turn
from sysgen_local.core.settings import Settings
from sysgen_local.engine.llama import engine as llama
from sysgen_local.engine.options import Options
from sysgen_local.store import Store
from sysgen_local.workflows.plan import plan, run
from sysgen_local.workflows.recipe import planned_recipes

SHORT = 500
"""Tokens of a short row, about."""

BYTES_PER_TOKEN = 3.66
"""Of this English text, in the vocabulary of Qwen 2.5."""

PHASES: tuple[Phase, ...] = ("generate", "filter", "verify", "respond")
MIB = 2**20


class MeasuredEngine(llama.LlamaEngine):
    """The engine with the memory of the process before and after it was loaded, in bytes."""

    opened: list[MeasuredEngine]

    def __init__(self, *given: Any) -> None:
        self.before = psutil.Process().memory_info().rss
        started = time.perf_counter()
        super().__init__(*given)
        self.load_seconds = time.perf_counter() - started
        self.after = psutil.Process().memory_info().rss
        MeasuredEngine.opened.append(self)


def conversations(short: int, long: int) -> list[Conversation]:
    """So many rows of SHORT tokens, and one of `long` tokens if that is more than none."""
    texts = [(row["instruction"], row["output"]) for row in job.rows(400)]
    made = []
    for i in range(short + (long > 0)):
        wanted = round(BYTES_PER_TOKEN * (SHORT if i < short else long))
        question = " ".join(texts[(i + k) % len(texts)][0] for k in range(wanted // 20 + 1))
        answer = texts[i % len(texts)][1]
        question = question[: max(1, wanted - len(answer))]
        made.append(Conversation((Turn("user", question), Turn("assistant", answer)), i + 1))
    return made


def measure(model: str, short: int, long: int, phases: tuple[Phase, ...], answer: int) -> None:
    """One run; prints its figures as a line of JSON."""
    MeasuredEngine.opened = []
    llama.LlamaEngine = MeasuredEngine  # type: ignore[assignment,misc]
    said: list[str] = []
    with tempfile.TemporaryDirectory() as folder, Store.open(Path(folder, "rows.duckdb")) as store:
        store.ingest(Source("rows", "rows", "0" * 64), conversations(short, long))
        settings = Settings(model=model, check=False, max_answer_tokens=answer, seed=1)
        tasks = plan(settings, store, phases)
        store.prepare(planned_recipes(tasks, store, check=False))
        started = time.perf_counter()
        run(tasks, store, [], Options(), announce=said.append)
        seconds = time.perf_counter() - started
        done = store.counts().phases[phases[-1]].done
    opened = MeasuredEngine.opened
    decoded = sum(of.decoded_tokens for of in opened)
    figures = {
        "rows": short + (long > 0),
        "done": done,
        "seconds": seconds,
        "load_seconds": sum(of.load_seconds for of in opened),
        "decode_seconds": sum(of.decode_seconds for of in opened),
        "decoded_tokens": decoded,
        "slots": [f"{of.slots} x {of.slot_tokens}" for of in opened],
        "engine_mib": [round((of.after - of.before) / MIB) for of in opened],
        "peak_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        "said": said,
    }
    if decoded < long:
        sys.exit(f"a row of {long} tokens fits no slot of this model: give fewer --tokens")
    print(json.dumps(figures), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("--rows", type=int, default=64)
    parser.add_argument("--tokens", type=int, default=30_000)
    parser.add_argument("--phases", default=",".join(PHASES))
    parser.add_argument("--answer", type=int, default=512, help="tokens of an answer at most")
    parser.add_argument("--one", action="store_true", help="one run in this process")
    given = parser.parse_args()
    phases: Any = tuple(given.phases.split(","))
    if given.one:
        measure(given.model, given.rows, given.tokens, phases, given.answer)
        return
    more = ["--phases", given.phases, "--answer", str(given.answer)]
    found = {}
    print("| run | rows done | s | of that loading | tokens decoded | slots | peak memory |")
    print("|---|---|---|---|---|---|---|", flush=True)
    for name, short, long in (
        ("short rows alone", given.rows, 0),
        ("the long row alone", 0, given.tokens),
        ("both", given.rows, given.tokens),
    ):
        command = [sys.executable, "-m", __spec__.name, given.model, "--one", *more]
        command += ["--rows", str(short), "--tokens", str(long)]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
        if done.returncode:
            sys.exit(done.returncode)  # it said why
        of = found[name] = json.loads(done.stdout.splitlines()[-1])
        print(
            f"| {name} | {of['done']}/{of['rows']} | {of['seconds']:.0f} | "
            f"{of['load_seconds']:.0f} | {of['decoded_tokens']:,} | {', '.join(of['slots'])} | "
            f"{of['peak_mib']:,} MiB |",
            flush=True,
        )
    alone = found["short rows alone"]["seconds"] + found["the long row alone"]["seconds"]
    print(f"both to the sum of each alone: {found['both']['seconds'] / alone:.2f}")


if __name__ == "__main__":
    main()
