"""`sysgen train` for real: torch trains tiny models, and llama.cpp computes what came out.

Skipped where the extra `train` is not installed.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import tiny
from filled import ROLE
from processes import ended
from trainings import FAST

from sysgen_local.core.errors import ModelTooLargeError, SysgenError, UsageError
from sysgen_local.core.records import (
    Conversation,
    Filtered,
    Generated,
    Responded,
    Source,
    Turn,
    Verdict,
    Verified,
)
from sysgen_local.store import Store
from sysgen_local.training import saved, torch_model
from sysgen_local.training.examples import encoder_of
from sysgen_local.training.folder import (
    CHECKPOINTS,
    CURVE,
    last_checkpoint,
    read_curve,
    read_recipe,
)
from sysgen_local.training.gguf_weights import ARCHITECTURES
from sysgen_local.training.settings import Machine
from sysgen_local.workflows.train import train

pytest.importorskip("torch", reason="the extra `train` is not installed")
pytest.importorskip("trl", reason="the extra `train` is not installed")
pytestmark = [pytest.mark.e2e, pytest.mark.filterwarnings("ignore")]  # the libraries' own


@pytest.mark.parametrize("architecture", sorted(ARCHITECTURES))
@pytest.mark.parametrize("method", ["lora", "full"])
def test_the_loss_falls_and_llama_cpp_computes_what_torch_trained(
    store, tmp_path, architecture, method
):
    kv_heads = 4 if architecture == "phi3" else 2
    path = tiny.make(tmp_path / "base.gguf", architecture, kv_heads=kv_heads, spread=1.0)
    rate = 0.02 if method == "lora" else 0.004
    said: list[str] = []
    done = train(
        store, str(path), tmp_path / "out", method=method, gguf=["q8_0"], say=said.append,
        **FAST | {"learning_rate": rate},
    )  # fmt: skip
    losses = [of.loss for of in done.points if of.loss is not None]
    assert losses[-1] < losses[0] - 0.5
    assert done.held_out_loss < losses[0]
    first = "adapter.gguf" if method == "lora" else "model-f16.gguf"
    assert {file.name for file in done.files} == {first, "model-q8_0.gguf"}
    for name in (first, "model-q8_0.gguf"):  # the logits were compared after the training
        [line] = [line for line in said if f"agree on {name}" in line]
        divergence = float(line.split("divergence ")[1].split()[0])
        assert divergence < (0.001 if name == first else 0.01)
    tokens, out = list(range(300, 340)), tmp_path / "out" / first
    merged = (path, tokens, out) if method == "lora" else (out, tokens)
    before, after = torch_model.llama_logits(path, tokens), torch_model.llama_logits(*merged)
    assert torch_model.agreement(after, before).divergence > 0.05


def test_what_is_learned_is_said_and_kept(store, base, tmp_path):
    said: list[str] = []
    train(store, str(base), tmp_path / "out", say=said.append, **FAST | {"epochs": 1})
    recipe = read_recipe(tmp_path / "out")
    assert recipe["finished"]
    assert recipe["variant"] == "full"
    assert recipe["schedule"]["epochs"] == 1
    rows = [json.loads(line) for line in (tmp_path / "out/data/train.jsonl").open()]
    assert recipe["rows"] == len(rows) > 20
    assert f"{len(rows)} answers, each with its end <|im_end|>" in "\n".join(said)
    assert "attention keeps them apart" in "\n".join(said)
    with encoder_of(base) as encoder:
        found = encoder.encode(rows, 512)
        assert f"{found.tokens:,} tokens, of which the {found.learned:,}" in said[0]
    card = (tmp_path / "out/README.md").read_text()
    for line in ("| base | base.gguf |", f"| rows | {len(rows)}, variant full |", "attention keeps",
                 "| base.gguf | unknown |", "`model-f16.gguf`", "<b>"):  # fmt: skip
        assert (line in card) == (line != "<b>")
    held_out = {json.loads(line)["messages"][1]["content"] for line in
                (tmp_path / "out/data/valid.jsonl").open()}  # fmt: skip
    assert held_out
    assert not held_out & {row["messages"][1]["content"] for row in rows}


def test_rows_in_one_sequence_are_trained_as_if_they_were_padded(store, base, tmp_path):
    losses = []
    for pack in (True, False):
        done = train(
            store, str(base), tmp_path / f"{pack}", pack=pack, method="lora",
            **FAST | {"epochs": 1, "batch": 4},
        )  # fmt: skip
        losses.append([of.loss for of in done.points if of.loss is not None])
    assert np.allclose(losses[0], losses[1], atol=2e-3)


def test_a_killed_training_goes_on_and_ends_as_if_it_had_not_been(db, base, tmp_path):
    def command(folder):
        return [
            sys.executable, "-m", "sysgen_local.cli.main", "train", "--db", str(db), "--base",
            str(base), "-o", str(folder), "--lora", "4", "--epochs", "6", "--batch", "4",
            "--checkpoint-minutes", "0", "--held-out", "0.2",
        ]  # fmt: skip

    curve = tmp_path / "killed" / CURVE
    with ended(subprocess.Popen(command(tmp_path / "killed"), stderr=subprocess.DEVNULL)) as run:
        deadline = time.monotonic() + 300
        while not curve.exists() or len(curve.read_text().splitlines()) < 12:
            assert time.monotonic() < deadline
            assert run.poll() is None
            time.sleep(0.01)
        run.kill()
        run.wait(60)
    incomplete = tmp_path / "killed" / CHECKPOINTS / "checkpoint-9999"
    incomplete.mkdir()
    (incomplete / "model.safetensors").write_bytes(b"cut")
    before = last_checkpoint(tmp_path / "killed")
    assert before is not None
    assert not incomplete.exists()
    subprocess.run(command(tmp_path / "killed"), check=True, capture_output=True, timeout=300)
    subprocess.run(command(tmp_path / "whole"), check=True, capture_output=True, timeout=300)
    steps = [of.step for of in read_curve(tmp_path / "killed") if of.loss is not None]
    assert steps == [*range(1, steps[-1] + 1)]
    ends = [read_curve(tmp_path / name)[-1] for name in ("killed", "whole")]
    assert ends[0].tokens == ends[1].tokens
    adapters = [saved.read_adapter(tmp_path / name / "adapter") for name in ("killed", "whole")]
    for name, (a, b) in adapters[0].parts.items():
        assert np.allclose(a, adapters[1].parts[name][0], atol=1e-4)
        assert np.allclose(b, adapters[1].parts[name][1], atol=1e-4)
    assert not (tmp_path / "killed" / CHECKPOINTS).exists()


def test_ctrl_c_ends_a_training_with_a_checkpoint(db, base, tmp_path):
    command = [
        sys.executable, "-m", "sysgen_local.cli.main", "train", "--db", str(db), "--base",
        str(base), "-o", str(tmp_path / "out"), "--lora", "4", "--epochs", "400", "--batch", "4",
    ]  # fmt: skip
    curve = tmp_path / "out" / CURVE
    with ended(subprocess.Popen(command, stderr=subprocess.PIPE, text=True)) as run:
        deadline = time.monotonic() + 300
        while not curve.exists():
            assert time.monotonic() < deadline
            assert run.poll() is None
            time.sleep(0.05)
        os.kill(run.pid, signal.SIGINT)
        _, errors = run.communicate(timeout=120)
    assert run.returncode == 130
    assert "the same command takes it up again" in errors
    assert "Traceback" not in errors
    assert last_checkpoint(tmp_path / "out") is not None
    assert not read_recipe(tmp_path / "out")["finished"]


def test_a_base_without_a_system_role_is_trained_with_it_in_the_user_turn(store, tmp_path):
    path = tiny.make(tmp_path / "base.gguf", "gemma2", template=tiny.NO_SYSTEM, spread=1.0)
    said: list[str] = []
    train(store, str(path), tmp_path / "out", say=said.append, method="lora", **FAST)
    assert any("system messages stand in the first user turn" in line for line in said)


def test_a_finished_training_is_not_done_again_and_writes_what_is_missing(store, base, tmp_path):
    options = {"method": "lora", **FAST, "epochs": 1}
    train(store, str(base), tmp_path / "out", **options)
    curve = (tmp_path / "out" / CURVE).read_bytes()
    said: list[str] = []
    adapter = json.loads((tmp_path / "out/adapter/adapter_config.json").read_text())
    assert adapter["base_model_name_or_path"] == "base.gguf"
    done = train(store, str(base), tmp_path / "out", gguf=["f16"], say=said.append, **options)
    assert "has finished" in "\n".join(said)
    assert (tmp_path / "out" / CURVE).read_bytes() == curve
    assert [file.name for file in done.files] == ["adapter.gguf", "model-f16.gguf"]


def test_a_model_that_was_refused_is_not_taken_for_a_finished_one(
    store, base, tmp_path, monkeypatch
):
    options = {"method": "lora", **FAST, "epochs": 1}
    computed = torch_model.llama_logits

    def other(path, tokens, adapter=None):
        found = computed(path, tokens, adapter)
        return found if adapter is None else found[:, ::-1]

    monkeypatch.setattr(torch_model, "llama_logits", other)
    for _ in range(2):
        with pytest.raises(SysgenError, match=r"different models of adapter\.gguf"):
            train(store, str(base), tmp_path / "out", **options)
        assert not read_recipe(tmp_path / "out")["finished"]
    monkeypatch.undo()
    said: list[str] = []
    train(store, str(base), tmp_path / "out", say=said.append, **options)
    assert any("agree on adapter.gguf" in line for line in said)
    assert any("agree on adapter.gguf" in line for line in read_recipe(tmp_path / "out")["found"])


def test_a_training_that_diverges_says_so(store, base, tmp_path):
    with pytest.raises(SysgenError, match="the training diverged"):
        train(store, str(base), tmp_path / "out", method="full", **FAST | {"learning_rate": 1e30})


def test_a_folder_that_is_there_and_empty_is_taken(store, base, tmp_path):
    (tmp_path / "out").mkdir()
    said: list[str] = []
    done = train(
        store, str(base), tmp_path / "out", say=said.append, **FAST | {"epochs": 1, "batch": 7}
    )
    assert done.finished
    [line] = [line for line in said if line.startswith("training every weight")]
    assert f"1 epoch, {done.points[-1].steps} steps of 7 examples" in line
    assert not [path for path in (tmp_path / "out").iterdir() if path.name.startswith(".")]


@pytest.mark.parametrize("part", [0.5, 0.25, 0.001])  # of the GGUF, the checkpoint, the rows
def test_a_full_disk_is_said_and_nothing_cut_is_left(db, base, tmp_path, part):
    command = [
        sys.executable, "-m", "sysgen_local.cli.main", "train", "--db", str(db), "--base",
        str(base), "-o", str(tmp_path / "out"), "--lora", "4", "--epochs", "1", "--gguf", "f16",
    ]  # fmt: skip
    blocks = int(base.stat().st_size * part) // 1024
    limited = ["bash", "-c", f'trap "" XFSZ; ulimit -f {blocks}; exec "$@"', "-", *command]
    run = subprocess.run(limited, capture_output=True, text=True, timeout=300, check=False)
    assert run.returncode == 1
    assert re.search(r"out cannot go on: |could not be written", run.stderr)
    assert "Traceback" not in run.stderr
    assert not list((tmp_path / "out").glob("model*"))
    subprocess.run(command, check=True, capture_output=True, timeout=300)
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "README.md", "adapter", "adapter.gguf", "curve.jsonl", "data", "model-f16.gguf",
        "recipe.json",
    }  # fmt: skip


def test_a_folder_with_something_else_is_refused(store, base, tmp_path):
    train(store, str(base), tmp_path / "out", **FAST | {"epochs": 1})
    with pytest.raises(UsageError, match="another training: it differs in variant, data, schedule"):
        train(store, str(base), tmp_path / "out", variant="original", **FAST)
    full = tmp_path / "full"
    full.mkdir()
    (full / "notes.txt").write_text("mine")
    with pytest.raises(UsageError, match="is not empty, and holds no training"):
        train(store, str(base), full, **FAST)
    assert (full / "notes.txt").read_text() == "mine"
    with pytest.raises(UsageError, match="is a file"):
        train(store, str(base), full / "notes.txt", **FAST)


def test_what_cannot_be_trained_is_refused_before_a_step(store, base, tmp_path, monkeypatch):
    out = tmp_path / "out"
    mamba = tiny.make(tmp_path / "m.gguf", "mamba")
    with pytest.raises(UsageError, match="architecture mamba, which cannot be trained"):
        train(store, str(mamba), out)
    bare = tiny.make(tmp_path / "bare.gguf", "llama", template=None)
    with pytest.raises(UsageError, match="no chat template"):
        train(store, str(bare), out)
    with pytest.raises(UsageError, match=r"no rows of .* are left to train on"):
        train(store, str(base), out, where="row < 0")
    with pytest.raises(UsageError, match="nothing is left to train on"):
        train(store, str(base), out, held_out=0.5, test=0.5)
    with pytest.raises(UsageError, match="not permissive"):
        train(store, str(base), out, permissive_only=True)
    monkeypatch.setattr(torch_model, "machine", lambda: Machine("cpu", 10**6, bfloat16=False))
    with pytest.raises(ModelTooLargeError, match=r"training needs .* of memory on the CPU"):
        train(store, str(base), out)
    assert not out.exists()


def test_json_tells_what_was_trained(db, base, tmp_path):
    from pydantic import TypeAdapter

    from sysgen_local.cli.outputs import OUTPUTS

    done = subprocess.run(
        [sys.executable, "-m", "sysgen_local.cli.main", "train", "--db", str(db), "--base",
         str(base), "-o", str(tmp_path / "out"), "--epochs", "1", "--json", "-q"],
        check=True, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    found = TypeAdapter(OUTPUTS["train"]).validate_json(done.stdout)
    assert found.finished
    assert found.files == [str(tmp_path / "out" / "model-f16.gguf")]
    assert found.steps == read_curve(tmp_path / "out")[-1].step
    assert done.stderr == ""


OFFLINE = """
import sys
asked = []
def note(event, args):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.sendto"):
        asked.append((event, args[0] if event == "socket.getaddrinfo" else args[1:]))
