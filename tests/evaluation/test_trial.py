"""Benchmarks end to end: the built-in model answers and judges, in a file of its own."""

from __future__ import annotations

import json
import subprocess
import time

import duckdb
from questions import command, dialogue, run, write

from sysgen_local.report.status import read_status

SHORT = ("--max-answer-tokens", 24, "--slots", 4, "-q", "--json")
RESULTS = (
    'SELECT "row", replies, marks, reasons FROM answers JOIN markings USING (sitting) '
    'JOIN verdicts USING (marking, "row") ORDER BY marking, "row"'
)


def results(path):
    with duckdb.connect(str(path), read_only=True) as con:
        return con.execute(RESULTS).fetchall()


def finished(path):
    """Questions through, as the running command tells beside its file."""
    status = read_status(path)
    return status["rows"]["final"] if status else 0


def test_sysbench(tmp_path, dialogues):
    options = (dialogues, "--model", "builtin", "--db", tmp_path / "e.duckdb", *SHORT)
    scores = json.loads(run("evaluate", "sysbench", *options).stdout)
    assert scores["questions"]["judged"] == scores["questions"]["all"] == 3
    assert scores["counts"]["criteria"] == 9
    found = results(tmp_path / "e.duckdb")
    assert [len(replies) for _, replies, *_ in found] == [2, 2, 2]
    marks = [mark for _, _, marks, _ in found for turn in marks for mark in turn]
    assert set(marks) <= {"yes", "no"}
    assert scores["csr"]["total"] == marks.count("yes") / 9
    again = json.loads(run("evaluate", "sysbench", *options).stdout)
    assert again == scores
    assert results(tmp_path / "e.duckdb") == found
    run("evaluate", "sysbench", *options, "--history", "gold", "--system-in", "user")
    with duckdb.connect(str(tmp_path / "e.duckdb")) as con:
        assert con.execute("SELECT count(*) FROM sittings").fetchall() == [(2,)]
        stored = dict(con.execute("SELECT metric, value FROM scores WHERE marking = 1").fetchall())
    assert stored["csr.total"] == scores["csr"]["total"]
    assert stored["isr.dependent/aligned"] == scores["isr"]["dependent/aligned"]


def test_multifacet_with_two_judges_in_one_file(tmp_path, instances):
    options = (instances, "--model", "builtin", "--db", tmp_path / "e.duckdb", *SHORT)
    scores = json.loads(run("evaluate", "multifacet", *options).stdout)
    assert 1 <= scores["average"] <= 5
    assert scores["benchmarks"].keys() == {"koala", "mt_bench"}
    assert scores["counts"]["rubrics"] == 12
    sees = json.loads(run("evaluate", "multifacet", *options, "--judge-sees-system").stdout)
    assert sees["counts"]["rubrics"] == 12
    with duckdb.connect(str(tmp_path / "e.duckdb")) as con:
        counts = [con.execute(f"SELECT count(*) FROM {t}").fetchall() for t in
                  ("sittings", "markings", "answers", "verdicts")]  # fmt: skip
    assert counts == [[(1,)], [(2,)], [(3,)], [(6,)]]


