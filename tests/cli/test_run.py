"""The whole job with the built-in model, as a user runs it: real processes, files and signals."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sysgen_local.core.records import TAGS
from sysgen_local.core.resources import resource

ROWS = [
    {"instruction": f"How do I {verb} {thing}?", "output": f"To {verb} {thing}, take your time."}
    for verb in ("paint", "clean", "draw", "fix")
    for thing in ("a chair", "the kitchen", "an old bike", "the roof", "a violin")
]
CHAT = {
    "messages": [
        {"role": "user", "content": "What is gravity?"},
        {"role": "assistant", "content": "Gravity pulls things together."},
        {"role": "user", "content": "And on the moon?"},
        {"role": "assistant", "content": "There it is weaker."},
    ]
}


def sysgen(*arguments: object, cwd: Path, check: int | None = 0) -> subprocess.CompletedProcess:
    done = subprocess.run(
        [sys.executable, "-m", "sysgen_local.cli.main", *map(str, arguments)],
        cwd=cwd, capture_output=True, text=True, timeout=300,
        env={**os.environ, "COLUMNS": "120", "HF_HUB_OFFLINE": "1"},
    )  # fmt: skip
    if check is not None:
        assert done.returncode == check, done.stderr
    assert "Traceback" not in done.stderr
    return done


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    lines = [json.dumps(row) for row in [*ROWS, CHAT]]
    lines.insert(3, '{"instruction": "broken')
    (tmp_path / "rows.jsonl").write_text("\n".join(lines))
    return tmp_path


def counts(folder: Path, *more: object) -> dict[str, int]:
    return json.loads(sysgen("stats", "--json", *more, cwd=folder).stdout)["rows"]


def adds_up(rows: dict[str, int]) -> bool:
    return rows["input"] == sum(rows[n] for n in ("final", "dropped", "rejected", "pending"))


def test_the_example_shows_every_tag_and_the_readme_its_counts(tmp_path):
    done = sysgen("run", resource("examples/questions.jsonl"), "-o", "out.jsonl", cwd=tmp_path)
    assert "note: " not in done.stderr  # nobody expects good data of the built-in model
    stats = json.loads(sysgen("stats", "--json", cwd=tmp_path).stdout)
    rows = stats["rows"]
    assert adds_up(rows)
    readme = resource("README.md").read_text()
    assert f"{rows['input']} rows: {rows['final']} final" in readme
    assert all(stats["tags"][tag]["good"] for tag in TAGS)


def test_a_run_writes_the_card_that_an_export_writes(folder):
    (folder / "more.jsonl").write_text(json.dumps({"instruction": "Name a tree.", "output": "Oak"}))
    sysgen("run", "more.jsonl", "-q", cwd=folder)
    done = sysgen("run", "rows.jsonl", "--limit", 5, "-o", "out.jsonl", cwd=folder)
    assert done.stderr.count("its card: out.card.md") == 1
    card = (folder / "out.card.md").read_text()
    assert re.search(r"\| rows \| rows.jsonl \([0-9a-f]{12}\) \| unknown \| 5 \|", card)
    assert "| more |" not in card  # only what was named is in the file
    sysgen("export", "-o", "same/out.jsonl", "--source", "rows.jsonl", cwd=folder, check=2)
    (folder / "same").mkdir()
    sysgen("export", "-o", "same/out.jsonl", "--source", "rows.jsonl", cwd=folder)
    assert (folder / "same/out.jsonl").read_bytes() == (folder / "out.jsonl").read_bytes()
    exported = (folder / "same/out.card.md").read_text()
    assert exported.replace("- only rows of rows.jsonl\n\n", "") == card


@pytest.mark.parametrize("options", [("-o", "out.jsonl", "--no-card"), ("-o", "-")])
def test_a_run_writes_no_card_where_none_is_wanted(folder, options):
    done = sysgen("run", "rows.jsonl", "--limit", 2, *options, cwd=folder)
    assert "its card" not in done.stderr
    assert list(folder.glob("*.md")) == []


def test_python_files_beside_the_data_are_not_run(folder):
    for name in ("jinja2", "gguf", "numpy"):
        (folder / f"{name}.py").write_text("open('ran', 'w'); raise SystemExit(3)")
    # As the installed command starts: it does not look for modules where it is called.
    program = "from sysgen_local.cli.main import main; main()"
    done = subprocess.run(
        [sys.executable, "-P", "-c", program, "run", "rows.jsonl", "--limit=1", "-o", "out.jsonl"],
        cwd=folder, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert not (folder / "ran").exists()


def test_from_file_to_file(folder):
    done = sysgen("run", "rows.jsonl", "-o", "out.jsonl", cwd=folder)
    assert done.stderr.count("model: builtin") == 1
    rows = counts(folder)
    assert adds_up(rows)
    assert rows["input"] == 22
    assert (rows["rejected"], rows["pending"]) == (1, 0)
    assert rows["final"] >= 15
    out = [json.loads(line) for line in (folder / "out.jsonl").read_text().splitlines()]
    assert len(out) == rows["final"]
    for row in out:
        roles = [m["role"] for m in row["messages"]]
        assert roles in (
            ["system", "user", "assistant"],
            ["system", "user", "assistant", "user", "assistant"],
        )
        assert all(m["content"].strip() for m in row["messages"])
        assert "<<" not in row["messages"][0]["content"]
    story = sysgen("show", 1, cwd=folder).stdout
    for part in ("How do I paint a chair?", "system message", "new answer", "rows.jsonl, line 1"):
        assert part in story
    assert "22 rows = " in sysgen("status", cwd=folder).stdout
    # The same command again finds nothing to do and writes the same file.
    before = (folder / "out.jsonl").read_bytes()
    again = sysgen("run", "rows.jsonl", "-o", "out.jsonl", cwd=folder)
    assert (folder / "out.jsonl").read_bytes() == before
    assert "builtin.gguf:" not in again.stderr  # no model was loaded for nothing


def test_other_formats_and_parquet(folder):
    import duckdb

    sysgen("run", "rows.jsonl", "--limit", 8, "-o", "out.parquet", cwd=folder)
    [(n,)] = duckdb.sql(f"SELECT count(*) FROM '{folder / 'out.parquet'}'").fetchall()
    assert n == counts(folder)["final"]
    sysgen("export", "-o", "s.jsonl", "--format", "sharegpt", cwd=folder)
    sysgen("export", "-o", "a.jsonl", "--format", "alpaca", cwd=folder)
    share = json.loads((folder / "s.jsonl").read_text().splitlines()[0])
    assert [m["from"] for m in share["conversations"]] == ["human", "gpt"]
    alpaca = json.loads((folder / "a.jsonl").read_text().splitlines()[0])
    assert alpaca["system"] == share["system"]
    assert alpaca["output"] == share["conversations"][1]["value"]


def test_phases_alone_end_where_the_whole_job_ends(folder):
    sysgen("run", "rows.jsonl", "--limit", 6, "-o", "whole.jsonl", "--db", "w.db", cwd=folder)
    sysgen("generate", "rows.jsonl", "--limit", 6, cwd=folder)
    assert counts(folder)["pending"] == 5
    told = "no row waits for verify: 5 wait for filter (`sysgen filter --db sysgen.duckdb`"
    assert told in sysgen("verify", cwd=folder).stderr
    filtered = sysgen("filter", cwd=folder)
    assert "no row waits" not in filtered.stderr
    sysgen("verify", cwd=folder)
    sysgen("respond", cwd=folder)
    sysgen("check", "-o", "parts.jsonl", cwd=folder)
    assert (folder / "parts.jsonl").read_text() == (folder / "whole.jsonl").read_text()
    sysgen("run", "--no-check", "--redo", "check", "-o", "four.jsonl", cwd=folder)
    assert "check" not in json.loads(sysgen("stats", "--json", cwd=folder).stdout)["phases"]
    assert counts(folder)["pending"] == 0
    assert (folder / "parts.jsonl").read_text().count("\n") >= 3


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_stopped_is_taken_up_again(folder, number):
    """Until the same run is through: every row once, and the same rows as without the stop."""
    sysgen("run", "rows.jsonl", "-o", "whole.jsonl", "--db", "whole.db", cwd=folder)
    stops = 0
    working = folder / "sysgen.duckdb.status.json"
    for seconds in (0.0, 0.3, 0.9):
        working.unlink(missing_ok=True)
        process = subprocess.Popen(
            [sys.executable, "-m", "sysgen_local.cli.main", "run", "rows.jsonl", "--slots", "2"],
            cwd=folder, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        deadline = time.monotonic() + 120
        while not working.exists() and process.poll() is None:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.send_signal(number)
            stops += 1
        _, said = process.communicate(timeout=60)
        if number != signal.SIGKILL and process.returncode:
            assert process.returncode == 130, said
            assert "takes it up again" in said
            assert "Traceback" not in said
        assert adds_up(counts(folder))
    assert stops
    sysgen("run", "-o", "out.jsonl", cwd=folder)
    rows = counts(folder)
    assert (rows["pending"], rows["input"]) == (0, 22)
    texts = (folder / "out.jsonl").read_text().splitlines()
    assert len(texts) == rows["final"]
    assert len(set(texts)) == len(texts)


def test_while_a_run_is_live_status_answers_and_a_second_run_is_refused(folder):
    many = "\n".join(json.dumps(row) for row in ROWS * 20)
    (folder / "many.jsonl").write_text(many)
    process = subprocess.Popen(
        [sys.executable, "-m", "sysgen_local.cli.main", "run", "many.jsonl", "-q"],
        cwd=folder, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        deadline = time.monotonic() + 30
        while not (folder / "sysgen.duckdb.status.json").exists():
            assert time.monotonic() < deadline
            time.sleep(0.1)
        assert f"running as process {process.pid}" in sysgen("status", cwd=folder).stdout
        assert adds_up(counts(folder))
        while not (final := counts(folder)["final"]):
            assert time.monotonic() < deadline
        assert (
            "sysgen.duckdb is in use: read as of "
            in sysgen("show", "--sample", 2, cwd=folder).stderr
        )
        exported = sysgen("export", "-o", "so_far.jsonl", cwd=folder)
        assert len((folder / "so_far.jsonl").read_text().splitlines()) >= final
        assert "rows written to so_far.jsonl" in exported.stderr
        second = sysgen("run", "many.jsonl", cwd=folder, check=1)
        assert str(process.pid) in second.stderr
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    assert not (folder / "sysgen.duckdb.status.json").exists()


def test_another_recipe_stops_with_the_ways_out(folder):
    sysgen("run", "rows.jsonl", "--limit", 3, cwd=folder)
    refused = sysgen("run", "--seed", 7, cwd=folder, check=2)
    assert "seed was 0, now 7" in refused.stderr
    assert "--redo" in refused.stderr
    kept = counts(folder)
    sysgen("run", "--max-answer-tokens", 40, "--redo", "respond", cwd=folder)
    assert counts(folder)["input"] == kept["input"]
    # Options that are not given are those the file was made with.
    sysgen("run", "-q", cwd=folder)


def test_a_row_longer_than_the_context_is_dropped_never_cut(folder):
    long = {"instruction": "Tell me about tea. " * 800, "output": "Tea is a drink."}
    (folder / "long.jsonl").write_text(json.dumps(long) + "\n" + json.dumps(ROWS[0]))
    sysgen("run", "long.jsonl", cwd=folder)
    stats = json.loads(sysgen("stats", "--json", cwd=folder).stdout)
    assert stats["phases"]["generate"]["dropped"] == {"too_long": 1}
    assert "dropped in generate: too_long" in sysgen("show", 1, cwd=folder).stdout


def test_phrases_from_elsewhere_come_in(folder):
    tags = [
        {"row": 1, "text": "<<Role>> You are a painter.<<Format>> Answer with a bullet list."},
        {"row": 2, "text": "<<System>> Something.<<Style>>Use a friendly tone."},
    ]
    (folder / "tags.jsonl").write_text("\n".join(map(json.dumps, tags)))
    sysgen("import-tags", "tags.jsonl", "rows.jsonl", "--limit", 2, cwd=folder)
    sysgen("run", "-o", "out.jsonl", cwd=folder)
    stats = json.loads(sysgen("stats", "--json", cwd=folder).stdout)
    assert stats["tags"]["role"]["filtered"] == 1
    assert stats["tags"]["style"]["filtered"] == 1
    assert "unknown_tag" in sysgen("show", 2, cwd=folder).stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["run", "missing.jsonl"], "there is no file missing.jsonl"),
        (["run", "rows.jsonl", "--model", "qwen2.5-7"], "did you mean"),
        (["run", "rows.jsonl", "--model", "none.gguf"], "none.gguf"),
        (["run", "rows.jsonl", "--model", "rows.jsonl"], "rows.jsonl"),
        (["run", "rows.jsonl", "-o", "out.txt"], "this takes .jsonl or .parquet"),
        (["run", "rows.jsonl", "-o", "nowhere/out.jsonl"], "nowhere"),
        (["run", "rows.jsonl", "--map", "foo"], "--map"),
        (["run", "rows.jsonl", "--prompts", "none"], "prompt set"),
        (["run"], "no store at sysgen.duckdb"),
        (["run", "odd.jsonl"], "its keys are title, body"),
        (["run", "rows.jsonl", "--db", "rows.jsonl"], "rows.jsonl"),
        (["show", "1"], "no store"),
        (["run", "rows.jsonl", "--phase", "nothing"], "--phase"),
    ],
)
def test_wrong_use_is_one_sentence_and_exit_code_2(folder, arguments, said):
    (folder / "odd.jsonl").write_text('{"title": "a", "body": "b"}\n')
    done = sysgen(*arguments, cwd=folder, check=2)
    assert said in done.stderr


def test_a_file_without_a_usable_row_stops_no_others(folder):
    """Nor is it taken for a dataset when it is named again."""
    (folder / "data").mkdir()
    (folder / "data" / "odd.jsonl").write_text('{"title": "a", "body": "b"}\n')
    odd = sysgen("run", "data", "--db", "odd.db", cwd=folder, check=2)
    assert "odd.jsonl has no usable row: line 1: unknown_shape, its keys are title" in odd.stderr
    odd = sysgen("run", "data", "--db", "odd.db", cwd=folder, check=2)
    assert "odd.jsonl has no usable row: line 1: unknown_shape, its keys are title" in odd.stderr
    odd = sysgen("run", "--db", "odd.db", cwd=folder, check=2)
    assert "odd.db holds no usable rows" in odd.stderr
    (folder / "data" / "rows.jsonl").write_text(f"{json.dumps(ROWS[0])}\n{json.dumps(ROWS[0])}")
    done = sysgen("run", "data", "-o", "out.jsonl", cwd=folder)
    assert "odd.jsonl: 0 rows, 1 rejected" in done.stderr
    rows = counts(folder)
    assert (rows["input"], rows["rejected"], rows["pending"]) == (3, 1, 0)  # twice the same: two
    assert rows["final"] == len((folder / "out.jsonl").read_text().splitlines())


def test_an_empty_file_is_said_to_be_empty(folder):
    (folder / "empty.jsonl").write_text("\n")
    done = sysgen("run", "empty.jsonl", cwd=folder, check=2)
    assert "empty.jsonl is empty" in done.stderr


def test_a_json_log_has_an_object_a_line(folder):
    done = sysgen("run", "rows.jsonl", "--json-log", cwd=folder)
    *log, _ = done.stderr.splitlines()
    states = [json.loads(line) for line in log if line.startswith("{")]
    assert states[-1]["rows"]["pending"] == 0
    assert adds_up(states[-1]["rows"])
    assert "model: builtin" not in done.stderr


def test_an_unusable_file_names_what_would_be_understood(folder):
    (folder / "odd.jsonl").write_text('{"title": "a", "body": "b"}\n')
    done = sysgen("run", "odd.jsonl", cwd=folder, check=2)
    assert "question/answer" in done.stderr


def test_doctor_tells_what_is_there(tmp_path):
    said = sysgen("doctor", cwd=tmp_path).stdout
    for part in ("llama-cpp-python", "backends", "CPU", "memory", "built-in model"):
        assert part in said
    assert re.search(r"^model smollm2-135m +/", said, re.MULTILINE)


def test_doctor_works_where_the_users_models_toml_does_not(tmp_path, monkeypatch):
    (tmp_path / "mine.toml").write_text("[models")
    monkeypatch.setenv("SYSGEN_MODELS", str(tmp_path / "mine.toml"))
    said = " ".join(sysgen("doctor", cwd=tmp_path).stdout.split())
    assert "is not valid TOML" in said


def test_real_rows_in_an_alpaca_file(shared_data, tmp_path):
    source = shared_data / "sft" / "lfs_instruction_data.json"
    sysgen("run", source, "--limit", 40, "-o", "out.jsonl", cwd=tmp_path)
    rows = counts(tmp_path)
    assert adds_up(rows)
    assert rows["input"] == 40
    assert rows["final"] >= 30


def test_real_conversations_with_function_calls(shared_data, tmp_path):
    source = shared_data / "sft" / "glaive_toolcall_en_demo.json"
    sysgen("run", source, "--limit", 12, "-o", "out.jsonl", cwd=tmp_path)
    rows = counts(tmp_path)
    assert adds_up(rows)
    assert rows["input"] == 12
    assert rows["final"] >= 1
