"""Multifacet's numbers: the official parser's cases, the official average, and what is refused."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from sysgen_local.core.errors import UsageError
from sysgen_local.evaluation.benchmarks.instances import read_instances, read_replies, read_sources
from sysgen_local.evaluation.benchmarks.multifacet import Rated, benchmark_of, parse, score

LEVELS = {str(n): f"level {n}" for n in range(1, 6)}
INSTANCE = {
    "source": "koala",
    "system": "You are a cook.",
    "prompt": "How long do I boil an egg?",
    "reference_answer": "Eight minutes.",
    "rubrics": [{"criteria": "Is it short?", "score_descriptions": LEVELS}] * 2,
}


def test_replies_are_read_as_the_official_parser_reads_them(shared_data):
    cases = (shared_data / "multifacet" / "multifaceted_parser_cases.jsonl").read_text()
    for line in cases.splitlines():
        case = json.loads(line)
        reply = parse(case["input"])
        assert (reply.score, reply.feedback) == (case["score"], case["feedback"]), case
        inside = reply.score is not None and 1 <= reply.score <= 5
        assert (reply.fault is None) == inside


def test_the_official_average(shared_data):
    path = shared_data / "multifacet" / "multifaceted_aggregate.json"
    official = json.loads(path.read_text())
    rated = read_replies(path, None)
    assert {r.id: list(r.scores) for r, _ in rated} == official["official_scores"]
    assert {r.id: [x.feedback for x in of] for r, of in rated} == official["official_feedback"]
    scores = score([r for r, _ in rated])
    assert scores["average"] == pytest.approx(official["official_average"], abs=1e-9)
    assert not scores["official_crashes"]


def test_the_command_flags_what_would_crash_or_is_out_of_range(tmp_path, shared_data):
    command = [sys.executable, "-m", "sysgen_local.cli.main", "evaluate", "multifacet", "--json"]
    path = shared_data / "multifacet" / "multifaceted_parser_cases.jsonl"
    said = subprocess.run(
        [*command, "--replies", path], capture_output=True, text=True, check=True, timeout=120
    ).stdout
    scores = json.loads(said)
    assert scores["official_crashes"]
    assert scores["average"] is None
    official = [json.loads(line)["score"] for line in path.read_text().splitlines()]
    assert [reply["score"] for reply in scores["replies"]] == official
    assert scores["counts"]["unparsable"] == official.count(None)
    assert scores["counts"]["out_of_range"] == 1


def test_mean_of_means():
    scores = score([Rated("a", "koala", (5, 5, 5, 5)), Rated("b", "mt_bench", (1, 2))])
    assert scores["average"] == 3.25
    assert scores["benchmarks"]["koala"]["average"] == 5


def test_a_missing_score_is_no_zero():
    scores = score([Rated("a", "koala", (5, None)), Rated("b", "koala", (3, 3))])
    assert scores["average"] is None
    assert scores["average_of_rated"] == 3
    assert scores["counts"]["unparsable"] == 1
    assert scores["official_crashes"]


def test_sources(tmp_path):
    assert benchmark_of("Alpha-nlg (art)") == "flask"
    assert benchmark_of("MT-bench") == "mt_bench"
    assert benchmark_of("self_instruct") == "self-instruct"
    assert benchmark_of("alpaca_eval", {"alpaca_eval": "mine"}) == "mine"
    assert benchmark_of("koala", {"alpaca_eval": "mine"}) == "other"
    (tmp_path / "t.json").write_text('{"a": "b"}')
    (tmp_path / "t.csv").write_text("a,b\n")
    assert read_sources(tmp_path / "t.json") == read_sources(tmp_path / "t.csv") == {"a": "b"}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"rubrics": []}, "rubrics"),
        ({"prompt": None}, "prompt"),
        ({"rubrics": [{"criteria": "x"}]}, "score_descriptions"),
        ({"source": 3}, "source"),
    ],
)
def test_bad_instances_are_refused(tmp_path, change, says):
    path = tmp_path / "instances.jsonl"
    path.write_text(json.dumps(INSTANCE) + "\n" + json.dumps(INSTANCE | change) + "\n")
    with pytest.raises(UsageError, match=f"line 2|entry 2.*{says}"):
        read_instances(path)


def test_replies_must_fit_the_instances(tmp_path):
    instances = tmp_path / "instances.json"
    instances.write_text(json.dumps([INSTANCE]))
    known = read_instances(instances)
    assert [i.id for i in known] == ["0"]
    replies = tmp_path / "replies.json"
    replies.write_text(json.dumps(["[RESULT] 3", "[RESULT] 4"]))
    [(rated, _)] = read_replies(replies, known)
    assert rated == Rated("0", "koala", (3, 4))
    replies.write_text(json.dumps({"0": ["[RESULT] 3"]}))
    with pytest.raises(UsageError, match="1 replies for the 2 rubrics"):
        read_replies(replies, known)
    replies.write_text(json.dumps({"7": ["[RESULT] 3"] * 2}))
    with pytest.raises(UsageError, match="not among"):
        read_replies(replies, known)
