"""The benchmark `own` end to end: the built-in model answers in llama.cpp, rules grade."""

from __future__ import annotations

import json
import subprocess
import time

import duckdb
import pytest
from places import ROOT
from questions import ONE_SENTENCE, command, instance, obey, plain, run, write

import sysgen_local as sysgen
from sysgen_local.core.errors import UsageError
from sysgen_local.engine.factory import open_engine
from sysgen_local.evaluation.benchmarks import by_rule
from sysgen_local.evaluation.benchmarks.by_rule import UNREADABLE
from sysgen_local.report.status import read_status
from sysgen_local.running import executor

SHORT = ("--max-answer-tokens", 24, "--slots", 4, "-q")
RESULTS = (
    'SELECT "row", replies, marks, reasons FROM answers JOIN markings USING (sitting) '
    'JOIN verdicts USING (marking, "row") ORDER BY marking, "row"'
)
ASKED = {"model": "builtin", "max_answer_tokens": 24, "slots": 4}


def query(path, sql):
    with duckdb.connect(str(path), read_only=True) as con:
        return con.execute(sql).fetchall()


def items(number):
    return [obey(n) if n % 2 else plain(n) for n in range(1, number + 1)]


@pytest.fixture
def own(tmp_path):
    return write(tmp_path / "mine.jsonl", items(5))


@pytest.fixture
def opened(monkeypatch):
    """The models that are loaded."""
    names: list[str] = []

    def counting(model, *given, **more):
        names.append(model.path.name)
        return open_engine(model, *given, **more)

    monkeypatch.setattr(executor, "open_engine", counting)
    return names


@pytest.mark.model
def test_one_model_answers_and_no_judge_is_loaded(tmp_path, own, opened):
    db = tmp_path / "e.duckdb"
    scores = sysgen.evaluate("own", own, db=db, **ASKED)
    assert opened == ["builtin.gguf"]
    assert scores["questions"]["judged"] == 5
    assert scores["counts"]["obey"] == 3
    assert scores["counts"]["plain"] == 2
    marks = [mark for _, _, (marks, _), _ in query(db, RESULTS) for mark in marks]
    met = scores["counts"]["demands_met"] + scores["counts"]["plain_kept"]
    assert marks.count("yes") == met
    assert sysgen.evaluate("own", own, db=db, **ASKED) == scores
    assert opened == ["builtin.gguf"], "everything is there"


@pytest.mark.model
def test_other_rules_grade_the_answers_that_are_there(tmp_path, own, opened, monkeypatch):
    db = tmp_path / "e.duckdb"
    scores = sysgen.evaluate("own", own, db=db, **ASKED)
    monkeypatch.setattr(by_rule, "VERSION", "next")
    assert sysgen.evaluate("own", own, db=db, **ASKED) == scores
    assert opened == ["builtin.gguf"], "no model is needed for that"
    assert query(db, "SELECT count(*) FROM answers") == [(5,)]
    assert query(db, "SELECT count(*) FROM verdicts") == [(10,)]


@pytest.mark.model
def test_a_judge_is_refused(tmp_path, own):
    with pytest.raises(UsageError, match="own takes no judge"):
        sysgen.evaluate("own", own, db=tmp_path / "e.duckdb", judge="builtin", **ASKED)


WARM = {"phrase": "Be friendly.", "kind": "read", "text": "Be friendly."}


@pytest.mark.model
def test_a_judge_reads_what_no_rule_can_test(tmp_path, opened):
    """The answers are asked once; what the rules found is the same with a judge."""
    lines = [obey(n, checks=[ONE_SENTENCE, WARM]) for n in range(1, 4)]
    file, db = write(tmp_path / "own.jsonl", [*lines, plain(4)]), tmp_path / "e.duckdb"
    without = sysgen.evaluate("own", file, db=db, **ASKED)
    assert without["read"] is None
    assert without["counts"]["read_not_graded"] == 3
    loaded = list(opened)
    read = sysgen.evaluate("own", file, db=db, judge="builtin", **ASKED)
    assert len(opened) == len(loaded) + 1
    assert query(db, "SELECT count(*) FROM answers") == [(4,)]
    assert read["counts"]["read_graded"] == 3
    assert read["read"] == read["counts"]["read_met"] / 3
    for scores in (read["intervals"], without["intervals"]):
        assert (scores.pop("read")["low"] is None) is (scores is without["intervals"])
    assert {name: of for name, of in read.items() if name not in ("read", "counts")} == {
        name: of for name, of in without.items() if name not in ("read", "counts")
    }
    for judge, before in ((None, without), ("builtin", read)):
        again = sysgen.evaluate("own", file, db=db, judge=judge, **ASKED)
        del again["intervals"]["read"]
        assert again == before
    assert len(opened) == len(loaded) + 1, "everything is there"


