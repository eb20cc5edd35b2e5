"""`sysgen desk` as a process: its end, and what is refused with a sentence."""

from __future__ import annotations

import http.client
import json
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from threading import Thread
from urllib.parse import parse_qs, urlsplit

import pytest
from desks import write_rows
from filled import fill
from processes import ended, first_line

from sysgen_local.report.status import read_status
from sysgen_local.store import Store

MAIN = [sys.executable, "-m", "sysgen_local.cli.main", "desk", "--no-open"]


def started(folder, *arguments):
    return ended(
        subprocess.Popen(
            [*MAIN, *map(str, arguments)],
            cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
    )  # fmt: skip


def ask(address, path, body=None):
    url = urlsplit(address)
    con = http.client.HTTPConnection(url.netloc, timeout=30)
    headers = {"Authorization": f"Bearer {parse_qs(url.query)['token'][0]}"}
    con.request("POST" if body is not None else "GET", path, body and json.dumps(body), headers)
    answer = con.getresponse()
    text = answer.read()
    assert answer.status == 200, text
    return json.loads(text)


def _try(address, path):
    with suppress(OSError, http.client.HTTPException):
        ask(address, path, {"x": 1})


@pytest.mark.parametrize("kind", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_stops_the_run_in_good_order(tmp_path, kind):
    write_rows(tmp_path / "rows.jsonl", 120)
    database = tmp_path / "s.duckdb"
    with started(tmp_path, "--db", "s.duckdb") as process:
        address = first_line(process).split()[0]
        assert ask(address, "/state")["stored"] is None
        ask(address, "/start", {"inputs": ["rows.jsonl"]})
        deadline = time.monotonic() + 120
        while not (status := read_status(database)) or not status["recent"]:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        process.send_signal(kind)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 0, said
    assert "stopping the run in good order" in said
    assert "the run was stopped; `sysgen run --db s.duckdb` or the desk resumes it" in said
    assert read_status(database) is None
    with Store.open(database, create=False) as store:
        assert store.counts().pending > 0
        assert store.last_run().outcome == "interrupted"


def test_without_a_run_ctrl_c_ends_it_without_a_word(tmp_path):
    fill(tmp_path / "s.duckdb", 2)
    with started(tmp_path, "--db", "s.duckdb", "rows.jsonl", "--limit", 3) as process:
        address = first_line(process).split()[0]
        ask(address, "/review", {"open": True})
        assert len(ask(address, "/rows")["rows"]) == 2
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=60)[1] == ""
    assert process.returncode == 0


def test_what_is_being_read_at_its_end_is_waited_for(tmp_path):
    """A thread inside DuckDB at the end of the process would crash it."""
    fill(tmp_path / "s.duckdb", 400, checks=True)
    with started(tmp_path, "--db", "s.duckdb") as process:
        address = first_line(process).split()[0]
        report = Thread(target=_try, args=(address, "/report"), daemon=True)
        report.start()
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
        report.join(60)
    assert process.returncode == 0, said


def test_what_will_not_do_is_a_sentence(tmp_path):
    import duckdb

    fill(tmp_path / "s.duckdb", 2)
    shutil.copy(tmp_path / "s.duckdb", tmp_path / "newer.duckdb")
    with duckdb.connect(tmp_path / "newer.duckdb") as con:
        con.execute("INSERT INTO migrations VALUES (99, 'later', now()::TIMESTAMP)")
    with started(tmp_path, "--db", "s.duckdb") as process:
        port = urlsplit(first_line(process).split()[0]).port
        for arguments, said in (
            (["--db", "newer.duckdb"], "comes from a newer sysgen-local"),
            (["--db", "t.duckdb", "--port", port], f"port {port} cannot be had"),
            (["--db", "gone/t.duckdb"], "The folder gone does not exist"),
        ):
            done = subprocess.run(
                [*MAIN, *map(str, arguments)],
                cwd=tmp_path, capture_output=True, text=True, timeout=60,
            )  # fmt: skip
            assert done.returncode == 2
            assert said in done.stderr
            assert "->" in done.stderr
            assert "Traceback" not in done.stderr
    assert not (tmp_path / "t.duckdb").exists()
