"""Pulling any repository: its list of files, the choice, the terms, and every refusal explained.

The hub is a small server on this machine (`tests/hub.py`).
"""

from __future__ import annotations

import json
import os
import pty
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hub import PROGRAM, Hub, Machine
from processes import ended

from sysgen_local.core.resources import resource

BUILTIN = resource("builtin_model/builtin.gguf").read_bytes()
OPEN = {"license": "apache-2.0"}


@pytest.fixture
def hub() -> Iterator[Hub]:
    """Three quantisations, and one in three parts."""
    parts = {f"Q6_K/m-Q6_K-0000{i}-of-00003.gguf": BUILTIN + bytes([i]) for i in (1, 2, 3)}
    more = {"m-Q2_K.gguf": b"GGUF2", "m-Q4_K_M.gguf": BUILTIN, "m-F16.gguf": b"GGUF16"}
    hub = Hub(b"", more=more | parts | {"config.json": b"{}"}, card=dict(OPEN))
    server = hub.serve()
    yield hub
    server.shutdown()
    server.server_close()


@pytest.fixture
def machine(tmp_path: Path, hub: Hub) -> Machine:
    machine = Machine(tmp_path, hub)
    (tmp_path / "models.toml").touch()
    return machine


def test_a_repository_is_pulled_and_then_known_without_network(machine: Machine) -> None:
    before = machine.models("path", "me/mine")
    assert before.returncode == 2
    assert "`sysgen models pull me/mine`" in before.stderr

    pulled = machine.models("pull", "me/mine")
    assert pulled.returncode == 0, pulled.stderr
    path = Path(pulled.stdout.strip())
    assert path.name == "m-Q4_K_M.gguf"
    assert path.read_bytes() == BUILTIN
    assert "me/mine:q4_k_m: 0.01 GB from me/mine\nlicence: apache-2.0\n" in pulled.stderr

    asked = len(machine.hub.asked)
    for name in ("me/mine", "ME/Mine", "me/mine:Q4_K_M", "hf.co/me/mine", "hf://me/mine"):
        for command in ("path", "pull"):
            again = machine.models(command, name, HF_HUB_OFFLINE="1")
            assert (again.returncode, again.stdout.strip()) == (0, str(path)), again.stderr
    shown = machine.models("show", "me/mine").stdout
    for fact in ("architecture llama", "quantisation q8_0", "yes, with a system role"):
        assert fact in shown
    assert "not measured: `sysgen bench --model me/mine:q4_k_m`" in shown
    assert len(machine.hub.asked) == asked

    missing = machine.models("path", "me/mine:Q2_K")
    assert missing.returncode == 2
    assert "`sysgen models pull me/mine:Q2_K`" in missing.stderr


def test_a_run_takes_a_pulled_repository_and_finds_it_again(machine: Machine) -> None:
    import duckdb

    machine.hub.card = {"license": "cc-by-nc-4.0"}
    rows = machine.folder / "rows.jsonl"
    rows.write_text('{"instruction": "What is rain?", "output": "Water that falls."}\n')
    db = machine.folder / "rows.duckdb"
    command = [sys.executable, "-m", "sysgen_local.cli.main", "run", "--db", str(db), "--no-check"]

    def run(*more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*command, *more], env=machine.environment(), capture_output=True, text=True,
            timeout=120,
        )  # fmt: skip

    short = ("--max-answer-tokens", "8", "--keep-truncated")
    refused = run(str(rows), "--model", "me/mine:Q4_K_M", *short)
    assert refused.returncode == 2
    assert "`sysgen models pull me/mine:Q4_K_M`" in refused.stderr
    assert machine.models("pull", "me/mine:Q4_K_M").returncode == 0
    requests = len(machine.hub.asked)
    done = run(str(rows), "--model", "me/mine", *short)
    assert done.returncode == 0, done.stderr
    with duckdb.connect(str(db), read_only=True) as store:
        [(facts,)] = store.execute("FROM recipes SELECT facts WHERE phase = 'generate'").fetchall()
    assert (facts["model"], facts["model_license"]) == ("me/mine:q4_k_m", "cc-by-nc-4.0")
    again = run()  # the store names the model
    assert again.returncode == 0, again.stderr
    assert len(machine.hub.asked) == requests


