"""Model files that cannot be used: one sentence each, from a run and from `models check`."""

import os
import subprocess
import sys

import gguf
import numpy as np
import pytest
from tiny import make


def sysgen(*arguments, cwd):
    return subprocess.run(
        [sys.executable, "-m", "sysgen_local.cli.main", *map(str, arguments)],
        cwd=cwd, capture_output=True, text=True, timeout=120,
    )  # fmt: skip


def cut(path):
    make(path, "llama")
    os.truncate(path, path.stat().st_size // 2)


def of_an_unknown_architecture(path):
    writer = gguf.GGUFWriter(path, "perpetuum")
    writer.add_chat_template("{{ messages }}")
    writer.add_tensor("token_embd.weight", np.zeros((8, 8), np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def without_template(path):
    make(path, "llama", template=None)


def that_embeds(path):
    writer = gguf.GGUFWriter(path, "bert")
    writer.add_tensor("token_embd.weight", np.zeros((8, 8), np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def too_large(path):
    make(path, "llama")
    os.truncate(path, 4 << 40)  # sparse: takes no room on the disk


@pytest.mark.parametrize(
    ("broken", "says", "way_out"),
    [
        (cut, "is cut short", "fetch it again"),
        (of_an_unknown_architecture, "unknown model architecture: 'perpetuum'", "newer llama-cpp"),
        (without_template, "has no chat template", "chat"),
        (that_embeds, "is an embedding model (bert)", "models list"),
        (too_large, "needs 4398.05 GB of memory", "smaller"),
    ],
)
def test_a_file_that_cannot_be_used_is_one_sentence(tmp_path, broken, says, way_out):
    model = tmp_path / "odd.gguf"
    broken(model)
    (tmp_path / "rows.jsonl").write_text('{"instruction": "Hi?", "output": "Hello."}\n')
    run = sysgen("run", "rows.jsonl", "--model", model, cwd=tmp_path)
    check = sysgen("models", "check", model, cwd=tmp_path)
    for done in (run, check):
        assert done.returncode in (1, 2), done.stderr
        assert "Traceback" not in done.stderr
        complaint = done.stderr[done.stderr.index("sysgen: ") :]
        assert f"{model}" in complaint
        assert says in complaint
        assert way_out in complaint
