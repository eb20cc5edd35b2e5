"""`python -m benchmarks.quality` as it is called, on the built-in model and on a store."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from places import ROOT

from benchmarks.quality.__main__ import main
from sysgen_local.store import Store


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory):
    """Two runs over three rows of four, and three labelled phrases: the object of `--json`, and
    the folder with the stores."""
    folder = tmp_path_factory.mktemp("quality")
    rows = folder / "rows.jsonl"
    asked = ["How do I boil an egg?", "Name a tree.", "Who wrote Faust?", "What is rain?"]
    rows.write_text(
        "".join(json.dumps({"instruction": a, "output": f"{a} Yes."}) + "\n" for a in asked)
    )
    phrases = folder / "phrases.jsonl"
    one = {"row": "1", "instruction": "Name a tree.", "answer": "An oak.", "made_by": "me"}
    told = [
        ("role", "You are a gardener.", "good"),
        ("tool", "-", "none"),
        ("task", "Name it.", "good"),
    ]
    phrases.write_text(
        "".join(json.dumps({**one, "tag": t, "text": x, "label": k}) + "\n" for t, x, k in told)
    )
    command = [
        sys.executable, "-m", "benchmarks.quality", "--model", "builtin", "--rows", rows,
        "--phrases", phrases, "--limit", 3, "--seed", 0, 1, "--keep", folder / "kept", "--json",
        "--", "--max-answer-tokens", 200, "--slots", 4,
    ]  # fmt: skip
    done = subprocess.run(
        [str(word) for word in command],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout), folder


def test_two_runs_on_the_built_in_model(made):
    found, folder = made
    assert [run["name"] for run in found["runs"]] == ["seed 0", "seed 1"]
    for seed, run in enumerate(found["runs"]):
        with Store.open(folder / "kept" / f"seed-{seed}.duckdb") as store:
            counts = store.counts()
        assert run["made_with"]["seed"] == str(seed)
        assert run["rows"]["input"] == 3
        assert run["rows"]["final"]["count"] == counts.final == run["tags"]["final"]["rows"]
        assert run["rows"]["final"]["of"] == 3
        assert run["phrases"]["generated"]["phrases"] > 0
        assert run["rows"]["rows_an_hour"] > 0
    finals = [run["rows"]["final"]["share"] for run in found["runs"]]
    assert found["medians"]["rows"]["final"] == pytest.approx(sum(finals) / 2)


def test_labelled_phrases_are_judged_by_the_model(made):
    found = made[0]["labelled_phrases"]
    assert found["phrases"] == 3
    assert found["recall_of_good"]["of"] == 2
    assert found["recall_of_not_good"]["of"] == 1
    assert 0 <= found["auc"]["value"] <= 1
    assert set(found["by_tag"]) == {"role", "task", "tool"}


def test_a_store_that_was_kept_gives_the_same_figures(made, capsys):
    found, folder = made
    db = folder / "kept" / "seed-1.duckdb"
    before = db.read_bytes()
    assert main(["--db", str(db), "--json"]) == 0
    again = json.loads(capsys.readouterr().out)
    [run] = again["runs"]
    assert run["tags"] == found["runs"][1]["tags"]
    assert run["phrases"] == found["runs"][1]["phrases"]
    assert "rows_an_hour" not in run["rows"]
    assert again["labelled_phrases"] is None
    assert db.read_bytes() == before


def test_the_same_as_text(made, capsys):
    _, folder = made
    stores = [str(folder / "kept" / f"seed-{seed}.duckdb") for seed in (0, 1)]
    assert main(["--db", stores[0], "--db", stores[1]]) == 0
    told = capsys.readouterr().out
    assert "most frequent tag set" in told
    assert "median" in told
    assert "labelled phrases" not in told


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--db", "nowhere.duckdb"], "there is no store at nowhere.duckdb"),
        (["--model", "builtin", "--rows", "nowhere.jsonl"], "there are no rows at nowhere.jsonl"),
        (["--model", "nowhere.gguf", "--rows", "README.md"], "nowhere.gguf"),
        (["--rows", "README.md"], "there is no model to run with"),
        (["--db", "x", "--phrases", "p"], "there is no model to judge p with"),
        (["--db", "x", "--seed", "1"], "--seed is for a run"),
        (
            ["--model", "builtin", "--rows", "README.md", "--phrases", "nowhere.jsonl"],
            "nowhere.jsonl cannot be read",
        ),
        (["--model", "builtin", "--rows", "README.md", "--", "--sots", "4"], "--sots"),
    ],
)
def test_what_cannot_be_used_is_said_in_a_sentence(words, said, capsys, monkeypatch):
    monkeypatch.chdir(ROOT)
    assert main(words) == 2
    told = capsys.readouterr()
    assert said in told.err
    assert told.out == ""
