"""`python -m benchmarks`: every contender does the same job with the same model; prints a table.

The contenders run one after the other, each in its own process, for several rounds. The table shows
the medians. Do not use the machine meanwhile: a busy core makes all of them several times slower.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

from benchmarks import ENVIRONMENT, job, limit, overhead, table
from benchmarks.build import CACHE
from benchmarks.model import model as random_model

MODULES = {"a": "benchmarks.loop", "b": "benchmarks.server", "c": "benchmarks.ours"}
ALL = (*MODULES, "d", "overhead")


def main() -> None:
    parser = _parser()
    options = parser.parse_args()
    chosen = options.only.split(",")
    if unknown := sorted({*chosen} - {*ALL}):
        parser.error(f"--only takes {','.join(ALL)}, not {unknown[0]}")
    if "d" in chosen and "c" not in chosen:
        parser.error("(d) is the limit for what (c) decoded: --only c,d")
    model = str(options.model or random_model())
    results: dict[str, list[job.JobResult]] = {}
    for round_ in range(options.runs):
        for name in (name for name in ALL if name in chosen and name != "overhead"):
            if name in MODULES:
                result = _contend(name, model, round_, options)
            else:
                result = limit.measure(model, options.slots, results["c"][-1])
            results.setdefault(name, []).append(result)
            rate = table.rate(result)
            print(f"round {round_ + 1} ({name}): {rate:.0f} rows an hour", file=sys.stderr)
    medians = {name: _median(of) for name, of in results.items()}
    costs = overhead.measure(Path(model)) if "overhead" in chosen else {}
    print(f"{machine()}, medians of {options.runs} runs\n")
    print(table.contenders(medians, options.slots), end="\n\n")
    print(table.targets(medians, costs))
    everything = {
        "machine": machine(),
        "load_average": os.getloadavg(),
        "model": model,
        "slots": options.slots,
        "runs": {name: [asdict(result) for result in of] for name, of in results.items()},
        "overhead": costs,
    }
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(everything, indent=1) + "\n")
    print(f"\nall runs: {options.out}", file=sys.stderr)


def _contend(name: str, model: str, seed: int, options: argparse.Namespace) -> job.JobResult:
    rows = options.loop_rows if name == "a" else options.rows
    command = [sys.executable, "-m", MODULES[name], model, str(rows)]
    if name != "a":
        command.append(str(options.slots))
    command.append(str(seed))
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=ENVIRONMENT)
    return job.JobResult(**json.loads(done.stdout.splitlines()[-1]))


def _median(results: list[job.JobResult]) -> job.JobResult:
    """The median result by rows per hour."""
    ordered = sorted(results, key=table.rate)
    return ordered[(len(ordered) - 1) // 2]


def machine() -> str:
    """CPU, number of cores, and the version of llama-cpp-python."""
    cpu = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [x for x in info.read_text().splitlines() if x.startswith("model name")]
        cpu = names[0].split(":")[1].strip() if names else cpu
    return f"{cpu}, {job.threads()} cores, llama-cpp-python {version('llama-cpp-python')}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--rows", type=int, default=32, help="for (b) and (c) (32)")
    parser.add_argument("--loop-rows", type=int, default=4, help="for (a), which is steady (4)")
    parser.add_argument("--runs", type=int, default=3, help="rounds of all contenders (3)")
    parser.add_argument("--slots", type=int, default=16, help="for (b), (c) and (d) (16)")
    parser.add_argument("--only", default=",".join(ALL), help="which ones (all)")
    parser.add_argument("--model", type=Path, help="a chat GGUF (random weights)")
    parser.add_argument("--out", type=Path, default=CACHE / "results.json", help="JSON to write")
    return parser


if __name__ == "__main__":
    main()
