"""How fast runs worked: rows over the time of runs, without the hours between them.

A run works from its start to its last result. The time before its first result is part of that: it
loads the model and reads the first prompts. Results that a later `--redo` deleted are not counted.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sysgen_local.store.database import Database

PAUSE = 600
"""Seconds. Results that belong to no run (imported phrases, calls of the API) have no start, so a
gap before one of them counts as so much at most."""

# A row is through with the result that dropped it, or with that of the last phase.
_MOMENTS = f"""
WITH results AS (
    SELECT "at", tokens_out, dropped IS NOT NULL AS through FROM generated
    UNION ALL SELECT "at", 0, dropped IS NOT NULL FROM filtered
    UNION ALL SELECT "at", tokens_out, dropped IS NOT NULL FROM verified
    UNION ALL SELECT "at", tokens_out, dropped IS NOT NULL OR NOT (SELECT "on" FROM checking)
        FROM responded
    UNION ALL SELECT "at", tokens_out, true FROM checked
), moments AS (
    SELECT "at", sum(tokens_out)::BIGINT AS tokens, count(*) FILTER (through) AS rows
    FROM results GROUP BY "at"
), placed AS (
    SELECT m.*, r.started, CASE WHEN m."at" <= coalesce(r.ended, m."at") THEN r.run END AS run,
        lag(m."at") OVER (ORDER BY m."at") AS before
    FROM moments m ASOF LEFT JOIN runs r ON m."at" >= r.started
), worked AS (
    SELECT *, CASE WHEN run IS NULL
        THEN least(coalesce(epoch("at") - epoch(before), 0), {PAUSE})
        ELSE epoch("at") - epoch(greatest(started, before)) END AS seconds
    FROM placed
)
"""


@dataclass(frozen=True, slots=True)
class RunSpeed:
    """The work of one run whose results are still there. `run` and `started` (UTC) are None for
    results of no run. `first` are the seconds from the start to the first result, `seconds` those
    from the start to the last one."""

    run: int | None
    started: datetime | None
    first: float | None
    seconds: float
    rows: int
    tokens: int


def pace(db: Database, points: int) -> list[tuple[float, int, int]]:
    """Progress over time, in at most `points` points: (hours of work, rows through so far, tokens
    written so far). The time between runs is left out."""
    return db.all(
        f"""{_MOMENTS}, summed AS (
            SELECT sum(seconds) OVER so_far / 3600 AS hours,
                sum(rows) OVER so_far AS rows, sum(tokens) OVER so_far AS tokens,
                ntile($1) OVER (ORDER BY "at") AS part
            FROM worked WINDOW so_far AS (ORDER BY "at")
        )
        SELECT max(hours), max(rows)::BIGINT, max(tokens)::BIGINT
        FROM summed GROUP BY part ORDER BY part
        """,
        points,
    )


def speeds(db: Database) -> list[RunSpeed]:
    """The speed of every run that has results, in the order of the runs. Results of no run come
    first."""
    found = db.all(
        f"""{_MOMENTS}
        SELECT run, CASE WHEN run IS NOT NULL THEN any_value(started) END,
            CASE WHEN run IS NOT NULL THEN epoch(min("at")) - epoch(any_value(started)) END,
            sum(seconds), sum(rows)::BIGINT, sum(tokens)::BIGINT
        FROM worked GROUP BY run ORDER BY run NULLS FIRST
        """
    )
    return [RunSpeed(*values) for values in found]
