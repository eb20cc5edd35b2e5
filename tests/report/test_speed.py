"""The sentence and the table about speed."""

from __future__ import annotations

from datetime import datetime, timedelta

from sysgen_local.report.speed import MOST, speed, speed_table
from sysgen_local.store import RunSpeed

AT = datetime(2026, 1, 2, 3, 4)


def test_rows_an_hour_stand_beside_the_time_to_the_first_result():
    assert speed([RunSpeed(1, AT, 30, 7200, 600, 9)]) == (
        "300 rows an hour: 600 rows through in 2:00:00; the first result came 30.0 s after the "
        "start of the run. A run works from its start to its last result."
    )
    runs = [RunSpeed(n, AT, first, 100, 5, 9) for n, first in ((1, 2), (2, 4), (3, 90))]
    said = speed(runs)
    assert said.startswith("180 rows an hour: 15 rows through in 5:00; ")
    assert "4.0 s after the start of a run (median of 3 runs; longest 1:30)" in said


def test_nothing_is_said_of_what_was_not_measured():
    assert speed([]) == ""
    assert speed([RunSpeed(None, None, None, 0.02, 5, 9)]) == ""


def test_the_table_has_the_latest_runs_and_their_sum():
    runs = [RunSpeed(None, None, None, 60, 1, 120)]
    runs += [RunSpeed(n, AT + timedelta(hours=n), 5, 60, 1, 120) for n in range(1, MOST + 3)]
    table = speed_table(runs)
    assert len(table.rows) == MOST + 1
    assert table.rows[0] == ("3", "2026-01-02 06:04", "5.0 s", "1:00", "1", "60", "2")
    assert table.rows[-1] == ("all", "", "", "23:00", "23", "60", "2")
    assert table.notes[-1] == f"The latest {MOST} of {MOST + 3} runs."
    assert speed_table(runs[:2]).rows[0][:3] == ("no run", "", "")
