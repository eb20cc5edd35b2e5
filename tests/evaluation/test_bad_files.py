"""Benchmark files that lack something: one clear sentence, before any model is loaded."""

from __future__ import annotations

import json
from typing import Any

import pytest
from questions import TURN, dialogue, instance, run, write

from sysgen_local.core.errors import UsageError
from sysgen_local.evaluation.benchmarks.dialogues import read_dialogues
from sysgen_local.evaluation.benchmarks.files import entries
from sysgen_local.store.evaluation import Evaluation
from sysgen_local.workflows.study import StudyModel

THEIRS = {
    "system_id": 12,
    "system_prompt": "You are a cook.",
    "rounds_related": True,
    "messages": [
        {"role": "system", "content": "You are a cook."},
        {"role": "user", "content": "one"},
        {"role": "assistant", "content": "gold one"},
        {"role": "user", "content": "two"},
        {"role": "assistant", "content": "gold two"},
    ],
    "prompt_infos": {
        name: {
            "alignment": alignment,
            "criteria": {
                "1": {"criteria_id": 1, "criteria_content": "text", "criteria_type": kind}
            },
        }
        for name, alignment, kind in (("one", "align", "角色约束"), ("two", "misalign", "format"))
    },
}


def test_sysbench_own_layout(tmp_path):
    path = tmp_path / "theirs.json"
    path.write_text(json.dumps([THEIRS]))
    [found] = read_dialogues(path)
    assert (found.id, found.dependency, found.system) == ("12", "dependent", "You are a cook.")
    assert [turn.alignment for turn in found.turns] == ["aligned", "misaligned"]
    assert [turn.criteria for turn in found.turns] == [(("role", "text"),), (("format", "text"),)]
    assert found.golds == ("gold one", "gold two")


def test_the_real_dialogues_are_read(shared_data):
    found = read_dialogues(shared_data / "sysbench" / "sysbench_dialogues.jsonl.gz")
    assert len(found) == 500
    assert sum(len(turn.criteria) for d in found for turn in d.turns) == 5952


def without(value, *names):
    return {key: item for key, item in value.items() if key not in names}


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        (without(dialogue(1), "system"), "system: Field required"),
        (without(dialogue(1), "turns"), "turns: Field required"),
        (dialogue(1, turns=0), "turns"),
        (dialogue(1, multi_turn="both"), "multi_turn"),
        (dialogue(1) | {"turns": [TURN | {"criteria": []}]}, "criteria"),
        (dialogue(1) | {"turns": [TURN | {"criteria": [{"text": "x"}]}]}, "type: Field required"),
        (dialogue(1) | {"turns": [TURN | {"criteria": [{"type": "x", "text": "x"}]}]}, "type"),
        (without(THEIRS, "prompt_infos"), "prompt_infos"),
        (THEIRS | {"messages": THEIRS["messages"][:2]}, "by turns"),
        (THEIRS | {"prompt_infos": {}}, "prompt_infos lacks"),
        (7, "valid dictionary"),
        (dialogue(2), "is there already"),
    ],
)
def test_bad_dialogues_are_refused(tmp_path, bad, says):
    path = write(tmp_path / "d.jsonl", [dialogue(2), bad])
    with pytest.raises(UsageError, match=r"line 2|entry 2") as raised:
        read_dialogues(path)
    assert says in str(raised.value)


def test_files_that_are_none(tmp_path):
    path = tmp_path / "x.jsonl"
    for content, says in [
        (b"", "holds no dialogue"),
        (b'{"a": 1}\n{', "line 2"),
        (b"\xff\xfe", "UTF-8"),
        (b"\x1f\x8b123", "gzip"),
    ]:
        path.write_bytes(content)
        with pytest.raises(UsageError, match=says):
            read_dialogues(path)
    with pytest.raises(UsageError, match="cannot be read"):
        entries(tmp_path / "missing")


def test_the_command_says_it_in_one_sentence(tmp_path, dialogues):
    bad = write(tmp_path / "bad.jsonl", [without(instance(1), "rubrics")])
    said = run("evaluate", "multifacet", bad, "--model", "builtin", code=2)
    assert "rubrics: Field required" in said.stderr
    said = run("evaluate", "sysbench", dialogues, code=2)
    assert "--model" in said.stderr
    said = run("evaluate", "sysbench", code=2)
    assert "--structure" in said.stderr
    gold: Any = dialogue(1)
    gold["turns"] = [without(turn, "gold_answer") for turn in gold["turns"]]
    file = write(tmp_path / "gold.jsonl", [gold])
    options = ("--model", "builtin", "--db", tmp_path / "e.duckdb")
    said = run("evaluate", "sysbench", file, *options, "--history", "gold", code=2)
    assert "no gold answer for turn 1" in said.stderr
    rows = tmp_path / "rows.duckdb"
    run("filter", write(tmp_path / "r.jsonl", [{"instruction": "a?", "output": "b"}]), "--db", rows,
        "-q")  # fmt: skip
    said = run("evaluate", "sysbench", file, "--model", "builtin", "--db", rows, code=2)
    assert "not one of sysgen's for this" in said.stderr


def test_a_start_that_fails_leaves_no_file(tmp_path, dialogues):
    db = tmp_path / "e.duckdb"
    for model, code in (("no-such-model", 2), ("http://127.0.0.1:9/v1", 1)):
        run("evaluate", "sysbench", dialogues, "--model", model, "--db", db, code=code)
        assert not db.exists()
        run("study", f"a={model}", "--sysbench", dialogues, "--judge", "builtin", "--db", db,
            code=code)  # fmt: skip
        assert not db.exists()
    Evaluation.open(db).close()
    run("evaluate", "sysbench", dialogues, "--model", "no-such-model", "--db", db, code=2)
    assert db.exists(), "it was there before"


def test_entrants():
    assert StudyModel.parse("m.gguf") == StudyModel("m.gguf", "m.gguf")
    assert StudyModel.parse("after=m.gguf@user") == StudyModel("after", "m.gguf", "user")
    assert StudyModel.parse("m@user") == StudyModel("m (user)", "m", "user")
    assert StudyModel.parse("s=http://h:1/v1#m") == StudyModel("s", "http://h:1/v1#m")
    assert StudyModel.parse("http://h:1/v1#m") == StudyModel("http://h:1/v1#m", "http://h:1/v1#m")
    with pytest.raises(UsageError):
        StudyModel.parse("after=@user")


@pytest.mark.parametrize("label", ["", "after", "base + lora", "t=0.7"])
@pytest.mark.parametrize(
    "model",
    ["b.gguf+a.gguf", "b.gguf+a.gguf=0.5", "b+a.gguf=0.5+c.gguf=-2", "o/r:Q4+d/a.gguf=1e-3"],
)
@pytest.mark.parametrize("role", [None, "user", "system"])
def test_entrants_with_adapters_are_parsed(label, model, role):
    text = f"{label}={model}" if label else model
    found = StudyModel.parse(f"{text}@{role}" if role else text)
    assert found == StudyModel(label or (f"{model} ({role})" if role else model), model, role)
