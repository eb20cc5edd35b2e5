"""A run as long as the paper's: 806,796 rows through its four phases, with a scripted model.

It measures the time of pipeline and store for each row (which does not grow with the number of
rows), the memory, the size of the file, and the time to open it again.

python -m benchmarks.long [--check] [ROWS ...]     with --check, the answers are checked too
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from sysgen_local.core.records import Conversation, Source, Turn
from sysgen_local.engine.request import Choice, Completion, Json, Request
from sysgen_local.phases.check import CheckAnswers
from sysgen_local.phases.filter import Filter
from sysgen_local.phases.generate import Generate
from sysgen_local.phases.respond import Respond
from sysgen_local.phases.verify import Verify
from sysgen_local.prompts import PromptSet
from sysgen_local.running.pipeline import Pipeline
from sysgen_local.store import Store
from sysgen_local.workflows.plan import progress_of

PHRASES = (
    '[{"tag":"role","text":"You are a friend of the garden."},'
    '{"tag":"content","text":"Name the season for which it holds."},'
    '{"tag":"task","text":"Say when to sow and when to reap."},'
    '{"tag":"format","text":"Use a short list."}]'
)
ANSWER = " ".join(
    f"In {month} look after the {plant}: water it {often}, and cover it before a cold night."
    for month, plant, often in [
        ("March", "onions", "sparingly"), ("April", "peas", "twice a week"),
        ("May", "beans", "in the morning"), ("June", "courgettes", "every day"),
        ("July", "tomatoes", "at the root"), ("August", "leeks", "after sunset"),
        ("September", "kale", "once a week"), ("October", "garlic", "not at all"),
    ]
)  # fmt: skip
GOOD = {"good": 0.9, "bad": 0.08, "none": 0.02}
YES = {"yes": 0.9, "no": 0.1}


class ScriptedEngine:
    """An engine that answers immediately with fixed texts."""

    description = "scripted"

    def complete(self, requests: Iterable[Request | None]) -> Iterator[Completion]:
        for request in requests:
            if request is not None:
                yield self._answer(request)

    def cancel(self) -> None: ...

    def close(self) -> None: ...

    @staticmethod
    def _answer(request: Request) -> Completion:
        if isinstance(request.constraint, Json):
            return Completion(request.id, PHRASES, "stop", 300, 90, 0.1)
        if isinstance(request.constraint, Choice) and "yes" in request.constraint.labels:
            return Completion(request.id, "yes", "stop", 200, 0, 0.1, YES)
        if isinstance(request.constraint, Choice):
            return Completion(request.id, "good", "stop", 60, 0, 0.1, GOOD)
        return Completion(request.id, ANSWER, "stop", 120, 160, 0.1)


def conversations(number: int) -> Iterator[Conversation]:
    """Rows of about 900 characters."""
    for i in range(number):
        question = f"When do I plant bed number {i}, and what do I have to look after?"
        answer = f"Bed {i} wants to be dug over first. " + "Then wait for the last frost. " * 27
        yield Conversation((Turn("user", question), Turn("assistant", answer)), i + 1)


def measure(number: int, folder: Path, check: bool) -> None:
    path = folder / f"{number}.duckdb"
    prompts = PromptSet.load("compact")
    respond = Respond(prompts)
    stages: list[Any] = [Generate(prompts), Filter(), Verify(prompts), respond]
    started = time.perf_counter()
    with Store.open(path) as store:
        store.ingest(Source("rows", "rows", "0" * 64), conversations(number))
        if check:
            store.set_recipe("check", "0" * 64, {})
            stages.append(CheckAnswers(prompts, respond))
        read = time.perf_counter()
        Pipeline[Any, Any, Any](store, stages, progress_of(store)).run(ScriptedEngine())
        done = time.perf_counter()
    opened = time.perf_counter()
    with Store.open(path) as store:
        counts = store.counts()
        assert next(store.due("generate"), None) is None
        assert counts.final == number, counts
    again = time.perf_counter() - opened
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"| {number:,} | {(read - started) / number * 1e6:.0f} us | "
        f"{(done - read) / number * 1e6:.0f} us | {peak:,.0f} MiB | "
        f"{path.stat().st_size / 1e6:,.0f} MB | {again:.1f} s |",
        flush=True,
    )
    path.unlink()


def main(numbers: list[int], more: list[str]) -> None:
    phases = "all phases" if more else "four phases"
    print(f"| rows | read, a row | {phases}, a row | peak memory | file | opened again |")
    print("|---|---|---|---|---|---|", flush=True)
    for number in numbers:  # each in its own process, to measure its own peak memory
        command = [sys.executable, "-m", __spec__.name, "--one", str(number), *more]
        subprocess.run(command, check=True)


if __name__ == "__main__":
    checking = [word for word in sys.argv if word == "--check"]
    if sys.argv[1:2] == ["--one"]:
        with tempfile.TemporaryDirectory() as temporary:
            measure(int(sys.argv[2]), Path(temporary), bool(checking))
    else:
        rows = [int(n) for n in sys.argv[1:] if n not in checking]
        main(rows or [8_000, 80_000, 806_796], checking)