def test_the_list_has_what_was_pulled_with_its_terms(machine: Machine) -> None:
    machine.hub.card = {"license": "other", "license_name": "my-own-terms"}
    assert machine.models("pull", "me/mine").returncode == 0
    listed = {m["name"]: m for m in json.loads(machine.models("list", "--json").stdout)["models"]}
    model = listed["me/mine:q4_k_m"]
    assert model["license"] == "my-own-terms"
    assert model["size"] == len(BUILTIN)
    assert model["fits"] == "yes"
    assert list(model["here"]) == ["q4_k_m"]
    table = machine.models("list").stdout.splitlines()
    assert any(line.startswith("me/mine:q4_k_m ") and "my-own-terms" in line for line in table)
    assert max(map(len, table)) <= 80


def test_a_named_quantisation_and_a_named_file(machine: Machine) -> None:
    for name, file in (
        ("me/mine:q2_k", "m-Q2_K.gguf"),
        ("me/mine:F16", "m-F16.gguf"),
        ("hf://me/mine/m-F16.gguf", "m-F16.gguf"),
        ("https://huggingface.co/me/mine/blob/main/m-F16.gguf", "m-F16.gguf"),
    ):
        pulled = machine.models("pull", name)
        assert pulled.returncode == 0, pulled.stderr
        assert Path(pulled.stdout.strip()).name == file
    assert machine.models("path", "me/mine:F16").returncode == 0
    several = machine.models("path", "me/mine")
    assert several.returncode == 2
    assert "me/mine can mean 2 models that are here" in several.stderr
    assert "name one: me/mine:f16, me/mine:q2_k" in several.stderr


def test_all_parts_of_a_split_file_are_fetched(machine: Machine) -> None:
    pulled = machine.models("pull", "me/mine:Q6_K")
    assert pulled.returncode == 0, pulled.stderr
    first = Path(pulled.stdout.strip())
    assert first.name == "m-Q6_K-00001-of-00003.gguf"
    contents = [p.read_bytes() for p in sorted(first.parent.iterdir())]
    assert contents == [BUILTIN + bytes([i]) for i in (1, 2, 3)]
    assert "in 3 files from me/mine" in pulled.stderr
    assert machine.models("path", "me/mine:Q6_K").stdout.strip() == str(first)


def test_a_part_that_is_missing_is_not_the_model(machine: Machine) -> None:
    first = Path(machine.models("pull", "me/mine:Q6_K").stdout.strip())
    first.with_name("m-Q6_K-00002-of-00003.gguf").unlink()
    gone = machine.models("path", "me/mine:Q6_K")
    assert gone.returncode == 2
    assert "`sysgen models pull me/mine:Q6_K`" in gone.stderr
    requests = len(machine.hub.ranges)
    assert machine.models("pull", "me/mine:Q6_K").returncode == 0
    assert machine.models("path", "me/mine:Q6_K").stdout.strip() == str(first)
    assert len(machine.hub.ranges) == requests  # the content was here still


def test_no_clear_choice_lists_what_there_is_with_sizes(machine: Machine) -> None:
    machine.hub.more = {"a-Q2_K.gguf": b"GGUF" * 5_000_000, "a-F16.gguf": b"GGUF"}
    pulled = machine.models("pull", "me/mine")
    assert pulled.returncode == 2
    assert "me/mine has 2 GGUFs that me/mine can mean" in pulled.stderr
    assert "name one: me/mine:f16 (0.00 GB), me/mine:q2_k (0.02 GB)" in pulled.stderr
    wrong = machine.models("pull", "me/mine:Q5_0")
    assert wrong.returncode == 2
    assert "me/mine has no Q5_0" in wrong.stderr
    assert "me/mine:q2_k (0.02 GB)" in wrong.stderr


def test_two_models_in_one_repository_are_named_by_file(machine: Machine) -> None:
    machine.hub.more = {"a-Q4_K_M.gguf": BUILTIN, "b-Q4_K_M.gguf": BUILTIN + b"b"}
    pulled = machine.models("pull", "me/mine")
    assert "hf://me/mine/a-Q4_K_M.gguf (0.01 GB)" in pulled.stderr
    one = machine.models("pull", "hf://me/mine/a-Q4_K_M.gguf")
    assert one.returncode == 0, one.stderr
    assert machine.models("path", "me/mine").stdout == one.stdout
    assert machine.models("pull", "hf://me/mine/b-Q4_K_M.gguf").returncode == 0
    assert machine.models("path", "hf://me/mine/a-Q4_K_M.gguf").stdout == one.stdout