def test_a_study_of_conflicts_and_its_report(tmp_path):
    lines = (ROOT / "examples" / "conflict.jsonl").read_text(encoding="utf-8").splitlines()
    wanted = [line for line in lines if json.loads(line)["id"].split("-")[0] in "12"]
    file = tmp_path / "mixed.jsonl"
    file.write_text("".join(f"{line}\n" for line in wanted), encoding="utf-8")
    db = tmp_path / "e.duckdb"
    options = ("study", "before=builtin", "after=builtin@user", "--own", file, "--db", db, *SHORT)
    table, differences = json.loads(run(*options, "--json").stdout)["tables"]
    more = ["conflict", "conflict drop", "distract", "distract drop", "turns", "last turn"]
    assert [name for name in table["columns"] if name in more] == more
    assert [row[0] for row in differences["rows"] if row[0] in more] == more
    rows = tmp_path / "rows.duckdb"
    made = write(tmp_path / "r.jsonl", [{"instruction": "Why?", "output": "So."}])
    run("filter", made, "--db", rows, "-q")
    run("report", "-o", tmp_path / "page.html", "--db", rows, "--evaluation", db)
    page = (tmp_path / "page.html").read_text()
    for name in more:
        assert page.count(name) >= 2, name  # of the study, and of every run


def test_the_command(tmp_path, own):
    db = tmp_path / "e.duckdb"
    options = ("--model", "builtin", "--db", db, *SHORT)
    scores = json.loads(run("evaluate", "own", own, *options, "--json").stdout)
    shown = run("evaluate", "own", own, *options).stdout
    for words in ("phrases: demands met", "plain: agrees", "sentences", "result"):
        assert words in shown
    assert set(scores) >= {"phrases", "items", "result", "plain", "kinds", "counts", "questions"}
    user = json.loads(run("evaluate", "own", own, *options, "--system-in", "user", "--json").stdout)
    assert user["counts"]["demands"] == scores["counts"]["demands"]
    assert query(db, "SELECT count(*) FROM sittings") == [(2,)]
    said = run("evaluate", "own", own, *options, "--judge", "builtin", code=2)
    assert "no phrase that a judge must read" in said.stderr


