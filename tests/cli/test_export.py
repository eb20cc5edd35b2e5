"""What leaves: formats, splits, what is left out, licences, the card, and a hub to put it on."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import pytest
import yaml

QUESTIONS = [
    "How do I make green tea?", "Explain rain to my daughter.", "Teach me chess openings.",
    "How is glass made?", "Pack for a winter trip.", "Get rid of ants in the kitchen.",
    "Choose a violin for a child.", "Bake bread without yeast.", "Fold a paper map.",
    "Sail a small boat.", "Find lost keys.", "Grow moss on a wall.",
]  # fmt: skip


def sysgen(*arguments, cwd, code=0, **environment):
    done = subprocess.run(
        [sys.executable, "-m", "sysgen_local.cli.main", *map(str, arguments)],
        cwd=cwd, capture_output=True, text=True, timeout=120, env={**os.environ, **environment},
    )  # fmt: skip
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    return done


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A finished store: two files, one with a licence; one question nearly twice."""
    folder = tmp_path_factory.mktemp("made")
    rows = [{"instruction": q, "output": f"{q} This is how it is done."} for q in QUESTIONS]
    others = ["How do I make green  tea ?", "Mend a bicycle.", "Write a letter.", "Draw a horse."]
    again = [{"instruction": q, "output": "Like this, with care."} for q in others]
    (folder / "a.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (folder / "b.jsonl").write_text("\n".join(map(json.dumps, again)))
    sysgen("run", "a.jsonl", "--license", "mit", "-q", cwd=folder)
    sysgen("run", "b.jsonl", "-q", cwd=folder)
    return folder


@pytest.fixture
def folder(made, tmp_path):
    shutil.copy(made / "sysgen.duckdb", tmp_path)
    return tmp_path


def read(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def final(folder):
    return json.loads(sysgen("stats", "--json", cwd=folder).stdout)["rows"]["final"]


def test_splits_hold_every_row_once_and_are_stable(folder):
    sysgen("export", "-o", "all.jsonl", cwd=folder)
    sysgen("export", "-o", "d.jsonl", "--split", "train=0.6,test=0.4", cwd=folder)
    train, test = read(folder / "d-train.jsonl"), read(folder / "d-test.jsonl")
    assert train
    assert test
    everything = read(folder / "all.jsonl")
    assert sorted(map(str, train + test)) == sorted(map(str, everything))
    sysgen("export", "-o", "e.jsonl", "--split", "x=0.6", "--where", "turns = 1", cwd=folder)
    assert read(folder / "e-x.jsonl") == train


def test_folded_the_system_message_leads_the_first_instruction(folder):
    sysgen("export", "-o", "a.jsonl", cwd=folder)
    sysgen("export", "-o", "b.jsonl", "--fold-system", cwd=folder)
    both = read(folder / "a.jsonl"), read(folder / "b.jsonl")
    assert both[0]
    for plain, folded in zip(*both, strict=True):
        system, user, assistant = plain["messages"]
        leading = f"{system['content']}\n\n{user['content']}"
        assert folded["messages"] == [{"role": "user", "content": leading}, assistant]


def test_preferences_are_the_new_answer_over_the_old_one(folder):
    sysgen("export", "-o", "p.jsonl", "--format", "dpo", cwd=folder)
    rows = read(folder / "p.jsonl")
    assert rows
    for row in rows:
        assert [m["role"] for m in row["prompt"]] == ["system", "user"]
        assert row["chosen"] != row["rejected"]
        assert "how it is done" in row["rejected"][0]["content"] or "care" in str(row["rejected"])


def test_near_duplicates_and_benchmark_prompts_are_left_out(folder):
    (folder / "bench.txt").write_text("Teach me chess openings!\nSomething else entirely.\n")
    done = sysgen("export", "-o", "x.jsonl", "--dedupe", "--exclude", "bench.txt", cwd=folder)
    asked = [row["messages"][1]["content"] for row in read(folder / "x.jsonl")]
    assert "Teach me chess openings." not in asked
    assert sum("green" in question for question in asked) <= 1
    assert "left out as like a prompt of bench.txt: 1 row\n" in done.stderr
    assert "- 1 near-duplicate of earlier rows left out\n" in (folder / "x.card.md").read_text()


def test_a_condition_that_is_none_names_the_columns(folder):
    done = sysgen("export", "-o", "x.jsonl", "--where", "nonsense = 1", cwd=folder, code=2)
    assert "p_good" in done.stderr
    assert not (folder / "x.jsonl").exists()


def test_the_licence_policy_names_the_rows(folder):
    done = sysgen("export", "-o", "x.jsonl", "--license-policy", "permissive", cwd=folder, code=2)
    rows = r"\d rows of b \(rows 1[3-6] to 1[3-6]\) under unknown\n"
    assert re.search(f"not permissive: {rows}", done.stderr)
    only = ["--where", "license = 'mit'"]
    sysgen("export", "-o", "x.jsonl", "--license-policy", "permissive", *only, cwd=folder)


def test_the_card_has_a_head_the_hub_reads_and_every_licence(folder):
    sysgen("export", "-o", "data.jsonl", cwd=folder)
    _, head, body = (folder / "data.card.md").read_text().split("---\n", 2)
    data = yaml.safe_load(head)
    assert data["license"] == "other"
    assert data["configs"][0]["data_files"] == [{"split": "train", "path": "data.jsonl"}]
    for word in ("mit", "unknown", "apache-2.0", "builtin", "2502.11330", "after verify"):
        assert word in body


def test_the_card_counts_and_licenses_what_was_written_not_what_is_in_the_store(folder):
    only = ["--where", "license = 'mit'", "--variant", "system-only"]
    sysgen("export", "-o", "data.jsonl", *only, cwd=folder)
    written = len(read(folder / "data.jsonl"))
    _, _, body = (folder / "data.card.md").read_text().split("---\n", 2)
    assert f"{written:,} rows, each with a system message of its own and its original" in body
    hashes = r"\([0-9a-f]{12}\)"
    [a] = re.findall(rf"\| a \| a.jsonl {hashes} \| mit \| (\d+) \| (\d+) \|", body)
    assert a == (str(len(QUESTIONS)), str(written))
    assert re.search(rf"\| b \| b.jsonl {hashes} \| unknown \| 4 \| 0 \|", body)
    assert "| b | unknown | unknown |" not in body


def test_show_finds_rows(folder):
    assert "Teach me chess" in sysgen("show", "3", cwd=folder).stdout
    sample = sysgen("show", "--sample", 2, "--tag", "role", cwd=folder).stdout
    assert sample.count("system message") == 2
    assert "no such row" in sysgen("show", "--where", "turns > 9", cwd=folder).stderr
    sysgen("show", cwd=folder, code=2)


def test_stats_beside_the_paper_and_another_file(folder):
    shutil.copy(folder / "sysgen.duckdb", folder / "other.duckdb")
    said = sysgen("stats", "--paper", "--compare", "other.duckdb", cwd=folder, COLUMNS="160").stdout
    for word in ("Phi-4", "95.9%", "other", "p(good)", "OrcaMath"):
        assert word in said


class Hub(BaseHTTPRequestHandler):
    """The few answers of a hub that an upload asks for."""

    commits: ClassVar[list[list[dict]]] = []

    @property
    def root(self):
        return f"http://{self.headers['Host']}"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path.endswith("/repos/create"):
            self.say({"url": f"{self.root}/datasets/me/data", "name": "me/data"})
        elif "/preupload/" in self.path:
            files = json.loads(body)["files"]
            self.say({"files": [
                {"path": f["path"], "uploadMode": "regular", "shouldIgnore": False} for f in files
            ]})  # fmt: skip
        elif "/commit/" in self.path:
            self.commits.append([json.loads(line) for line in body.splitlines()])
            oid = hashlib.sha1(body).hexdigest()
            self.say(
                {
                    "success": True,
                    "commitOid": oid,
                    "commitUrl": f"{self.root}/datasets/me/data/commit/{oid}",
                }
            )
        else:
            self.say({"valid": True})

    def do_GET(self):
        sha = "0" * 40
        self.say({"id": "me/data", "sha": sha, "siblings": [], "tags": [], "private": True})

    def say(self, what):
        data = json.dumps(what).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        pass


def test_push_uploads_data_and_card_only_when_told(folder):
    with ThreadingHTTPServer(("127.0.0.1", 0), Hub) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        hub = {"HF_ENDPOINT": f"http://127.0.0.1:{server.server_port}", "HF_TOKEN": "hf_test",
               "HF_HOME": str(folder / "hf")}  # fmt: skip
        dry = sysgen("push", "me/data", cwd=folder, **hub)
        assert "--upload does it" in dry.stderr
        assert Hub.commits == []
        done = sysgen("push", "me/data", "--upload", cwd=folder, **hub)
        assert "/datasets/me/data/commit/" in done.stderr
        server.shutdown()
    paths = {line["value"]["path"] for line in Hub.commits[0] if line["key"] == "file"}
    assert paths == {"README.md", "data.parquet"}
    gone = sysgen(
        "push", "me/data", "--upload", cwd=folder, code=1, HF_ENDPOINT="http://127.0.0.1:9"
    )
    assert "could not be uploaded" in gone.stderr