def test_killed_and_taken_up_again(tmp_path):
    """Nothing that was committed is lost, nothing is done twice, and the end is the same."""
    file = write(tmp_path / "d.jsonl", [dialogue(n) for n in range(1, 9)])
    options = (file, "--model", "builtin", *SHORT)
    whole = run("evaluate", "sysbench", *options, "--db", tmp_path / "whole.duckdb").stdout
    part = tmp_path / "part.duckdb"
    kept = 0
    for enough in (2, 4, 6):
        process = subprocess.Popen(
            command("evaluate", "sysbench", *options, "--db", part),
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        deadline = time.monotonic() + 300
        while process.poll() is None and finished(part) < enough:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        process.kill()
        process.wait(timeout=60)
        now = len(results(part))
        assert now >= kept
        kept = now
    assert kept > 0
    said = run("evaluate", "sysbench", *options, "--db", part).stdout
    assert json.loads(said) == json.loads(whole)
    assert results(part) == results(tmp_path / "whole.duckdb")


def test_a_longer_limit_goes_on(tmp_path, instances):
    options = (instances, "--model", "builtin", "--db", tmp_path / "e.duckdb", *SHORT)
    one = json.loads(run("evaluate", "multifacet", *options, "--limit", 1).stdout)
    assert one["counts"]["instances"] == 1
    all_ = json.loads(run("evaluate", "multifacet", *options).stdout)
    assert all_["counts"]["instances"] == 3
    assert len(results(tmp_path / "e.duckdb")) == 3


def test_a_judge_that_never_ends_its_reply_is_no_zero(tmp_path, dialogues):
    db = tmp_path / "e.duckdb"
    options = (dialogues, "--model", "builtin", "--db", db, *SHORT)
    said = run("evaluate", "sysbench", *options, "--max-judge-tokens", 6, code=1)
    assert said.stdout == ""
    assert "no question" in said.stderr
    assert "judge_cut_off 3" in said.stderr
    with duckdb.connect(str(db), read_only=True) as con:
        dropped = con.execute("SELECT DISTINCT dropped FROM verdicts").fetchall()
    assert dropped == [("judge_cut_off",)]


def test_a_dialogue_that_does_not_fit_is_counted(tmp_path):
    long = dialogue(2, system="Say no word of the sea. " * 400)
    file = write(tmp_path / "d.jsonl", [dialogue(1), long])
    options = (file, "--model", "builtin", "--db", tmp_path / "e.duckdb", *SHORT)
    said = run("evaluate", "sysbench", *options, "--context", 1024)
    scores = json.loads(said.stdout)
    assert scores["questions"]["failed"] == {"answer_too_long": 1}
    assert scores["counts"]["sessions"] == 1
    assert "1 of 2 questions" in said.stderr
    said = run("evaluate", "sysbench", *options, "--context", 1024, "--retry-failed")
    assert json.loads(said.stdout) == scores


def test_study(tmp_path, dialogues, instances):
    out = tmp_path / "study.md"
    options = (
        "before=builtin", "after=builtin", "folded=builtin@user", "--judge", "builtin",
        "--sysbench", dialogues, "--multifacet", instances, "--db", tmp_path / "e.duckdb",
        "--max-answer-tokens", 24, "--slots", 4, "-q", "-o", out,
    )  # fmt: skip
    said = run("study", *options).stdout
    text = out.read_text()
    for heading in ("### SysBench, %", "### Multifacet", "differences"):
        assert heading in text
    assert "| CSR | +0.0 [+0.0, +0.0] |" in text  # the same model under another name
    assert "folded" in said
    with duckdb.connect(str(tmp_path / "e.duckdb"), read_only=True) as con:
        assert con.execute("SELECT count(*) FROM sittings").fetchall() == [(4,)]
        labels = con.execute("SELECT DISTINCT after_label FROM comparisons").fetchall()
    assert {"folded"} <= {label for (label,) in labels}


def test_the_report_shows_a_study(tmp_path, instances):
    rows = write(tmp_path / "rows.jsonl", [{"instruction": "Why is rain wet?", "output": "Water."}])
    db = tmp_path / "rows.duckdb"
    run("filter", rows, "--db", db, "-q")
    run(
        "study", "<b>=builtin", "after=builtin@user", "--judge", "builtin", "--multifacet",
        instances, "--db", tmp_path / "e.duckdb", "--max-answer-tokens", 16, "-q",
    )  # fmt: skip
    page = tmp_path / "page.html"
    run("report", "-o", page, "--db", db, "--evaluation", tmp_path / "e.duckdb")
    text = page.read_text()
    assert "Multifacet: mean of the instances" in text
    assert "&lt;b&gt;" in text
    assert "<b>=" not in text


def test_a_server_is_evaluated_and_judges(tmp_path, server, dialogues):
    db = tmp_path / "e.duckdb"
    options = (dialogues, "--model", server, "--limit", 2, "--db", db, *SHORT)
    scores = json.loads(run("evaluate", "sysbench", *options).stdout)
    assert scores["questions"]["judged"] == 2
    named = run("evaluate", "sysbench", *options, "--judge", "builtin").stdout
    assert json.loads(named)["questions"]["judged"] == 2
    with duckdb.connect(str(db), read_only=True) as con:
        [(facts,)] = con.execute("SELECT facts FROM sittings").fetchall()
        judges = con.execute("SELECT facts['judge'] FROM markings ORDER BY marking").fetchall()
    assert facts["model"].startswith(f"{server}#")  # else it is another answer run
    assert judges == [(facts["model"],), ("builtin",)]
