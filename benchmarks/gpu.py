"""What keeps a GPU busy: the job of the other benchmarks, by every way of sampling.

    python -m benchmarks.gpu MODEL [MODEL ...] [--server URL#MODEL] [--loop-rows N]

For each model: the loop over `Llama`, `sysgen run` with as many slots, sampled as on a CPU, during
decoding, from tokens that the GPU picked, and both; then how long the search for the fastest
settings takes, what it finds, and a run with them. With `--server` the same job by a server that
is running, such as vLLM, asked by `sysgen run`. It also runs on a machine without a GPU, which
shows that it works and nothing else.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import asdict
from pathlib import Path

from benchmarks import job, table
from benchmarks.__main__ import machine
from benchmarks.build import CACHE
from sysgen_local.core.model_files import ModelFiles
from sysgen_local.engine.llama.devices import gpus
from sysgen_local.engine.options import Options
from sysgen_local.models.measured import Settings
from sysgen_local.running.throughput import Rates, fastest_settings

WAYS = {
    "(c) sysgen-local": (),
    "(c) sampling during decoding": ("--overlap",),
    "(c) tokens picked by the GPU": ("--on-device",),
    "(c) both": ("--overlap", "--on-device"),
}
COLUMNS = ("slots", "rows", "rows/h", "to (a)", "tokens/s out", "in llama_decode", "peak memory")
LOOP = "(a) `Llama` in a loop"


def main() -> None:
    options = _options()
    devices = ", ".join(of.description for of in gpus()) or "no GPU"
    print(f"{machine()}, {devices}\n")
    everything = {}
    for model in options.model:
        lines = _contenders(Path(model), options)
        everything[model] = {name: asdict(result) for name, (_, result) in lines.items()}
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(json.dumps(everything, indent=1) + "\n")


def _contenders(model: Path, options: argparse.Namespace) -> dict[str, tuple[int, job.JobResult]]:
    """Label -> (slots, result). Each is printed when it is there, since the time may run out."""
    print(f"{model.name}\n\n| | {' | '.join(COLUMNS)} |\n{'|---' * (len(COLUMNS) + 1)}|")
    found: dict[str, tuple[int, job.JobResult]] = {}

    def add(label: str, slots: int, result: job.JobResult) -> None:
        found[label] = slots, result
        base = found.get(LOOP)
        cells = [
            str(slots or ""),
            str(result.rows),
            f"{table.rate(result):,.0f}",
            f"{table.ratio(result, base[1]):.1f}" if base else "",
            f"{result.tokens_out / result.seconds:,.0f}",
            f"{table.decode_share(result):.0%}" if result.decode_seconds else "",
            f"{result.peak_bytes / 1e9:.2f} GB",
        ]
        print(f"| {label} | {' | '.join(cells)} |", flush=True)

    if options.loop_rows:
        add(LOOP, 1, job.contend("benchmarks.loop", model, options.loop_rows, "phases", 0))
    for label, ways in WAYS.items():
        add(label, options.slots, _ours(model, options.rows, options.slots, *ways))
    tried: list[tuple[Settings, Rates]] = []
    began = time.perf_counter()
    best = fastest_settings(ModelFiles(model), Options(), lambda *one: tried.append(one))
    took = time.perf_counter() - began
    if best:
        settings = best[0]
        chosen = ["--batch", str(settings.batch)]
        chosen += ["--overlap"] if settings.overlap else []
        chosen += ["--on-device"] if settings.on_device else []
        label = "(c) with the fastest settings"
        add(label, settings.slots, _ours(model, options.rows, settings.slots, *chosen))
    if options.server:
        add("a server", 0, _ours(options.server, options.rows, options.slots))
    print("\nwanted: 80 % in llama_decode with 0.5 billion parameters, 95 % with 7; 15 times (a)")
    print(f"found in {took:.0f} s: {best[0] if best else 'nothing'}")
    for settings, rates in tried:
        print(f"- {settings}: {rates.prefill:,.0f} tokens/s read, {rates.decode:,.0f} written")
    print()
    return found


def _ours(model: object, rows: int, slots: int, *ways: str) -> job.JobResult:
    return job.contend("benchmarks.ours", model, rows, slots, 0, *ways)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=__doc__)
    parser.add_argument("model", nargs="+", help="a chat GGUF")
    parser.add_argument("--rows", type=int, default=192, help="that sysgen-local does (192)")
    parser.add_argument("--loop-rows", type=int, default=4, help="that the loop does (4; 0: none)")
    parser.add_argument("--slots", type=int, default=48, help="of the ways side by side (48)")
    parser.add_argument("--server", metavar="URL#MODEL", help="a server with the same model")
    parser.add_argument("--out", type=Path, default=CACHE / "gpu.json", help="JSON to write")
    return parser.parse_args()


if __name__ == "__main__":
    main()