def test_a_damaged_part_is_refused(machine: Machine) -> None:
    machine.hub.wrong_hash = "m-Q2_K.gguf"
    pulled = machine.models("pull", "me/mine:Q2_K")
    assert pulled.returncode == 1
    assert "me/mine:q2_k arrived damaged" in pulled.stderr
    assert not machine.parts
    assert machine.models("path", "me/mine:Q2_K").returncode == 2


@pytest.mark.parametrize(
    ("name", "change", "message", "hint"),
    [
        ("me/gone", {}, "no such repository, or not for you: me/gone", "correct its name"),
        ("me/mine", {"gated": True}, "me/mine:q4_k_m is gated", "accept them on http://127.0.0.1"),
        ("me/mine", {"more": {"a.safetensors": b"x"}}, "has no GGUF file of a whole model",
         "convert_hf_to_gguf.py"),
        ("me/mine", {"more": {}, "listed": ("m-Q4_K_M-00001-of-00002.gguf", "mmproj-F16.gguf")},
         "has no GGUF file of a whole model", ""),
        ("me/mine", {"more": {}, "listed": ("m-Q4_K_M.gguf",)}, "has no such file or revision: "
         "me/mine:q4_k_m", "/me/mine"),
        ("me/mine", {"page": b"<html>log in first</html>"}, "did not answer as a hub does",
         "HF_ENDPOINT"),
        ("me/mine", {"page": b"[1]"}, "did not answer as a hub does", "HF_ENDPOINT"),
        ("me/mi--ne", {}, "me/mi--ne is not the name of a repository", "OWNER/REPO"),
        ("me/mine", {"error": (503, "")}, "answered 503 for me/mine", "pull it again"),
        ("hf://me/mine@v2", {}, "names the revision v2", "name me/mine"),
        ("hf://datasets/me/rows", {}, "is no model", "models list"),
    ],
)  # fmt: skip
def test_what_cannot_be_pulled_is_one_sentence_with_a_way_out(
    machine: Machine, name: str, change: dict[str, object], message: str, hint: str
) -> None:
    for field, value in change.items():
        setattr(machine.hub, field, value)
    pulled = machine.models("pull", name)
    assert pulled.returncode in (1, 2)
    assert message in pulled.stderr
    says, _, way_out = pulled.stderr.rpartition("\n  -> ")
    assert hint in way_out
    assert "error: " in says
    assert "Traceback" not in pulled.stderr
    assert not pulled.stdout


def test_no_network_for_a_repository(machine: Machine) -> None:
    pulled = machine.models("pull", "me/mine", HF_ENDPOINT="http://127.0.0.1:9")
    assert pulled.returncode == 1
    assert "the connection to http://127.0.0.1:9 failed" in pulled.stderr
    offline = machine.models("pull", "me/mine", HF_HUB_OFFLINE="1")
    assert offline.returncode == 2
    assert "HF_HUB_OFFLINE forbids" in offline.stderr


@pytest.mark.parametrize(
    ("card", "says"),
    [
        ({"license": "llama3.1", "license_link": "https://x.example/l"},
         "licence: llama3.1 (https://x.example/l). A model that is trained on its output"),
        ({"license": "cc-by-nc-4.0"}, "licence: cc-by-nc-4.0. Not for commercial use"),
        ({}, "licence: unknown; the repository names none"),
        ({"license": "\x1b[2Jmit\nlicence: mit"}, "licence: \\x1b[2Jmit licence: mit. "),
    ],
)  # fmt: skip
def test_terms_are_printed_and_without_a_terminal_it_goes_on(
    machine: Machine, card: dict[str, object], says: str
) -> None:
    machine.hub.card = card
    pulled = machine.models("pull", "me/mine")
    assert pulled.returncode == 0, pulled.stderr
    assert says in pulled.stderr
    assert "\x1b" not in pulled.stderr
    assert "\x1b" not in machine.models("list").stdout
    assert "\x1b" not in machine.models("show", "me/mine").stdout


