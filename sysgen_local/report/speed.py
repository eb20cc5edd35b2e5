"""The speed of a store's runs, in a sentence and as a table."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from sysgen_local.report.grid import Table
from sysgen_local.report.live import clock
from sysgen_local.store import RunSpeed

MOST = 20
"""Maximum number of runs in the table: the latest ones."""

SHORTEST = 1.0
"""Seconds of work below which there is no speed."""

COLUMNS = (
    "run", "started (UTC)", "to the first result", "worked", "rows through", "rows an hour",
    "tokens a second, out",
)  # fmt: skip


def speed(runs: Sequence[RunSpeed]) -> str:
    """Rows an hour over the work of all runs, and the time to the first result beside it; "" below
    SHORTEST, as where all results were written at once."""
    seconds = sum(of.seconds for of in runs)
    if seconds < SHORTEST:
        return ""
    rows = sum(of.rows for of in runs)
    parts = [f"{_per_hour(rows, seconds)} rows an hour: {rows:,} rows through in {_time(seconds)}"]
    waits = [of.first for of in runs if of.first is not None]
    if len(waits) == 1:
        parts.append(f"the first result came {_time(waits[0])} after the start of the run")
    elif waits:
        parts.append(
            f"the first result came {_time(median(waits))} after the start of a run (median of "
            f"{len(waits):,} runs; longest {_time(max(waits))})"
        )
    return "; ".join(parts) + ". A run works from its start to its last result."


def speed_table(runs: Sequence[RunSpeed]) -> Table:
    """One line for each of the latest runs, and one for all runs."""
    lines = [
        _line(
            "no run" if of.run is None else str(of.run),
            "" if of.started is None else f"{of.started:%Y-%m-%d %H:%M}",
            "" if of.first is None else _time(of.first),
            of.seconds, of.rows, of.tokens,
        )
        for of in runs[-MOST:]
    ]  # fmt: skip
    total = (sum(of.seconds for of in runs), sum(of.rows for of in runs))
    lines.append(_line("all", "", "", *total, sum(of.tokens for of in runs)))
    notes = ["The hours between runs are left out, and so are results that were deleted since."]
    if len(runs) > MOST:
        notes.append(f"The latest {MOST} of {len(runs):,} runs.")
    return Table("speed by run", COLUMNS, tuple(lines), tuple(notes))


def _line(
    run: str, started: str, first: str, seconds: float, rows: int, tokens: int
) -> tuple[str, ...]:
    rate = f"{tokens / seconds:,.0f}" if seconds > 0 else ""
    return run, started, first, _time(seconds), f"{rows:,}", _per_hour(rows, seconds), rate


def _per_hour(rows: int, seconds: float) -> str:
    return f"{rows / seconds * 3600:,.0f}" if seconds > 0 else ""


def _time(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 60 else clock(seconds)
