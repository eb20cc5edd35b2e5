"""`--json` of every command: one JSON text on standard output, in the form that is documented."""

from __future__ import annotations

import json
import signal
import subprocess
from unittest.mock import ANY

import click
import pytest
from filled import ROLE, fill
from instructed import advancedif, ifeval, iheval, multi_if, place, write_csv
from places import DATA
from pydantic import TypeAdapter
from questions import command, dialogue, instance, obey, plain, write

from sysgen_local.cli.commands import cli
from sysgen_local.cli.context import leaves
from sysgen_local.cli.outputs import OUTPUTS
from sysgen_local.core.resources import resource
from sysgen_local.store import Label, Store

BUILTIN = resource("builtin_model/builtin.gguf")
SYSBENCH = DATA / "sysbench"
ROWS = [
    {"instruction": "How do I make green tea?", "output": "Steep it for two minutes."},
    {"instruction": "Explain rain.", "output": "Water falls from clouds."},
]
SMALL = ("--judge", "builtin", "--max-answer-tokens", "24", "--slots", "4", "-q")
CALLS = [
    "run rows.jsonl --db made.duckdb -o out.jsonl --limit 2 -q",
    "run --db made.duckdb",  # nothing left to do, no file
    "generate rows.jsonl --db one.duckdb -q",
    "filter --db one.duckdb",
    "verify --db one.duckdb -q",
    "respond --db one.duckdb -q -o one.jsonl",
    "check --db one.duckdb -q",
    "generate rows.jsonl --db shard.duckdb --shard 1/2 -q", "status --db shard.duckdb",
    "stats --db shard.duckdb", "merge shard.duckdb --partial -o some.duckdb",
    "merge one.duckdb -o copy.duckdb",
    "import-tags tags.jsonl rows.jsonl --db tags.duckdb",
    "try rows.jsonl --rows 1 -q",
    "status", "stats", "stats --compare made.duckdb", "stats --db made.duckdb",
    "show 1", "show 2", "show --dropped", "show --rejected", "show --where false",
    "show 1 --db tags.duckdb",
    "report -o page.html",
    "compare --db made.duckdb",
    "judge --db made.duckdb --pairs 1 --aligned 1 -q", "judge --db made.duckdb --trust",
    "stats --db made.duckdb",
    "export -o a.jsonl", "export -o b.parquet --split train=0.5,test=0.5 --no-card",
    "export -o c.jsonl --rejects", "export -o d.jsonl --format kto --pairs obey-violate --no-card",
    "review --export decisions.jsonl", "review --import decisions.jsonl",
    "review --export-labels labels.csv", "review --import-labels labels.csv",
    "push me/my-data",
    "models list", f"models show {BUILTIN}", "models show builtin", "models show qwen2.5-7b",
    "models show smollm2-135m",
    "models pull builtin", "models path builtin", "models check builtin",
    "evaluate sysbench STRUCTURE",
    "evaluate sysbench dialogues.jsonl --model builtin SMALL --db e.duckdb",
    "evaluate multifacet instances.jsonl --model builtin SMALL --db e.duckdb",
    "evaluate advancedif advanced.jsonl --model builtin --max-answer-tokens 24 -q --db e.duckdb",
    "evaluate own own.jsonl --model builtin --max-answer-tokens 24 -q --db e.duckdb",
    "evaluate ifeval ifeval.jsonl --model builtin --max-answer-tokens 24 -q --db e.duckdb",
    "evaluate multi-if multi.csv --model builtin --max-answer-tokens 24 -q --db e.duckdb",
    "evaluate iheval benchmark --model builtin --max-answer-tokens 24 -q --db e.duckdb",
    "study a=builtin b=builtin --multifacet instances.jsonl SMALL --db e.duckdb",
    "study a=builtin b=builtin --own own.jsonl --max-answer-tokens 24 -q --db e.duckdb",
    "study a=builtin b=builtin --ifeval ifeval.jsonl --multi-if multi.csv --iheval benchmark "
    "--max-answer-tokens 24 -q --db e.duckdb",
    "testset --db made.duckdb -o test.jsonl --held-out 1",
    "doctor",
    "bench --slots 1",
    "context",
]  # fmt: skip
"""Calls in this order, in one folder; --json is added to each."""
ELSEWHERE = {"evaluate harness", "desk", "train"}
"""Commands with a test of their own: below, and in tests/workflows and tests/training."""

