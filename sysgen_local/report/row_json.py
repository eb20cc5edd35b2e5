"""A row with the results of all phases as plain data, for programs (`sysgen try --json`)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sysgen_local.core.records import NOTHING, PHASES, TABLES, Phase, Row, Turn
from sysgen_local.store import Origin


def dropped_in(row: Row) -> tuple[Phase, str] | None:
    """(phase, reason) of a dropped row; None if it was not dropped."""
    for phase in PHASES:
        result = getattr(row, TABLES[phase])
        if result is not None and result.dropped:
            return phase, result.dropped
    return None


def row_json(row: Row, origin: Origin) -> dict[str, Any]:
    """A finished or dropped row, from its source to the result, with names for programs."""
    ended = dropped_in(row)
    checked = row.checked
    cost = NOTHING
    for made in (row.generated, row.verified, row.responded, checked):
        cost = cost.plus(made.cost) if made else cost
    return {
        "row": row.row,
        "source": origin.path,
        "line": origin.line,
        "dataset": origin.dataset,
        "state": "dropped" if ended else "final",
        "phase": ended[0] if ended else None,
        "reason": ended[1] if ended else None,
        "old_system": row.conversation.system,
        "old": _turns(row.conversation.turns),
        "system": row.verified.system if row.verified else None,
        "new": _turns(row.answers),
        "raw": row.generated.raw if row.generated else None,
        "verdicts": [v._asdict() for v in row.verified.verdicts] if row.verified else [],
        "removed": [r._asdict() for r in row.filtered.removed] if row.filtered else [],
        "agrees": checked.agrees if checked else None,
        "obeys": checked.obeys if checked else None,
        "tries": checked.tries if checked else None,
        "checks": [c._asdict() for c in checked.checks] if checked else [],
        "attempts": [a._asdict() for a in checked.attempts] if checked else [],
        "tokens_in": cost.tokens_in,
        "tokens_decoded": cost.tokens_decoded,
        "tokens_out": cost.tokens_out,
        "seconds": round(cost.seconds, 3),
    }


def _turns(turns: Iterable[Turn]) -> list[dict[str, str]]:
    return [
        {name: text for name, text in turn._asdict().items() if text or name == "content"}
        for turn in turns
    ]
