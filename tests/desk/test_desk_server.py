"""The desk behind its server: runs as processes, and who is answered."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time

import duckdb
import pytest
from desks import serving, write_rows
from filled import EVIL, fill
from processes import ended

from sysgen_local.core.errors import UsageError
from sysgen_local.desk.desk import Desk
from sysgen_local.desk.forms import RunForm
from sysgen_local.desk.server import DeskServer
from sysgen_local.report.status import side_file
from sysgen_local.store import Store

MAIN = [sys.executable, "-m", "sysgen_local.cli.main"]


def start(served, **more):
    return served.post("/start", {"inputs": [str(served.db.with_name("rows.jsonl"))], **more})


def test_everything_needs_the_token(served):
    server = served.server
    asks = [
        ("GET", "/state"), ("POST", "/start"), ("POST", "/stop"), ("GET", "/rows"),
        ("POST", "/report"), ("POST", "/export"), ("POST", "/review"), ("GET", "/review/rows/0"),
        ("POST", "/review/rows/0"), ("POST", "/review/end"),
    ]  # fmt: skip
    for method, path in asks:
        for given in ("", "Bearer wrong"):
            assert served.ask(method, path, {}, Authorization=given)[0] == 403
        in_address = f"{path}?token={server.token}"
        assert served.ask(method, in_address, {}, Authorization="")[0] == 403
    for page in ("/", "/report", "/review"):
        for query in ("", "?token=", "?token=wrong"):
            assert served.ask("GET", page + query)[0] == 403
    assert served.state()["run"] is None
    assert not served.db.exists()


def test_another_host_or_origin_is_refused_even_with_the_token(served):
    port = served.server.server_port
    for host in ("evil.example", f"evil.example:{port}", f"127.0.0.1:{port + 1}", ""):
        assert served.ask("GET", "/state", Host=host)[0] == 403
        assert served.ask("GET", f"/?token={served.server.token}", Host=host)[0] == 403
    for origin in ("null", "http://evil.example", f"https://127.0.0.1:{port}"):
        assert served.ask("POST", "/start", {}, Origin=origin)[0] == 403
    assert served.server.server_address[0] == "127.0.0.1"


def test_only_its_own_page_may_frame_the_review_and_the_report(tmp_path):
    fill(tmp_path / "s.duckdb", 3)
    with serving(tmp_path / "s.duckdb") as served:
        served.post("/review")
        served.post("/report")
        for page, ancestors in (("/", "'none'"), ("/review", "'self'"), ("/report", "'self'")):
            status, headers, text = served.ask("GET", f"{page}?token={served.server.token}")
            assert status == 200
            assert headers["Content-Security-Policy"] == f"frame-ancestors {ancestors}"
            assert headers["Cache-Control"] == "no-store"
            assert "default-src 'none'" in text
            assert EVIL not in text
            assert served.server.token not in text


def test_a_run_is_started_and_followed_to_its_end(served):
    before = served.state()
    assert (before["stored"], before["run"], before["last"]) == (None, None, None)
    run = start(served)["run"]
    assert run["here"]
    state = served.ended()
    assert state["last"]["outcome"] == "finished"
    assert "3 rows: " in state["last"]["says"]
    rows = state["stored"]["rows"]
    assert rows["input"] == 3
    assert rows["pending"] == 0
    assert rows["final"] + rows["dropped"] == 3
    assert not side_file(served.db).exists()


def test_a_run_is_stopped_in_good_order_and_resumed(served):
    write_rows(served.db.with_name("rows.jsonl"), 48)
    start(served, check=False)
    during = served.wait(lambda s: s["run"]["status"] and s["run"]["status"]["recent"])
    status = during["run"]["status"]
    assert status["activity"]["says"]
    assert {"row", "state", "reason", "instruction", "system", "answer"} == {*status["recent"][0]}
    _, why = served.refused("POST", "/start", {})
    assert "a run goes on" in why
    _, why = served.refused("POST", "/review")
    assert "the review opens when it has ended" in why
    read = served.wait(lambda _: served.get("/rows?state=final")["rows"])
    assert read["run"]["here"]
    assert served.get("/rows")["as_of"]
    served.post("/stop")
    state = served.ended()
    assert state["last"]["outcome"] == "stopped"
    pending = state["stored"]["rows"]["pending"]
    assert 0 < pending < 48
    assert "check" not in state["stored"]["phases"]
    served.post("/start")
    state = served.ended()
    assert state["last"]["outcome"] == "finished"
    assert state["stored"]["rows"]["pending"] == 0
    assert "check" not in state["stored"]["phases"]  # as the run that is resumed


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ({"inputs": ["gone.jsonl"]}, "gone.jsonl is not on this machine"),
        ({"inputs": ["hf://datasets/a/b"]}, "in a terminal reads it from the hub"),
        ({"inputs": []}, "there are no rows yet"),
        ({"inputs": ["--redo=generate"]}, "is not on this machine"),
        ({"inputs": ["a\0b"]}, "inputs.0: "),
        ({"model": "a\nb"}, "model: "),
        ({"limit": 0}, "limit: "),
        ({"more": 1}, "more: "),
    ],
)
def test_a_form_that_will_not_do_is_refused(served, form, said):
    status, why = served.refused("POST", "/start", form)
    assert status == 400
    assert said in why
    assert served.state()["run"] is None


def test_a_value_of_the_form_is_never_an_option():
    form = RunForm(model="--redo", prompts="--yes", seed=-1)
    given = form.arguments("s.duckdb")
    assert given == [
        "run", "--db=s.duckdb", "--model=--redo", "--prompts=--yes", "--seed=-1", "--yes",
        "--json-log", "--",
    ]  # fmt: skip


def test_a_run_that_fails_says_why(served):
    start(served, model="no-such-model")
    last = served.ended()["last"]
    assert last["outcome"] == "failed"
    assert last["says"].startswith("no model is called no-such-model\n  -> ")
    start(served, model="builtin")
    assert served.ended()["last"]["outcome"] == "finished"


def test_a_run_can_be_stopped_from_its_first_moment(served):
    start(served)
    served.post("/stop")
    state = served.ended()
    assert state["last"]["outcome"] == "stopped"
    assert "Traceback" not in state["last"]["says"]
    start(served)
    assert served.ended()["last"]["outcome"] == "finished"


def test_more_inputs_than_a_command_line_takes_are_a_sentence(served):
    rows = served.db.with_name("rows.jsonl")
    (rows.parent / "a").mkdir()
    many = [f"{rows.parent}/{'a/../' * 700}{rows.name}"] * 1000
    _, why = served.refused("POST", "/start", {"inputs": many})
    assert "the run cannot be started: Argument list too long" in why
    assert served.state()["run"] is None


def test_the_end_of_the_desk_stops_its_run_in_good_order(served):
    write_rows(served.db.with_name("rows.jsonl"), 48)
    start(served)
    served.wait(lambda s: s["run"]["status"] and s["run"]["status"]["recent"])
    served.desk.end()
    state = served.state()
    assert state["ending"]
    assert state["last"]["outcome"] == "stopped"
    assert state["stored"]["rows"]["pending"] > 0
    _, why = served.refused("POST", "/start", {})
    assert "the desk is ending" in why


def test_a_run_that_was_started_elsewhere_is_shown_and_not_stopped(served):
    rows = write_rows(served.db.with_name("rows.jsonl"), 48)
    command = [*MAIN, "run", str(rows), "--db", str(served.db), "-q"]
    with ended(subprocess.Popen(command, stderr=subprocess.DEVNULL)) as process:
        run = served.wait(lambda s: s["run"] and s["run"]["status"]["recent"])["run"]
        assert not run["here"]
        assert run["status"]["pid"] == process.pid
        _, why = served.refused("POST", "/stop")
        assert "stopped there" in why
        _, why = served.refused("POST", "/start", {})
        assert f"started elsewhere as process {process.pid}" in why
        assert served.get("/rows")["as_of"]


def test_a_side_file_of_a_killed_run_is_no_run(served):
    state = {"pid": os.getpid(), "at": time.time() - 3600}
    side_file(served.db).write_text(json.dumps(state))
    assert served.state()["run"] is None
    side_file(served.db).write_text(json.dumps({"pid": "x"}))
    assert served.state()["run"] is None


def test_decisions_outlive_a_run_that_closes_the_review(tmp_path):
    fill(tmp_path / "s.duckdb", 4)
    rows = write_rows(tmp_path / "rows.jsonl", 1)
    with serving(tmp_path / "s.duckdb") as served:
        first = served.post("/review")["number"]
        assert served.post("/review")["number"] == first
        row = served.post("/review/rows/0", {"decision": "rejected", "note": "no"})["row"]
        # What is read meanwhile is read through the review: nobody else may take the file.
        assert served.get("/rows")["rows"][0]["decision"] == "rejected"
        busy = subprocess.run(
            [*MAIN, "run", "--db", str(served.db)], capture_output=True, text=True, timeout=60
        )
        assert "in use by another process" in busy.stderr
        served.post("/start", {"inputs": [str(rows)], "check": False})
        _, why = served.refused("GET", "/review/rows/0")
        assert "The review has ended" in why
        served.ended()
        assert served.post("/review")["number"] == first + 1
        served.post("/review/end")
        assert not served.state()["reviewing"]
    with Store.open(tmp_path / "s.duckdb", read_only=True) as store:
        review = store.reviewed(row)
        assert (review.decision, review.note, review.reviewer) == ("rejected", "no", "ann")


def test_an_export_writes_rows_and_card_and_says_what_it_left_out(tmp_path):
    fill(tmp_path / "s.duckdb", 4)
    out = tmp_path / "out.jsonl"
    with serving(tmp_path / "s.duckdb") as served:
        done = served.post("/export", {"output": str(out), "where": "row < 3"})
        assert done["files"] == [{"path": str(out), "rows": 2}]
        assert len(out.read_text().splitlines()) == 2
        assert os.path.exists(done["card"])
        for form, said in (
            ({"output": str(out)}, "exists"),
            ({"output": "-"}, "no file name"),
            ({"output": ""}, "no file name"),
            ({"output": str(tmp_path / "x.txt")}, "no ending that is known"),
            ({"output": str(tmp_path / "gone" / "x.jsonl")}, "does not exist"),
            ({"output": str(tmp_path / "y.jsonl"), "where": "nonsense"}, "nonsense"),
            ({"output": str(tmp_path / "y.jsonl"), "format": "xml"}, "format: "),
            ({"output": str(tmp_path / "y.jsonl"), "pairs": "any"}, "pairs: "),
            ({"output": str(tmp_path / "y.jsonl"), "pairs": "conflict"}, "--format dpo or kto"),
        ):
            status, why = served.refused("POST", "/export", form)
            assert status == 400
            assert said in why
        done = served.post("/export", {"output": str(out), "replace": True, "format": "sharegpt"})
        assert done["files"][0]["rows"] > 2
        pairs = {"output": str(tmp_path / "p.jsonl"), "format": "kto", "pairs": "obey-violate"}
        done = served.post("/export", pairs)
        assert done["files"] == [{"path": str(tmp_path / "p.jsonl"), "rows": 0}]
        assert any(note.startswith("no pair from") for note in done["notes"])
        into = {"output": f"{tmp_path}/folder/"}
        done = served.post("/export", into)
        assert [of["path"] for of in done["files"]] == [f"{tmp_path}/folder/train.jsonl"]
        assert done["card"] == f"{tmp_path}/folder/README.md"
        status, why = served.refused("POST", "/export", into)
        assert (status, "train.jsonl exists" in why) == (400, True)
        served.post("/export", {**into, "replace": True})


def test_rows_are_found_by_state_and_words_page_by_page(tmp_path):
    fill(tmp_path / "s.duckdb", 50)
    with serving(tmp_path / "s.duckdb") as served:
        first = served.get("/rows?state=final")
        assert len(first["rows"]) == 20
        assert first["more"]
        after = first["rows"][-1]["row"]
        assert served.get(f"/rows?state=final&after={after}")["rows"][0]["row"] > after
        [row] = served.get("/rows?words=QUESTION%2033%3F")["rows"]
        assert row["row"] == 33
        assert served.get("/rows?words=%27%29%20OR%20true%20--")["rows"] == []
        assert {r["state"] for r in served.get("/rows?state=dropped")["rows"]} == {"dropped"}
        assert served.refused("GET", "/rows?state=x")[0] == 400


def test_stores_and_ports_that_will_not_do(tmp_path):
    fill(tmp_path / "newer.duckdb", 1)
    with duckdb.connect(str(tmp_path / "newer.duckdb")) as con:
        con.execute("INSERT INTO migrations VALUES (99, 'later', now()::TIMESTAMP)")
    with pytest.raises(UsageError, match="comes from a newer sysgen-local"):
        Desk(tmp_path / "newer.duckdb")
    (tmp_path / "rows.duckdb").write_text("no database at all")
    with pytest.raises(UsageError, match="is not a DuckDB file"):
        Desk(tmp_path / "rows.duckdb")
    with pytest.raises(UsageError, match="does not exist"):
        Desk(tmp_path / "gone" / "s.duckdb")
    with serving(tmp_path / "s.duckdb") as served:
        port = served.server.server_port
        with pytest.raises(UsageError, match=f"port {port} cannot be had"):
            DeskServer(served.desk, RunForm(), port=port)


def test_a_store_in_use_is_read_and_not_written(tmp_path):
    fill(tmp_path / "s.duckdb", 3)
    command = [*MAIN, "review", "--no-open", "--db", str(tmp_path / "s.duckdb")]
    with ended(subprocess.Popen(command, stdout=subprocess.PIPE, text=True)) as process:
        process.stdout.readline()
        with serving(tmp_path / "s.duckdb") as served:
            assert served.state()["stored"]["as_of"]
            assert len(served.get("/rows")["rows"]) == 3
            _, why = served.refused("POST", "/review")
            assert f"in use by another process (PID {process.pid})" in why
            served.post("/start", {})
            last = served.ended()["last"]
            assert last["outcome"] == "failed"
            assert f"in use by another process (PID {process.pid})" in last["says"]