WITHOUT = {"completion"}
"""It prints a script."""


def checked(name: str, text: str) -> object:
    """The parsed output. Raises where it is not of the form of the command."""
    form = TypeAdapter(OUTPUTS[name])
    for part in text.splitlines() if name == "try" else [text]:
        form.validate_json(part, strict=True)
        last = json.loads(part)
    return last


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A filled store, rows, and small benchmarks."""
    folder = tmp_path_factory.mktemp("json")
    fill(folder / "sysgen.duckdb", 8, checks=True)
    with Store.open(folder / "sysgen.duckdb") as store:
        store.review(1, "rejected", note="too short", reviewer="ann")
        store.add_labels([Label(1, "phrase", "good", "ann", ROLE.tag, ROLE.text)])
    write(folder / "rows.jsonl", ROWS)
    write(folder / "tags.jsonl", [{"row": 1, "text": "<<Role>> You are a cook."}])
    write(folder / "dialogues.jsonl", [dialogue(1)])
    write(folder / "instances.jsonl", [instance(1)])
    write(folder / "own.jsonl", [obey(1), plain(1)])
    write(folder / "ifeval.jsonl", [ifeval(1)])
    write_csv(folder / "multi.csv", [multi_if("a")])
    write(folder / "advanced.jsonl", [advancedif("Is it one sentence?")])
    place(folder / "benchmark", "rule-following/single-turn/aligned/default", [iheval(1)])
    return folder


def words(call: str) -> list[str]:
    files = (
        "--structure",
        SYSBENCH / "sysbench_structure.jsonl.gz",
        "--verdicts",
        SYSBENCH / "verdicts_gpt4o.jsonl.gz",
    )
    places = {"STRUCTURE": files, "SMALL": SMALL}
    return [str(word) for part in call.split() for word in places.get(part, (part,))]


def name_of(call: str) -> str:
    return max((name for name in OUTPUTS if f"{call} ".startswith(f"{name} ")), key=len)


def test_every_command_has_a_form_and_is_called():
    names = {name.removeprefix("sysgen ") for name, _ in leaves(cli)}
    assert names - WITHOUT == {*OUTPUTS}
    assert {name_of(call) for call in CALLS} | ELSEWHERE == {*OUTPUTS}


def test_every_command_prints_its_form(folder):
    found = {}
    for call in CALLS:
        done = subprocess.run(
            command(*words(call), "--json"), cwd=folder, capture_output=True, text=True, timeout=300
        )
        assert done.returncode == 0, (call, done.stderr)
        assert "Traceback" not in done.stderr, call
        found[call] = checked(name_of(call), done.stdout)
    assert found[CALLS[0]]["rows"]["input"] == 2
    assert found[CALLS[0]]["written"]["path"] == "out.jsonl"
    assert found[CALLS[0]]["card"] == "out.card.md"
    assert found[CALLS[1]]["written"] is found[CALLS[1]]["card"] is None
    assert found["status"]["running"] is found["status"]["shard"] is None
    shard = {"numbers": [1], "of": 2, "input": 2}
    for call in CALLS:
        if "shard.duckdb" in call:
            assert found[call]["shard"] == shard
    assert found["merge one.duckdb -o copy.duckdb"]["shard"] is None
    assert found["show 2"]["rows"][0]["row"] == 2
    assert found["show --dropped"]["rows"][0]["state"] == "dropped"
    assert found["show 1 --db tags.duckdb"]["rows"][0]["state"] == "pending"
    assert found["show --rejected"]["rejected"][0]["reason"] == "bad_json"
    assert found["show --where false"]["rows"] == []
    assert found["stats --compare made.duckdb"]["other"]["rows"]["input"] == 2
    assert len(found["export -o b.parquet --split train=0.5,test=0.5 --no-card"]["files"]) == 2
    [pairs] = found["export -o d.jsonl --format kto --pairs obey-violate --no-card"]["files"]
    assert sum(pairs["left_out"].values()) == pairs["skipped"] > 0
    assert found["review --export decisions.jsonl"]["decisions"] == 1
    assert found["review --import decisions.jsonl"]["same"] == 1
    assert found["review --export-labels labels.csv"]["labels"] == 1
    assert found["review --import-labels labels.csv"]["same"] == 1
    assert found["push me/my-data"]["uploaded"] is False
    [builtin] = [of for of in found["models list"]["models"] if of["name"] == "builtin"]
    [path] = builtin["here"].values()
    shown = found["models show builtin"]
    assert [of["path"] for of in shown["entry"]["files"]] == [path] == [shown["file"]["path"]]
    assert builtin["size"] == shown["file"]["bytes"] == found["models check builtin"]["bytes"]
    assert found[f"models show {BUILTIN}"]["entry"] is None
    other = {"memory_free": ANY, "prompts": "default"}  # a path has no recommended prompt set
    assert found[f"models show {BUILTIN}"]["file"] == shown["file"] | other
    assert len(found["context"]["commands"]) == len(OUTPUTS) + len(WITHOUT)


def test_review_prints_what_was_decided_when_it_ends(folder):
    process = subprocess.Popen(
        command("review", "--no-open", "--json"), cwd=folder, text=True, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )  # fmt: skip
    assert process.stderr.readline().startswith("http://127.0.0.1:")
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    ended = checked("review", said)
    assert (ended["decided"], ended["rejected"], ended["now"]) == (1, 1, 0)


def test_the_desk_prints_where_its_page_is(folder):
    with subprocess.Popen(
        command("desk", "--no-open", "--json"), cwd=folder, text=True, stdout=subprocess.PIPE
    ) as process:
        told = checked("desk", process.stdout.readline())
        assert told["address"].startswith("http://127.0.0.1:")
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=60)[0] == ""
        assert process.returncode == 0


def test_a_run_in_progress_and_one_that_was_interrupted(tmp_path):
    rows = [{"instruction": f"How do I count to {n}?", "output": "One by one."} for n in range(300)]
    write(tmp_path / "rows.jsonl", rows)
    process = subprocess.Popen(
        command("run", "rows.jsonl", "--json", "-q"), cwd=tmp_path, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    running = None
    while running is None:
        assert process.poll() is None
        done = subprocess.run(
            command("status", "--json"), cwd=tmp_path, capture_output=True, text=True, timeout=60
        )
        running = checked("status", done.stdout)["running"] if done.returncode == 0 else None
    assert running["pid"] == process.pid
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    ended = checked("run", said)
    assert not ended["finished"]
    assert ended["rows"]["pending"]


@pytest.mark.parametrize("call", ["run rows.jsonl --db other.duckdb -o -", "export -o -"])
def test_data_and_result_do_not_share_standard_output(folder, call):
    done = subprocess.run(
        command(*call.split(), "--json"), cwd=folder, capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert "--json does not go with -o -" in done.stderr


def test_an_unknown_key_is_noticed():
    with pytest.raises(ValueError, match="extra"):
        checked("models path", '{"name": "a", "path": "b", "more": 1}')


def test_all_forms_have_a_json_schema():
    for name, form in OUTPUTS.items():
        schema = TypeAdapter(form).json_schema()
        kinds = {"properties", "additionalProperties", "items", "anyOf", "$ref"}
        assert schema.keys() & kinds, name
    for name, found in leaves(cli):
        flags = [p.name for p in found.params if isinstance(p, click.Option)]
        assert ("as_json" in flags) == (name.removeprefix("sysgen ") not in WITHOUT)