sys.addaudithook(note)
from sysgen_local.cli.main import main
sys.argv = ["sysgen", *sys.argv[1:]]
try:
    main()
except SystemExit as end:
    assert not end.code, end.code
print(asked, file=sys.stderr)
assert not asked
"""


def test_a_training_asks_no_network(db, base, tmp_path):
    env = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    done = subprocess.run(
        [sys.executable, "-c", OFFLINE, "train", "--db", str(db), "--base", str(base), "-o",
         str(tmp_path / "out"), "--lora", "4", "--epochs", "1", "-q"],
        env=env, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out" / "adapter.gguf").exists()


def test_permissive_is_asked_of_the_rows_that_are_taken_and_of_the_base(tmp_path):
    with Store.open(tmp_path / "s.duckdb") as store:
        for license_ in ("mit", "cc-by-nc-4.0"):
            rows = [
                Conversation((Turn("user", f"{license_} {n}?"), Turn("assistant", "Yes.")), n)
                for n in range(1, 10)
            ]
            path = f"/home/me/{license_}.jsonl"
            store.ingest(Source(path, path, license_, "d", license_), rows)
        for n in range(1, 19):
            row = store.row(n)
            store.commit([(n, "generate", Generated((ROLE,))), (n, "filter", Filtered((ROLE,)))])
            verdict = Verdict("role", ROLE.text, "good", 0.9, 0.1, 0.0)
            store.commit([(n, "verify", Verified((verdict,), ROLE.text)),
                          (n, "respond", Responded(row.conversation.turns))])  # fmt: skip
        store.set_recipe("generate", "f" * 64, {"model": "builtin", "model_license": "apache-2.0"})
        where = "source = '/home/me/mit.jsonl'"
        options = FAST | {"epochs": 1, "permissive_only": True}
        with pytest.raises(UsageError, match="not permissive: 9 rows"):
            train(store, "builtin", tmp_path / "out", **options)
        train(store, "builtin", tmp_path / "out", where=where, **options)
        card = (tmp_path / "out" / "README.md").read_text()
        assert "source = 'mit.jsonl'" in card
        assert "/home/me" not in card + (tmp_path / "out" / "recipe.json").read_text()
        other = tiny.make(tmp_path / "base.gguf", "llama")
        with pytest.raises(UsageError, match=r"the base base\.gguf is under unknown"):
            train(store, str(other), tmp_path / "other", where=where, **options)
