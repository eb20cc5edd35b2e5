"""`python -m benchmarks`: every contender does the same job with the same model; prints a table.

The contenders run one after the other, each in its own process, for several rounds. The table shows
the medians. All of them do the same rows under the same limits. Do not use the machine meanwhile: a
busy core makes all of them several times slower.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

from benchmarks import job, limit, overhead, table
from benchmarks.build import CACHE
from benchmarks.model import PATH as RANDOM
from benchmarks.model import model as random_model
from sysgen_local.core.counted import counted

MODULES = {
    "a": "benchmarks.loop",
    "a0": "benchmarks.loop",
    "b": "benchmarks.server",
    "c": "benchmarks.ours",
}
ALL = (*MODULES, "d", "overhead")

REAL = "qwen2.5-coder-0.5b-instruct-q4_k_m.gguf"
FOLDER = Path("~/.cache/sysgen-real-models").expanduser()
"""Where a developer has real models."""


def main() -> None:
    parser = _parser()
    options = parser.parse_args()
    chosen = options.only.split(",")
    if unknown := sorted({*chosen} - {*ALL}):
        parser.error(f"--only takes {','.join(ALL)}, not {unknown[0]}")
    if "d" in chosen and "c" not in chosen:
        parser.error("(d) is the limit for what (c) decoded: --only c,d")
    real = FOLDER / REAL
    model = str(options.model or (real if real.exists() else random_model()))
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
    kind = "random weights" if Path(model) == RANDOM else "real weights"
    runs = counted(options.runs, "run")
    print(f"{machine()}; {Path(model).name} ({kind}); medians of {runs}\n")
    print(table.contenders(medians, options.slots), end="\n\n")
    if "c" in medians:
        print(table.phases(medians["c"]), end="\n\n")
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
    orders = {"a": "phases", "a0": "rows"}
    way = orders.get(name) or options.slots
    return job.contend(MODULES[name], model, options.rows, way, seed)


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
    parser.add_argument("--rows", type=int, default=48, help="that each of them does (48)")
    parser.add_argument("--runs", type=int, default=3, help="rounds of all contenders (3)")
    parser.add_argument("--slots", type=int, default=16, help="for (b), (c) and (d) (16)")
    parser.add_argument("--only", default=",".join(ALL), help="which ones (all)")
    parser.add_argument("--model", type=Path, help=f"a chat GGUF ({REAL}, or random weights)")
    parser.add_argument("--out", type=Path, default=CACHE / "results.json", help="JSON to write")
    return parser


if __name__ == "__main__":
    main()
