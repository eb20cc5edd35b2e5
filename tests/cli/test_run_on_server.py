"""`run` on a model behind an address: the same name does in every command."""

from __future__ import annotations

import json
import signal
import subprocess
import sys

from click.testing import CliRunner
from processes import ended
from servers import refused, serving

from sysgen_local.cli.commands import cli
from sysgen_local.store import Store

ROWS = [
    {"instruction": "How do I make green tea?", "output": "Steep it for two minutes."},
    {"instruction": "Explain rain.", "output": "Water falls from clouds."},
]


def test_a_whole_run_on_a_server_and_its_resumption(server, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, ROWS)))
    given = ["run", "rows.jsonl", "--model", server, "--prompts", "compact", "--no-check"]
    done = CliRunner().invoke(cli, [*given, "--phase", "generate"])
    assert done.exit_code == 0, done.output
    with Store.open(tmp_path / "sysgen.duckdb") as store:
        facts = store.recipe("generate").facts
        assert facts["model"].startswith(f"{server}#")  # the model that it lists is noted
        assert facts["model_file"] == "builtin.gguf"  # not where it is
        assert facts["model_license"] == "unknown"
    done = CliRunner().invoke(cli, ["run", "-o", "out.jsonl"])  # the store knows the address
    assert done.exit_code == 0, done.output
    with Store.open(tmp_path / "sysgen.duckdb") as store:
        counts = store.counts()
        assert counts.pending == counts.rejected == 0
        assert counts.final + counts.dropped == 2
        assert {of.facts["model"] for p in ("verify", "respond") if (of := store.recipe(p))} == {
            facts["model"]
        }
    assert len((tmp_path / "out.jsonl").read_text().splitlines()) == counts.final


def test_a_server_that_is_not_there_is_one_sentence_and_nothing_is_read(tmp_path, free_port):
    rows = tmp_path / "rows.jsonl"
    rows.write_text(json.dumps(ROWS[0]))
    address = f"http://127.0.0.1:{free_port}/v1"
    db = tmp_path / "s.duckdb"
    done = CliRunner().invoke(cli, ["run", str(rows), "--model", address, "--db", str(db)])
    assert f"{address} cannot be reached" in str(done.exception)
    with Store.open(db) as store:
        assert store.counts().input == 0


def test_one_ctrl_c_ends_the_wait_for_a_server_that_is_busy(tmp_path):
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, ROWS)))
    with serving(lambda body: refused(503, "loading"), examined=True) as url:
        process = subprocess.Popen(
            [sys.executable, "-m", "sysgen_local.cli.main", "run", "rows.jsonl", "--model", url],
            cwd=tmp_path, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        with ended(process):
            lines = iter(process.stderr.readline, "")
            assert any("answered 503" in line and "it is waited for" in line for line in lines)
            process.send_signal(signal.SIGINT)
            _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "takes it up again" in said
    assert "Traceback" not in said
