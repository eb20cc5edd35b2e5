"""The results as Markdown: the contenders side by side, and each target with the result."""

from __future__ import annotations

from benchmarks.job import JobResult

NAMES = {
    "a": "(a) `Llama` in a loop, phase by phase",
    "a0": "(a0) the same, row by row",
    "b": "(b) llama-server, {slots} slots",
    "c": "(c) sysgen-local, {slots} slots",
    "d": "(d) llama-batched-bench: the limit",
}
COLUMNS = (
    "rows/h",
    "written a row",
    "to (a)",
    "to (b)",
    "rows, final",
    "tokens/s in",
    "out",
    "prompt tokens a row",
    "in llama_decode",
    "peak memory",
)
STEP, ROW = 150, 20
"""Target: microseconds of the engine for a step, and for each row in it."""

Overhead = dict[str, tuple[float, float]]


def contenders(results: dict[str, JobResult], slots: int) -> str:
    """The table of the contenders. Ratios are of rows per hour. Tokens in are all prompt tokens,
    including shared ones; for (d) they are the decoded ones."""
    lines = [_line("", *COLUMNS), "|---" * (len(COLUMNS) + 1) + "|"]
    for name, result in results.items():
        cells = (
            f"{rate(result):.0f}",
            f"{result.tokens_out / result.rows:.0f}",
            *(f"{ratio(result, results[x]):.2f}" if x in results else "" for x in "ab"),
            f"{result.rows}, {result.final}",
            f"{result.tokens_in / result.seconds:.0f}",
            f"{result.tokens_out / result.seconds:.0f}",
            f"{result.tokens_in / result.rows:.0f}",
            f"{decode_share(result):.1%}" if result.decode_seconds else "",
            f"{result.peak_bytes / 1e9:.2f} GB" if result.peak_bytes else "",
        )
        lines.append(_line(NAMES[name].format(slots=slots), *cells))
    return "\n".join(lines)


def phases(result: JobResult) -> str:
    """Tokens a row and phase. Read are all tokens of the prompts; decoded those that the KV cache
    did not have; written those of the answers."""
    lines = [
        _line("tokens a row", "requests", "read", "decoded", "written"),
        "|---|---|---|---|---|",
    ]
    of_rows = {name: [n / result.rows for n in of] for name, of in result.phases.items()}
    for name, (requests, read, written, decoded) in of_rows.items():
        cells = (f"{requests:.1f}", f"{read:.0f}", f"{decoded:.0f}", f"{written:.0f}")
        lines.append(_line(f"`{name}`", *cells))
    return "\n".join(lines)


def targets(results: dict[str, JobResult], overhead: Overhead) -> str:
    """One line for each target that these results measure."""
    lines = [_line("target", "wanted", "reached", ""), "|---|---|---|---|"]
    ours = results.get("c")
    if ours:
        for name, least in (("a", 3.0), ("b", 1.5)):
            if name in results:
                there = ratio(ours, results[name])
                lines.append(_target(f"rows an hour, (c) to ({name})", least, there, ".2f"))
        lines.append(_target("engine's time in llama_decode", 0.97, decode_share(ours), ".1%"))
        if "d" in results:
            lines.append(_target("of what (d) allows", 0.95, ratio(ours, results["d"]), ".1%"))
    for kind, (step, row) in overhead.items():
        reached = f"{step:.0f} us a step + {row:.1f} us a row"
        target = f"<= {STEP} us + {ROW} us"
        good = step <= STEP and row <= ROW
        lines.append(_line(f"overhead, {kind}", target, reached, _verdict(good)))
    return "\n".join(lines)


def rate(result: JobResult) -> float:
    """Rows per hour."""
    return result.rows / result.seconds * 3600


def ratio(one: JobResult, other: JobResult) -> float:
    return rate(one) / rate(other)


def decode_share(result: JobResult) -> float:
    """The share of llama_decode in the engine's wall time or, if that is not known, in the
    job's."""
    assert result.decode_seconds is not None
    engine: float = result.more.get("engine_seconds", result.seconds)
    return result.decode_seconds / engine


def _target(what: str, least: float, reached: float, form: str) -> str:
    target = f">= {least:{form}}"
    return _line(what, target, f"{reached:{form}}", _verdict(reached >= least))


def _verdict(good: bool) -> str:
    return "reached" if good else "missed"


def _line(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"
