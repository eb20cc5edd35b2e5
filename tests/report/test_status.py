import json
import os

from test_live import some_progress

from sysgen_local.report.status import StatusFile, read_status, side_file


def test_the_side_file_lives_as_long_as_the_run(tmp_path):
    database = tmp_path / "rows.duckdb"
    status = StatusFile(database)
    status.show(some_progress())
    state = read_status(database)
    assert state["pid"] == os.getpid()
    rows = state["rows"]
    assert rows["input"] == sum(rows[n] for n in ("final", "dropped", "rejected", "pending"))
    assert os.listdir(tmp_path) == ["rows.duckdb.status.json"]
    status.close(some_progress())
    assert read_status(database) is None


def test_a_broken_side_file_is_none(tmp_path):
    side_file(tmp_path / "x").write_text("[1")
    assert read_status(tmp_path / "x") is None
    side_file(tmp_path / "x").write_text(json.dumps([1]))
    assert read_status(tmp_path / "x") is None
