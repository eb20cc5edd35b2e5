"""IFEval, Multi-IF and IHEval end to end: the built-in model answers in llama.cpp, rules grade."""

from __future__ import annotations

import json

import duckdb
import pytest
from instructed import SHORT, ifeval, iheval, multi_if, place, write_csv
from questions import run, write

import sysgen_local as sysgen
from sysgen_local.core.errors import UsageError
from sysgen_local.report.benchmarks import section
from sysgen_local.store.evaluation import Evaluation

ASKED = {"model": "builtin", "max_answer_tokens": 24, "slots": 4}
SMALL = ("--model", "builtin", "--max-answer-tokens", 24, "--slots", 4, "-q")


def query(path, sql):
    with duckdb.connect(str(path), read_only=True) as con:
        return con.execute(sql).fetchall()


@pytest.mark.model
def test_a_run_is_taken_up_and_another_limit_adds_to_it(tmp_path):
    file = write(tmp_path / "a.jsonl", [ifeval(n) for n in range(1, 5)])
    db = tmp_path / "e.duckdb"
    first = sysgen.evaluate("ifeval", file, db=db, limit=2, **ASKED)
    answers = 'SELECT "row", replies, "at" FROM answers ORDER BY "row"'
    before = query(db, answers)
    assert len(before) == first["questions"]["judged"] == 2
    whole = sysgen.evaluate("ifeval", file, db=db, **ASKED)
    assert query(db, answers)[:2] == before  # kept, not asked again
    assert whole["questions"]["judged"] == 4
    assert whole["counts"]["instructions"] == 8


@pytest.mark.model
def test_three_turns_are_asked_with_the_model_s_own_answers(tmp_path):
    file = write_csv(tmp_path / "a.csv", [multi_if("a"), multi_if("b", [SHORT])])
    scores = sysgen.evaluate("multi-if", file, db=tmp_path / "e.duckdb", **ASKED)
    assert [of["all_languages"]["prompts"] for of in scores["turns"].values()] == [2, 1, 1]
    replies = query(tmp_path / "e.duckdb", 'SELECT len(replies) FROM answers ORDER BY "row"')
    assert replies == [(3,), (1,)]


@pytest.mark.model
def test_these_benchmarks_take_no_judge(tmp_path):
    file = write(tmp_path / "a.jsonl", [ifeval(1)])
    with pytest.raises(UsageError, match="ifeval takes no judge: rules grade the answers"):
        sysgen.evaluate("ifeval", file, judge="builtin", db=tmp_path / "e.duckdb", **ASKED)


def test_the_commands_print_tables_and_what_was_left_out(tmp_path):
    db = tmp_path / "e.duckdb"
    items = [ifeval(1), ifeval(2, ("keywords:rhyme", {}))]
    done = run("evaluate", "ifeval", write(tmp_path / "a.jsonl", items), *SMALL, "--db", db)
    assert "prompts: all instructions followed" in done.stdout
    assert "punctuation:no_comma" in done.stdout
    assert "the numbers are of 1 of 2 questions" in done.stderr
    assert "2: instruction_unreadable: 'keywords:rhyme' is no kind of instruction" in done.stderr
    assert "no rule grades these: asking again does not help" in done.stderr
    assert "--retry-failed" not in done.stderr

    file = write_csv(tmp_path / "m.csv", [multi_if("a")])
    done = run("evaluate", "multi-if", file, *SMALL, "--db", db)
    assert "all languages" in done.stdout
    assert "English" in done.stdout

    root = tmp_path / "benchmark"
    place(root, "rule-following/single-turn/conflict/default", [iheval(1), iheval(2)])
    place(root, "tool-use/slack-user/conflict/weak", [{"id": 1}])
    done = run("evaluate", "iheval", root, *SMALL, "--db", db, "--limit", 1)
    assert "single-turn" in done.stdout
    done = run("evaluate", "iheval", root, *SMALL[:-1], "--db", db, "--json")
    assert "left out: slack-user, whose items need tools" in done.stderr
    assert json.loads(done.stdout)["questions"]["judged"] == 2


def test_a_study_has_intervals_and_the_report_has_its_tables(tmp_path):
    db = tmp_path / "e.duckdb"
    file = write(tmp_path / "a.jsonl", [ifeval(n) for n in range(1, 4)])
    rows = write_csv(tmp_path / "m.csv", [multi_if(n) for n in "abc"])
    place(tmp_path / "b", "rule-following/single-turn/aligned/default", [iheval(1), iheval(2)])
    done = run(
        "study", "a=builtin", "b=builtin@user", "--ifeval", file, "--multi-if", rows,
        "--iheval", tmp_path / "b", *SMALL[2:], "--db", db, "--json",
    )  # fmt: skip
    tables = {table["title"]: table for table in json.loads(done.stdout)["tables"]}
    assert tables["IFEval, %"]["columns"] == [
        "model", "prompt strict", "instruction strict", "prompt loose", "instruction loose"
    ]  # fmt: skip
    multi = "Multi-IF: mean of the four accuracies, %"
    assert tables[multi]["columns"] == ["model", "turn 1", "turn 2", "turn 3"]
    assert tables["IHEval, %"]["columns"] == ["model", "aligned"]
    assert "+0.0 [+0.0, +0.0]" in tables["IFEval, %: differences"]["rows"][0]
    with Evaluation.open(db, read_only=True) as store:
        every = {
            table.title: table for table in section(store) if table.title.endswith("every run")
        }
    assert [*every] == [f"{title}: every run" for title in ("IFEval, %", multi, "IHEval, %")]
    for table in every.values():
        assert [row[1] for row in table.rows] == ["rules", "rules"], table
        assert {row[-1] for row in table.rows} <= {"3 of 3", "2 of 2"}, table
    assert "-" not in every["IFEval, %: every run"].rows[0]


def test_a_missing_file_and_one_of_another_benchmark_end_with_2(tmp_path):
    db = tmp_path / "e.duckdb"
    done = run("evaluate", "ifeval", tmp_path / "no.jsonl", *SMALL, "--db", db, code=2)
    assert "published at https://huggingface.co/datasets/google/IFEval" in done.stderr
    file = write(tmp_path / "a.jsonl", [ifeval(1)])
    done = run("evaluate", "own", file, *SMALL, "--db", db, code=2)
    assert "it looks like one of ifeval" in done.stderr
    assert not db.exists()
