import json
import os

from test_live import some_progress

from sysgen_local.core.records import Conversation, Generated, Phrase, Responded, Row, Turn
from sysgen_local.report.status import StatusFile, read_status, side_file, state
from sysgen_local.running.progress import Progress


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


def test_the_side_file_names_the_shard(tmp_path):
    database = tmp_path / "rows.duckdb"
    shard = {"numbers": [2], "of": 8, "input": 100}
    StatusFile(database, shard).show(some_progress())
    assert read_status(database)["shard"] == shard
    assert "shard" not in state(some_progress())


def test_a_broken_side_file_is_none(tmp_path):
    side_file(tmp_path / "x").write_text("[1")
    assert read_status(tmp_path / "x") is None
    side_file(tmp_path / "x").write_text(json.dumps([1]))
    assert read_status(tmp_path / "x") is None


def test_the_rows_that_ended_last_are_in_the_side_file_and_not_in_the_log(tmp_path):
    progress = Progress(["generate", "respond"], rows=30)
    for n in range(1, 13):
        row = Row(n, Conversation((Turn("user", f"{n} " + "x" * 400), Turn("assistant", "Old")), n))
        row = row.after("generate", Generated((Phrase("role", "A cook."),)))
        progress.begin_row(row, "generate")
        if n == 12:
            progress.finish_row(row, "generate", Generated(dropped="failed"))
            continue
        progress.finish_row(row, "generate", row.generated, goes_on=True)
        answered = Responded((Turn("user", "q"), Turn("assistant", f"New {n}")))
        progress.finish_row(row.after("respond", answered), "respond", answered)
    StatusFile(tmp_path / "s.duckdb").show(progress)
    recent = read_status(tmp_path / "s.duckdb")["recent"]
    assert [row["row"] for row in recent] == [12, 11, 10, 9, 8, 7, 6, 5, 4, 3]
    assert recent[0]["state"] == "dropped"
    assert recent[0]["reason"] == "generate failed"
    assert recent[1]["state"] == "final"
    assert recent[1]["answer"] == "New 11"
    assert len(recent[1]["instruction"]) == 300
    assert recent[1]["instruction"].endswith("x…")
    assert "recent" not in state(progress)
