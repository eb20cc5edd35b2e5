"""The side file of a running job. While a run writes a DuckDB file, no other process can read it.

`<db>.status.json` is replaced atomically about once a second during a run and removed at its end.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from sysgen_local.core.errors import SysgenError
from sysgen_local.core.files import write
from sysgen_local.core.records import Row
from sysgen_local.running.activity import Activity
from sysgen_local.running.progress import Progress

TEXT = 300
"""Maximum number of characters of a text of a row in the side file."""


class StatusFile:
    """A view that writes the side file."""

    every = 1.0

    def __init__(self, database: Path, shard: Mapping[str, Any] | None = None) -> None:
        """`shard`: that of the store, see `Store.shard_facts`."""
        self._path = side_file(database)
        self._more = {"shard": shard} if shard else {}

    def show(self, progress: Progress) -> None:
        with suppress(SysgenError):  # the run continues even if the file cannot be written
            write(
                self._path,
                json.dumps({**state(progress), **self._more, "recent": recent(progress)}),
            )

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


def activity(now: Activity) -> dict[str, Any]:
    """What the run does now as plain data; `says` is a line to print."""
    return {
        "step": now.step,
        "model": now.model,
        "seconds": now.seconds,
        "prefix": dict(zip(("read", "of"), now.prefix, strict=True)) if now.prefix else None,
        "reading": dict(zip(("requests", "read", "of"), now.reading, strict=True)),
        "writing": dict(zip(("requests", "tokens"), now.writing, strict=True)),
        "waiting": now.waiting,
        "workers": now.workers._asdict() if now.workers else None,
        "says": str(now),
    }


def recent(progress: Progress) -> list[dict[str, Any]]:
    """The rows that ended last, the latest first, each text cut to `TEXT` characters."""
    return [
        {
            "row": row.row,
            "state": "dropped" if dropped else "final",
            "reason": f"{phase} {dropped}" if dropped else "",
            "instruction": _cut(row.conversation.turns[0].text),
            "system": _cut(row.verified.system if row.verified else None),
            "answer": _cut(_answer(row)),
        }
        for row, phase, dropped in reversed(progress.recent)
        if isinstance(row, Row)
    ]


def _answer(row: Row) -> str | None:
    """The first new answer."""
    return next((turn.text for turn in row.answers if turn.role == "assistant"), None)


def _cut(text: str | None) -> str:
    text = text or ""
    return text if len(text) <= TEXT else f"{text[: TEXT - 1]}…"


def state(progress: Progress) -> dict[str, Any]:
    """The progress as plain data, without texts of rows. Seconds are those of this run; `at`
    is in seconds since 1970."""
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
        "title": progress.title,
        "activity": activity(progress.activity),
        "advice": [{"name": of.name, "says": of.says} for of in progress.advice],
        "seconds": seconds,
        "seconds_left": progress.seconds_left,
        "tokens_in": progress.cost.tokens_in,
        "tokens_decoded": progress.cost.tokens_decoded,
        "tokens_out": progress.cost.tokens_out,
        "finished_in_this_run": progress.finished_here,
        "rows_an_hour": progress.finished_here / max(seconds, 1e-6) * 3600,
    }
