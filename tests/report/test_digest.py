"""`sysgen stats` in short: it fits on one screen, and its numbers add up."""

from __future__ import annotations

from typing import Any

import pytest

from sysgen_local.report.digest import LINES, digest, reviewed


def state(notes: int = 0, reasons: int = 2) -> dict[str, Any]:
    phases = {
        phase: {"kept": 90 - n, "dropped": {}, "pending": n}
        for n, phase in enumerate(("generate", "filter", "verify", "respond", "check"))
    }
    phases["verify"]["dropped"] = {f"reason_{n}": 10 + n for n in range(reasons)}
    return {
        "rows": {"input": 120, "final": 80, "dropped": 21, "rejected": 9, "pending": 10},
        "existing_system": {"rows": 7, "kept": 0},
        "reviews": {"accepted": 3, "rejected": 1, "edited": 0, "earlier": 0, "stale": 0},
        "rejects": {"bad_json": 9},
        "phases": phases,
        "advice": [
            {"name": f"{n}", "says": f"Number {n} of the notes says what is poor. " * 3}
            for n in range(notes)
        ],
    }


@pytest.mark.parametrize("width", [60, 80, 140])
@pytest.mark.parametrize("notes", [0, 1, 3, 12])
def test_it_fits_on_a_screen(width: int, notes: int) -> None:
    lines = digest(state(notes, reasons=20), width)
    assert len(lines) <= LINES
    assert max(map(len, lines)) <= width
    told = sum(line.startswith("note: ") for line in lines)
    more = [line for line in lines if line.endswith("with --all")]
    if told < notes:
        assert more in ([f"{notes - told} more notes with --all"], ["1 more note with --all"])
    else:
        assert not more


def test_it_has_totals_shares_and_reasons() -> None:
    lines = digest(state(), 80)
    assert lines[0] == "120 rows = 80 final + 21 dropped + 9 rejected + 10 pending"
    assert "came with a system message: 7, of which 0 kept it" in lines
    assert "reviewed: 3 accepted, 1 declined" in lines
    [verify] = [line.split() for line in lines if line.startswith("verify")]
    assert verify == ["verify", "88", "81%", "of", "109", "21", "2"]
    assert "        11  reason_1 (dropped in verify)" in lines
    assert "         9  bad_json (rejected)" in lines


def test_a_persons_reject_is_no_rejected_row() -> None:
    assert reviewed({"accepted": 0, "rejected": 2, "stale": 1}) == "reviewed: 2 declined, 1 stale"