def on_a_terminal(machine: Machine, *args: str, answer: str | None) -> tuple[int, str]:
    """Runs `sysgen models ...` with a terminal; types the answer once it asks."""
    master, slave = pty.openpty()
    command = [sys.executable, "-W", "error", "-c", PROGRAM, *args]
    process = subprocess.Popen(
        command, env=machine.environment(), stdin=slave, stdout=slave, stderr=slave
    )
    os.close(slave)
    text, typed, end = "", answer is None, time.monotonic() + 120
    with ended(process):
        while time.monotonic() < end:
            ready, _, _ = select.select([master], [], [], 0.2)
            if ready:
                try:
                    text += os.read(master, 4096).decode()
                except OSError:  # the program closed the terminal
                    break
            if not typed and "[y/N]" in text:
                os.write(master, f"{answer}\n".encode())
                typed = True
        code = process.wait(timeout=60)
    os.close(master)
    return code, text


@pytest.mark.parametrize(
    ("card", "args", "answer", "code"),
    [
        (OPEN, (), None, 0),
        ({"license": "gemma"}, (), "n", 1),
        ({"license": "gemma"}, (), "y", 0),
        ({"license": "gemma"}, ("--yes",), None, 0),
        ({}, (), "n", 1),
    ],
)
def test_a_terminal_is_asked_about_terms_that_are_not_plain(
    machine: Machine,
    card: dict[str, object],
    args: tuple[str, ...],
    answer: str | None,
    code: int,
) -> None:
    machine.hub.card = card
    returned, text = on_a_terminal(machine, "pull", "me/mine", *args, answer=answer)
    assert returned == code, text
    assert ("Download it under these terms?" in text) == (answer is not None)
    assert bool(machine.hub.ranges) == (code == 0)


def test_a_quiet_pull_prints_the_terms_only_with_the_question(machine: Machine) -> None:
    machine.hub.card = {"license": "gemma"}
    code, text = on_a_terminal(machine, "pull", "me/mine", "-q", answer="n")
    assert code == 1
    assert "licence: gemma" in text
    pulled = machine.models("pull", "me/mine", "-q", "--json")
    assert (pulled.returncode, pulled.stderr) == (0, "")
    found = json.loads(pulled.stdout)
    assert found["name"] == "me/mine"
    assert Path(found["path"]).read_bytes() == BUILTIN
    shown = json.loads(machine.models("show", "me/mine", "--json").stdout)
    assert shown["entry"] is None
    assert (shown["file"]["path"], shown["file"]["license"]) == (found["path"], "gemma")


def test_a_model_of_the_catalogue_has_terms_too(machine: Machine) -> None:
    (machine.folder / "models.toml").write_text(
        '[models."mine"]\nrepo = "me/mine"\nlicense = "llama3.1"\n'
        'files.q4_k_m.file = "m-Q4_K_M.gguf"\n'
    )
    returned, text = on_a_terminal(machine, "pull", "mine", answer="n")
    assert returned == 1
    assert "mine:q4_k_m: 0.01 GB from me/mine" in text
    assert "Built with Llama" in text.replace("\r\n", "")
    assert not machine.hub.ranges


def test_a_repository_that_the_catalogue_lists_is_its_entry(machine: Machine) -> None:
    (machine.folder / "models.toml").write_text(
        '[models."mine"]\nrepo = "me/mine"\nlicense = "mit"\nprompts = "compact"\n'
        'files.q4_k_m.file = "m-Q4_K_M.gguf"\n'
    )
    assert machine.models("pull", "me/mine").returncode == 0
    assert machine.models("path", "mine").returncode == 0
    assert "prompts      compact" in machine.models("show", "me/mine").stdout
    listed = json.loads(machine.models("list", "--json").stdout)["models"]
    assert [m["name"] for m in listed if "mine" in m["name"]] == ["mine"]
    assert machine.models("pull", "me/mine:Q2_K").returncode == 0
    listed = json.loads(machine.models("list", "--json").stdout)["models"]
    assert [m["name"] for m in listed if "mine" in m["name"]] == ["mine", "me/mine:q2_k"]


def test_a_disk_without_room_is_noticed_before_the_question(machine: Machine) -> None:
    machine.hub.claims = 10**18
    pulled = machine.models("pull", "me/mine")
    assert pulled.returncode == 1
    assert "the disk is too full: 1000000000.00 GB are to come" in pulled.stderr
    assert not machine.hub.ranges
