"""`--lora`, and adapters behind the name of a model, from the command line."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys

import click
import lora
import pytest
from tiny import make

from sysgen_local.cli.commands import cli

ROWS = [
    {"instruction": f"How do I paint {thing}?", "output": f"To paint {thing}, take your time."}
    for thing in ("a chair", "the kitchen", "an old bike", "the roof", "a violin")
]
FEW = ("--limit", 3, "--no-check", "--threads", 2)


def sysgen(*arguments, cwd, check=0):
    done = subprocess.run(
        [sys.executable, "-m", "sysgen_local.cli.main", *map(str, arguments)],
        cwd=cwd, capture_output=True, text=True, timeout=300,
        env={**os.environ, "COLUMNS": "120", "HF_HUB_OFFLINE": "1"},
    )  # fmt: skip
    assert done.returncode == check, done.stderr
    assert "Traceback" not in done.stderr
    return done


@pytest.fixture
def folder(tmp_path, builtin):
    """Rows, and a weak adapter for the built-in model."""
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, ROWS)))
    of = lora.changes(builtin, size=0.2)
    lora.write(tmp_path / "style.gguf", of, terms="cc-by-4.0")
    return tmp_path


def complaint(done) -> tuple[str, str]:
    """The sentence of a command that failed, and its hint."""
    sentence, _, hint = done.stderr[done.stderr.index("sysgen: ") :].strip().partition("\n  -> ")
    assert "\n" not in sentence + hint
    return sentence, hint


def test_a_run_with_an_adapter(folder):
    done = sysgen("run", "rows.jsonl", "--model", "builtin", "--lora", "style.gguf=0.5", *FEW,
                  "--db", "a.duckdb", "-o", "out.jsonl", cwd=folder)  # fmt: skip
    assert "LoRA style.gguf at scale 0.5" in done.stderr
    stats = json.loads(sysgen("stats", "--db", "a.duckdb", "--json", cwd=folder).stdout)
    facts = stats["recipes"]["generate"]["facts"]
    assert facts["model"] == f"builtin+{folder / 'style.gguf'}=0.5"
    assert re.fullmatch("[0-9a-f]{64}=0.5", facts["lora"])
    assert facts["lora_license"] == "cc-by-4.0"

    card = (folder / "out.card.md").read_text()
    digest = facts["lora"][:12]
    assert (
        "The model of generate, verify and respond was builtin with the LoRA adapter "
        f"style.gguf ({digest}) at scale 0.5." in card
    )
    assert f"| LoRA adapter style.gguf ({digest}) | cc-by-4.0 | permissive |" in card
    assert "| builtin | apache-2.0 | permissive |" in card
    assert str(folder) not in card
    sysgen("report", "--db", "a.duckdb", "-o", "page.html", cwd=folder)
    page = (folder / "page.html").read_text()
    assert "style.gguf=0.5" in page
    assert str(folder) not in page

    # Without options it goes on with the adapter, from any folder.
    (folder / "elsewhere").mkdir()
    done = sysgen("run", "../rows.jsonl", "--limit", 4, "--db", "../a.duckdb", "--threads", 2,
                  cwd=folder / "elsewhere")  # fmt: skip
    assert "LoRA style.gguf at scale 0.5" in done.stderr

    for other, now in (("builtin", "nothing"), ("builtin+style.gguf=0.25", "style.gguf=0.25")):
        done = sysgen("run", "--model", other, "--db", "a.duckdb", cwd=folder, check=2)
        said, hint = complaint(done)
        assert said.endswith(
            f"another recipe for generate: LoRA adapter was style.gguf=0.5, now {now}"
        )
        assert "--redo generate" in hint
    (folder / "style.gguf").rename(folder / "moved.gguf")
    said, _ = complaint(sysgen("run", "--db", "a.duckdb", cwd=folder, check=2))
    assert f"the LoRA adapter {folder / 'style.gguf'} does not exist" in said


def test_a_store_without_adapters_takes_none(folder):
    sysgen("run", "rows.jsonl", *FEW, "--db", "a.duckdb", cwd=folder)
    stats = json.loads(sysgen("stats", "--db", "a.duckdb", "--json", cwd=folder).stdout)
    assert not [n for of in stats["recipes"].values() for n in of["facts"] if "lora" in n]
    done = sysgen("run", "--model", "builtin", "--lora", "style.gguf", "--db", "a.duckdb",
                  cwd=folder, check=2)  # fmt: skip
    said, _ = complaint(done)
    assert said.endswith("another recipe for generate: LoRA adapter was nothing, now style.gguf")


def test_what_is_refused_before_anything_is_read(folder, builtin):
    lora.adapter(folder / "other.gguf", make(folder / "tiny.gguf", "llama"))
    for model, adapter, says in (
        ("builtin", "other.gguf", "other.gguf is an adapter for another base: blk.0.attn_q.weight"),
        ("builtin", "tiny.gguf", "tiny.gguf is a whole model and no LoRA adapter"),
        ("builtin", "none.gguf", "the LoRA adapter none.gguf does not exist"),
        ("builtin", "style.gguf=much", "'much' is no scale of the adapter style.gguf"),
        ("builtin", "style.bin", "'style.bin' is not the name of a LoRA adapter"),
        ("http://localhost:1/v1#m", "style.gguf", "http://localhost:1/v1#m is a server"),
        ("style.gguf", "style.gguf", "is no language model but an accessory of one (adapter)"),
    ):
        done = sysgen("run", "rows.jsonl", "--model", model, "--lora", adapter, cwd=folder, check=2)
        said, hint = complaint(done)
        assert says in said
        assert hint
    assert not (folder / "sysgen.duckdb").exists()


def test_the_base_must_be_named(folder):
    done = sysgen("run", "rows.jsonl", "--lora", "style.gguf", cwd=folder, check=2)
    assert "--lora goes with --model, the base of the adapter" in done.stderr
    done = sysgen("try", "rows.jsonl", "--model", "builtin", "--model", "phi-4", "--lora",
                  "style.gguf", cwd=folder, check=2)  # fmt: skip
    assert "--lora goes with one --model" in done.stderr


def test_the_speed_with_an_adapter_is_not_that_of_its_base(folder, tmp_path, monkeypatch):
    monkeypatch.setenv("SYSGEN_MEASURED", str(tmp_path / "measured.json"))
    done = sysgen("bench", "--lora", "style.gguf=0.5", "--slots", 1, "--json", cwd=folder)
    assert json.loads(done.stdout)["model"].endswith("builtin.gguf+style.gguf=0.5")
    listed = json.loads(sysgen("models", "list", "--json", cwd=folder).stdout)
    models = {of["name"]: of for of in listed["models"]}
    assert models["builtin"]["measured"] is None


def test_every_command_with_a_model_takes_adapters():
    def commands(group: click.Group, path: str = ""):
        for name, command in group.commands.items():
            if isinstance(command, click.Group):
                yield from commands(command, f"{path}{name} ")
            else:
                yield f"{path}{name}", {o for of in command.params for o in of.opts}

    found = dict(commands(cli))
    with_model = {name for name, options in found.items() if "--model" in options}
    assert {name for name in with_model if "--lora" in found[name]} == with_model
    assert {"run", "verify", "try", "bench", "evaluate harness"} <= with_model
