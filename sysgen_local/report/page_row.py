"""A row as plain data for the scripts of the pages."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sysgen_local.core.numbered import numbered
from sysgen_local.core.records import Phase, Row, Turn
from sysgen_local.report.row_state import attempt_summary, checks_summary, row_state
from sysgen_local.store import Origin, Review


def page_row(
    row: Row,
    origin: Origin,
    review: Review | None,
    *,
    phases: Sequence[Phase] | None = None,
    stale: bool,
    longest: int | None = None,
) -> dict[str, Any]:
    """The results of all phases, and a person's decision. Texts are cut after `longest` characters.

    `phases` are those of the store (see `row_state`). `stale`: the new answer was written under
    another system message than the row has now.
    """

    def cut(text: str | None) -> str:
        text = text or ""
        if longest is None or len(text) <= longest:
            return text
        return f"{text[:longest]}… ({len(text):,} characters)"

    def turns(of: Iterable[Turn]) -> list[list[str]]:
        return [[turn.role, cut(turn.text)] for turn in of]

    stands = row_state(row, phases)
    checks = row.checked.checks if row.checked else ()
    attempts = row.checked.attempts if row.checked else ()
    verdicts = row.verified.verdicts if row.verified else ()
    removed = row.filtered.removed if row.filtered else ()
    held = review if review and not review.outdated else None
    edited = held.phrases if held else None
    answers = review.answers if review else None
    texts = None if answers is None else [cut(text) for text in answers]
    earlier = review is not None and review.earlier
    return {
        "row": row.row,
        "dataset": origin.dataset or origin.path,
        "at": f"{origin.path}, {numbered(origin.path, origin.line)}",
        "state": stands.state,
        "why": f"{stands.phase} {stands.reason}" if stands.state == "dropped" else "",
        "old_system": cut(row.conversation.system),
        "old": turns(row.conversation.turns),
        "new": turns(row.answers),
        "system": cut(row.verified.system if row.verified else None),
        "phrases": [[v.tag, cut(v.text), v.label, round(getattr(v, v.label), 3)] for v in verdicts],
        "removed": [[r.tag, cut(r.text), r.reason] for r in removed],
        "checked": checks_summary(row.checked),
        "checks": [
            [c.turn, c.kind, cut(c.text), c.by, round(c.p, 3), cut(c.detail)] for c in checks
        ],
        "attempts": [[a.turn, attempt_summary(a), cut(a.content)] for a in attempts],
        "decision": review.decision if review and not review.earlier else None,
        "earlier": review.decision if review and review.earlier else None,
        "reviewer": review.reviewer if review else None,
        "note": cut(review.note if review else None),
        "edited": None if edited is None else [[p.tag, cut(p.text)] for p in edited],
        "edited_system": cut(held.system if held else None),
        "answers": None if earlier else texts,
        "earlier_answers": texts if earlier else None,
        "stale": stale,
    }
