"""The side file of a running job: DuckDB lets nobody else read a file that is being written.

`<db>.status.json` is replaced atomically about once a second while a run goes on, and removed
when it ends.
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

from sysgen_local.progress import Progress


class StatusFile:
    """A reporter that writes the side file."""

    def __init__(self, database: Path, every: float = 1.0) -> None:
        self._path = side_file(database)
        self._every = every
        self._written = 0.0

    def update(self, progress: Progress) -> None:
        if time.monotonic() - self._written < self._every:
            return
        self._written = time.monotonic()
        temporary = self._path.with_name(f"{self._path.name}.{os.getpid()}")
        temporary.write_text(json.dumps(_state(progress)))
        os.replace(temporary, self._path)

    def close(self, progress: Progress) -> None:
        self._path.unlink(missing_ok=True)


def side_file(database: Path) -> Path:
    return database.with_name(f"{database.name}.status.json")


def read_status(database: Path) -> dict[str, Any] | None:
    """What the running job last wrote; None where there is none."""
    try:
        state = json.loads(side_file(database).read_text())
    except (OSError, ValueError):
        return None
    return state if isinstance(state, dict) else None


def _state(progress: Progress) -> dict[str, Any]:
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
        "seconds": progress.seconds,
        "tokens_in": progress.cost.tokens_in,
        "tokens_out": progress.cost.tokens_out,
        "finished_in_this_run": progress.finished_here,
    }
