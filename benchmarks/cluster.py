"""How fast one driver can feed workers on Ray, with scripted models, and what follows on paper.

Each worker is an actor of Ray whose engine answers immediately, so that all time is that of
pipeline, store, pickling and Ray. 0 workers: the same without Ray. On a machine with few cores the
workers take time from the driver. So the driver's own time is measured too: that of its main
thread is the ceiling where the workers are on other machines.

python -m benchmarks.cluster [--check] [--language CODE] [--rows N] [WORKERS ...]
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from benchmarks.long import ScriptedEngine, conversations
from sysgen_local.core.records import Source
from sysgen_local.engine.cluster.connection import ENVIRONMENT
from sysgen_local.engine.cluster.shares import Share
from sysgen_local.engine.options import Options
from sysgen_local.engine.request import Completion, Engine, Load, Request
from sysgen_local.phases.check import CheckAnswers
from sysgen_local.phases.filter import Filter
from sysgen_local.phases.generate import Generate
from sysgen_local.phases.respond import Respond
from sysgen_local.phases.verify import Verify
from sysgen_local.prompts import PromptSet
from sysgen_local.running.pipeline import Pipeline
from sysgen_local.store import Store
from sysgen_local.workflows.plan import progress_of

SLOTS = 48
"""As on a GPU."""

PER_GPU = (500, 2_000, 8_000)
"""Rows an hour of one GPU, for which hours are worked out."""

GPUS = (1, 8, 64, 512)
JOBS = (806_796, 100_000_000)


class ImmediateEngine(ScriptedEngine):
    """Answers all requests in its slots at once."""

    def complete(self, requests: Iterable[Request | None]) -> Iterator[Completion]:
        source = iter(requests)
        while True:
            running: list[Request] = []
            while len(running) < SLOTS and (request := next(source, None)) is not None:
                running.append(request)
            if not running:
                return
            yield from map(self._answer, running)

    def load(self) -> Load:
        return Load(0, 0, 0, SLOTS, (), None)


def opens(share: Share) -> Engine:
    return ImmediateEngine()


def engine_of(workers: int, ends: ExitStack) -> Engine:
    """An engine with so many workers, all of them ready."""
    if not workers:
        return ImmediateEngine()
    import ray

    from sysgen_local.engine.cluster.engine import RayEngine

    ray.init(num_cpus=workers, include_dashboard=False, log_to_driver=False, logging_level=50)
    ends.callback(ray.shutdown)
    engine = RayEngine(opens, Options(ray="local", workers=workers, worker_cpus=1))
    ends.callback(engine.close)
    while engine.workers.ready < workers:
        list(engine.complete([Request("0:wait", "none", ())]))
    return engine


def measure(workers: int, rows: int, folder: Path, check: bool, language: str | None) -> None:
    path = folder / "rows.duckdb"
    prompts = PromptSet.load("compact")
    respond = Respond(prompts)
    generate = Generate(prompts, language=language)
    stages: list[Any] = [generate, Filter(), Verify(prompts), respond]
    with ExitStack() as ends:
        engine = engine_of(workers, ends)
        store = ends.enter_context(Store.open(path))
        store.ingest(Source("rows", "rows", "0" * 64), conversations(rows))
        if check:
            store.set_recipe("check", "0" * 64, {})
            stages.append(CheckAnswers(prompts, respond))
        before = time.perf_counter(), time.thread_time(), time.process_time()
        Pipeline[Any, Any, Any](store, stages, progress_of(store)).run(engine)
        after = time.perf_counter(), time.thread_time(), time.process_time()
        assert store.counts().final == rows, store.counts()
    wall, main, all_threads = (b - a for a, b in zip(before, after, strict=True))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"| {workers} | {rows:,} | {rows / wall:,.0f} | {main / rows * 1e6:.0f} us | "
        f"{all_threads / rows * 1e6:.0f} us | {rows / main:,.0f} | {peak:,.0f} MiB |",
        flush=True,
    )


def on_paper(ceiling: float) -> None:
    """Prints the hours of whole jobs. `ceiling`: rows a second of the driver."""
    print(f"\n| rows | rows an hour of a GPU |{''.join(f' {n} GPUs |' for n in GPUS)}")
    print("|---" * (len(GPUS) + 2) + "|")
    for rows in JOBS:
        for rate in PER_GPU:
            hours = (rows / min(gpus * rate, ceiling * 3600) for gpus in GPUS)
            print(f"| {rows:,} | {rate:,} |{''.join(f' {of:,.1f} h |' for of in hours)}")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("workers", type=int, nargs="*", default=[0, 1, 8, 64])
    parser.add_argument("--rows", type=int, default=8_000)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--language", help="of all rows, which is then not identified")
    parser.add_argument("--one", action="store_true", help="in this process")
    parser.add_argument("--paper", type=float, help="only the hours, with so many rows a second")
    given = parser.parse_args()
    if given.one:
        with tempfile.TemporaryDirectory() as folder:
            measure(given.workers[0], given.rows, Path(folder), given.check, given.language)
        return
    if given.paper:
        on_paper(given.paper)
        return
    print(
        "| workers | rows | rows/s | main thread, a row | all threads of the driver, a row "
        "| ceiling, rows/s | peak memory |"
    )
    print("|---|---|---|---|---|---|---|", flush=True)
    # Workers import this package.
    path = os.pathsep.join([str(Path.cwd()), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, **ENVIRONMENT, "PYTHONPATH": path}
    for workers in given.workers:  # each in its own process, to measure its own peak memory
        command = [sys.executable, "-m", __spec__.name, "--one", str(workers)]
        command += ["--rows", str(given.rows), *(["--check"] if given.check else [])]
        command += ["--language", given.language] if given.language else []
        subprocess.run(command, check=True, env=environment)


if __name__ == "__main__":
    main()
