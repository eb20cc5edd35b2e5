"""`python -m benchmarks`: every contender does the same job on the same model; a table at the end.

Contenders run one after the other, each in a process of its own, so many rounds; the table has
the medians. Leave the machine alone meanwhile: a busy core costs all of them several times over.
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

from benchmarks import job, limit, overhead
from benchmarks.build import WORK
from benchmarks.model import model as random_model

NAMES = {
    "a": "(a) `Llama` in a loop",
    "b": "(b) llama-server, {slots} slots",
    "c": "(c) sysgen-local, {slots} slots",
    "d": "(d) llama-batched-bench",
}
MODULES = {"a": "benchmarks.loop", "b": "benchmarks.server", "c": "benchmarks.ours"}


def main() -> None:
    options = _parser().parse_args()
    model = str(options.model or random_model())
    results: dict[str, list[job.Result]] = {}
    for round_ in range(options.runs):
        for name in options.only.split(","):
            if name in MODULES:
                result = _contend(name, model, options)
            elif name == "d" and "c" in results:
                result = limit.measure(model, options.slots, results["c"][-1])
            else:
                continue
            results.setdefault(name, []).append(result)
            rate = result.rows / result.seconds * 3600
            print(f"round {round_ + 1} ({name}): {rate:.0f} rows an hour", file=sys.stderr)
    medians = {name: _median(of) for name, of in results.items()}
    costs = overhead.measure(Path(model)) if "overhead" in options.only else {}
    print(machine())
    print(table(medians, options.slots))
    for kind, (step, row) in costs.items():
        print(f"- overhead, {kind}: {step:.0f} us a step + {row:.1f} us a row")
    everything = {
        "machine": machine(),
        "slots": options.slots,
        "runs": {name: [asdict(result) for result in of] for name, of in results.items()},
        "overhead": costs,
    }
    options.out.parent.mkdir(exist_ok=True)
    options.out.write_text(json.dumps(everything, indent=1) + "\n")
    print(f"\nall runs: {options.out}", file=sys.stderr)


def _contend(name: str, model: str, options: argparse.Namespace) -> job.Result:
    rows = options.loop_rows if name == "a" else options.rows
    command = [sys.executable, "-m", MODULES[name], model, str(rows)]
    if name != "a":
        command.append(str(options.slots))
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return job.Result(**json.loads(done.stdout.splitlines()[-1]))


def _median(results: list[job.Result]) -> job.Result:
    """The one in the middle by seconds a row."""
    ordered = sorted(results, key=lambda r: r.seconds / r.rows)
    return ordered[(len(ordered) - 1) // 2]


def table(medians: dict[str, job.Result], slots: int) -> str:
    """Markdown. Ratios are to (a), in rows an hour."""
    base = medians.get("a")
    lines = [
        "| | rows/h | to (a) | tokens/s in | out | tokens a row | in llama_decode | peak memory |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, result in medians.items():
        rate = result.rows / result.seconds
        cells = [
            NAMES[name].format(slots=slots),
            f"{rate * 3600:.0f}",
            f"{rate / (base.rows / base.seconds):.2f}" if base else "",
            f"{result.tokens_in / result.seconds:.0f}",
            f"{result.tokens_out / result.seconds:.0f}",
            f"{result.tokens_in / result.rows:.0f} + {result.tokens_out / result.rows:.0f}",
            f"{result.decode_seconds / result.seconds:.1%}" if result.decode_seconds else "",
            f"{result.peak_bytes / 1e9:.2f} GB" if result.peak_bytes else "",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def machine() -> str:
    """CPU, cores, and the versions that matter."""
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
    parser.add_argument("--only", default="a,b,c,d,overhead", help="which ones (all)")
    parser.add_argument("--model", type=Path, help="a chat GGUF (random weights)")
    parser.add_argument("--out", type=Path, default=WORK / "results.json", help="JSON to write")
    return parser


if __name__ == "__main__":
    main()
