"""The speed of a run is noted if it took enough rows through all phases, with the real engine."""

from __future__ import annotations

from pathlib import Path

import pytest

import sysgen_local as sysgen
from sysgen_local.models import fingerprint
from sysgen_local.models.measured import Measured, noted

ROWS = [
    {"instruction": f"How do I {verb} {thing}?", "output": "Take your time."}
    for verb in ("paint", "clean", "draw", "fix")
    for thing in ("a chair", "the kitchen", "an old bike", "the roof", "a violin", "a shoe")
]
SHORT = {"model": "builtin", "max_answer_tokens": 8, "keep_truncated": True, "slots": 4}


@pytest.fixture
def known(builtin: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SYSGEN_MEASURED", str(tmp_path / "measured.json"))

    def look() -> Measured | None:
        return noted(fingerprint(builtin))

    return look


def test_a_run_over_all_phases_is_noted(known, tmp_path: Path) -> None:
    with sysgen.open(tmp_path / "rows.duckdb") as store:
        done = sysgen.run(store, ROWS, check=False, on_progress=lambda update: None, **SHORT)
    speed = known()
    assert speed is not None
    assert speed.bench is speed.checked is None
    assert speed.run.rows == len(ROWS) == done.counts.final + done.counts.dropped
    assert 0 < speed.run.load_seconds < 60
    assert (speed.run.file, speed.run.device) == ("builtin.gguf", "cpu")
    cost = sum(phase.tokens_out for phase in done.counts.phases.values())
    seconds = 3600 * speed.run.rows / speed.run.rows_an_hour
    assert 0 < speed.run.written * seconds <= cost * 1.01
    assert speed.run.read > 0


def test_a_run_with_checks_is_another_kind(known, tmp_path: Path) -> None:
    with sysgen.open(tmp_path / "rows.duckdb") as store:
        sysgen.run(store, ROWS, tries=1, on_progress=lambda update: None, **SHORT)
    speed = known()
    assert speed is not None
    assert speed.run is None
    assert speed.checked.rows == len(ROWS)


def test_what_is_no_whole_run_is_not_noted(known, tmp_path: Path) -> None:
    usual = {"check": False, "on_progress": lambda update: None, **SHORT}
    with sysgen.open(tmp_path / "few.duckdb") as store:
        sysgen.run(store, ROWS[:19], **usual)
    with sysgen.open(tmp_path / "half.duckdb") as store:
        sysgen.run(store, ROWS, phases=["generate", "filter"], **usual)
        assert known() is None
        sysgen.run(store, **usual)  # half of the work was done before
    with sysgen.open(tmp_path / "kept.duckdb") as store:
        sysgen.run(store, ROWS, existing_system="keep", **usual)
    assert known() is None


def test_a_place_that_cannot_be_written_ends_no_run(
    known, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("SYSGEN_MEASURED", str(tmp_path / "file" / "measured.json"))
    said: list[str] = []
    with sysgen.open(tmp_path / "rows.duckdb") as store:
        done = sysgen.run(
            store, ROWS, check=False, say=said.append, on_progress=lambda update: None, **SHORT
        )
    assert done.finished
    assert any("could not be noted" in line for line in said)