def test_killed_and_taken_up_again(tmp_path):
    file = write(tmp_path / "own.jsonl", items(24))
    options = (file, "--model", "builtin", *SHORT, "--json")
    whole = run("evaluate", "own", *options, "--db", tmp_path / "whole.duckdb").stdout
    part = tmp_path / "part.duckdb"
    process = subprocess.Popen(
        command("evaluate", "own", *options, "--db", part),
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    deadline = time.monotonic() + 300
    while process.poll() is None and not ((s := read_status(part)) and s["rows"]["final"] >= 3):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.kill()
    process.wait(timeout=60)
    kept = query(part, RESULTS)
    assert len(kept) > 0
    assert run("evaluate", "own", *options, "--db", part).stdout == whole
    assert query(part, RESULTS) == query(tmp_path / "whole.duckdb", RESULTS)
    assert [row for row in query(part, RESULTS) if row in kept] == kept


def test_an_item_without_marks_is_named(tmp_path):
    other = obey(2, checks=[ONE_SENTENCE | {"text": "exactly 9 sentences"}])
    long = obey(3, system="Say no word of the sea. " * 400 + "Answer in one sentence.")
    file = write(tmp_path / "own.jsonl", [obey(1), other, long])
    options = (file, "--model", "builtin", "--db", tmp_path / "e.duckdb", "--context", 1024, *SHORT)
    said = run("evaluate", "own", *options, "--json")
    scores = json.loads(said.stdout)
    assert scores["questions"]["failed"] == {UNREADABLE: 1, "answer_too_long": 1}
    assert scores["counts"]["demands"] == 1
    assert "the numbers are of 1 of 3 questions" in said.stderr
    assert f"o2: {UNREADABLE}: the rules read no sentences 'exactly 9 sentences'" in said.stderr
    assert "o3: answer_too_long" in said.stderr
    again = run("evaluate", "own", *options, "--json", "--retry-failed")
    assert json.loads(again.stdout) == scores


def test_a_file_that_is_wrong_starts_nothing(tmp_path):
    db = tmp_path / "e.duckdb"
    file = write(tmp_path / "own.jsonl", [obey(1), instance(1)])
    said = run("evaluate", "own", file, "--model", "builtin", "--db", db, code=2)
    assert f"{file}, line 2: kind: Field required" in said.stderr
    said = run("evaluate", "own", file, code=2)
    assert "--model is missing" in said.stderr
    assert not db.exists()


STUDY = ("before=builtin", "after=builtin", "folded=builtin@user")


def test_a_study_of_several_files_without_a_judge(tmp_path, own):
    other = write(tmp_path / "other.jsonl", [obey(n) for n in range(1, 4)])
    db, out = tmp_path / "e.duckdb", tmp_path / "study.md"
    options = ("study", *STUDY, "--own", own, "--own", other, "--db", db, *SHORT)
    run(*options, "-o", out)
    text = out.read_text()
    for heading in ("### mine, %\n", "### mine, %: differences", "### other, %\n"):
        assert heading in text
    assert "| number | after - before | folded - before |" in text
    assert "| items | +0.0 [+0.0, +0.0] |" in text  # the same model under another name
    answers = query(db, "SELECT count(*) FROM answers")
    said = run(*options, "-o", out, "--baseline", "folded", "--json")
    assert "| number | before - folded | after - folded |" in out.read_text()
    assert query(db, "SELECT count(*) FROM answers") == answers
    found = json.loads(said.stdout)
    same = [of for of in found["comparisons"] if of["p_holm"] is not None]
    assert {(of["baseline"], of["compared"]) for of in same} == {("folded", len(same))}
    for of in same:  # one model under three names
        assert (of["difference"], of["p"], of["p_holm"], of["survives"]) == (0, 1, 1, False)
        assert of["detectable"] == of["error"] == 0
    assert "no difference is significant after Holm's correction for the " in out.read_text()
    first = found["tables"][0]
    assert first["columns"] == [
        "model", "phrases", "items", "result", "plain", "cut off", "empty", "looping", "echo"
    ]  # fmt: skip
    assert [row[0] for row in first["rows"]] == ["before", "after", "folded"]
    rows = tmp_path / "rows.duckdb"
    made = write(tmp_path / "r.jsonl", [{"instruction": "Why?", "output": "So."}])
    run("filter", made, "--db", rows, "-q")
    run("report", "-o", tmp_path / "page.html", "--db", rows, "--evaluation", db)
    page = (tmp_path / "page.html").read_text()
    for title in ("mine, %: differences", "other, %: differences", "mine, %: every run"):
        assert title in page


def test_what_a_study_refuses(tmp_path, own, instances):
    db = tmp_path / "e.duckdb"
    options = ("--db", db, "-q")
    said = run("study", *STUDY, "--own", own, *options, "--baseline", "later", code=2)
    assert "no model is called later" in said.stderr
    said = run("study", *STUDY, "--multifacet", instances, "--own", own, *options, code=2)
    assert "--judge is missing" in said.stderr
    (tmp_path / "again").mkdir()
    same = write(tmp_path / "again" / "mine.jsonl", [obey(1)])
    said = run("study", *STUDY, "--own", own, "--own", same, *options, code=2)
    assert "two files are called mine" in said.stderr
    said = run("study", *STUDY, *options, code=2)
    assert "--own" in said.stderr
    assert not db.exists()


def test_the_examples_are_answered(tmp_path):
    file = ROOT / "examples" / "obey.jsonl"
    options = ("--model", "builtin", "--db", tmp_path / "e.duckdb", "--limit", 12, *SHORT)
    scores = json.loads(run("evaluate", "own", file, *options, "--json").stdout)
    assert scores["questions"] == {
        "all": 12, "judged": 12, "failed": {}, "pending": 0,
        "answers_cut_off": scores["counts"]["cut_off"],
    }  # fmt: skip
