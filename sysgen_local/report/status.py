"""The side file of a running job. While a run writes a DuckDB file, no other process can read it.

`<db>.status.json` is replaced atomically about once a second during a run and removed at its end.
"""

from __future__ import annotations

import json
import os
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from sysgen_local.core.errors import SysgenError
from sysgen_local.core.files import write
from sysgen_local.running.progress import Progress


class StatusFile:
    """A view that writes the side file."""

    every = 1.0

    def __init__(self, database: Path) -> None:
        self._path = side_file(database)

    def show(self, progress: Progress) -> None:
        with suppress(SysgenError):  # the run continues even if the file cannot be written
            write(self._path, json.dumps(state(progress)))

    def close(self, progress: Progress) -> None:
        self._path.unlink(missing_ok=True)


def side_file(database: Path) -> Path:
    return database.with_name(f"{database.name}.status.json")


def read_status(database: Path) -> dict[str, Any] | None:
    """The last state of the running job; None if there is none."""
    try:
        state = json.loads(side_file(database).read_text())
    except (OSError, ValueError):
        return None
    return state if isinstance(state, dict) else None


def state(progress: Progress) -> dict[str, Any]:
    """The progress as plain data. Seconds are those of this run; `at` is in seconds since 1970."""
    seconds = progress.seconds
    return {
        "pid": os.getpid(),
        "at": time.time(),
        "rows": {
            "input": progress.rows + progress.rejected,
            "final": progress.final,
            "dropped": progress.dropped,
            "rejected": progress.rejected,
            "pending": progress.pending,
        },
        "phases": {
            phase: {
                "done": state.through,
                "kept": state.done,
                "dropped": dict(state.dropped),
                "running": state.running,
            }
            for phase, state in progress.phases.items()
        },
        "advice": [{"name": of.name, "says": of.says} for of in progress.advice],
        "seconds": seconds,
        "seconds_left": progress.seconds_left,
        "tokens_in": progress.cost.tokens_in,
        "tokens_out": progress.cost.tokens_out,
        "finished_in_this_run": progress.finished_here,
        "rows_an_hour": progress.finished_here / max(seconds, 1e-6) * 3600,
    }
