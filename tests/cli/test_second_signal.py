"""A second Ctrl-C ends the process at once, also inside llama.cpp's own code: the real one."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gguf import GGMLQuantizationType, GGUFValueType, GGUFWriter
from processes import ended, first_line
from tiny import CHATML


def soon() -> float:
    """Seconds: one that is promised, and the turns of other processes on a machine that is busy."""
    return 1.5 + os.getloadavg()[0] / (os.cpu_count() or 1)


WATCHED = """
import llama_cpp
name = {name!r}
real = getattr(llama_cpp, name)

def watched(*arguments):
    if name == "llama_decode" and arguments[1].n_tokens < 8000:
        return real(*arguments)  # it is soon over
    open("inside", "w").close()
    try:
        return real(*arguments)
    finally:
        open("outside", "w").close()

setattr(llama_cpp, name, watched)
from sysgen_local.cli.main import main
main()
"""
"""`sysgen`, which marks when it is inside a function of llama.cpp, and when out of it again."""


class Packed(GGUFWriter):
    """Takes arrays as the bytes that they are in the file."""

    def _pack_val(self, val: Any, *arguments: Any, **more: Any) -> Any:
        return val if isinstance(val, bytes) else super()._pack_val(val, *arguments, **more)

    def add_packed(self, key: str, kind: GGUFValueType, items: np.ndarray) -> None:
        head = np.uint32([GGUFValueType.ARRAY, kind]).tobytes() + np.uint64(len(items)).tobytes()
        self.add_key_value(key, head + items.tobytes(), GGUFValueType.ARRAY)


def slow_to_load(path: Path, tokens: int) -> None:
    """A tiny model with a vocabulary so large that llama.cpp takes seconds to read it."""
    width = 32
    writer = Packed(path, "llama")
    writer.add_context_length(512)
    writer.add_embedding_length(width)
    writer.add_block_count(1)
    writer.add_feed_forward_length(width)
    writer.add_head_count(1)
    writer.add_head_count_kv(1)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(width)
    writer.add_tokenizer_model("llama")
    texts = np.zeros(tokens, dtype=[("length", "<u8"), ("text", "u1", 8)])
    texts["length"] = 8
    texts["text"] = ord("0") + np.arange(tokens)[:, None] // 10 ** np.arange(7, -1, -1) % 10
    writer.add_packed("tokenizer.ggml.tokens", GGUFValueType.STRING, texts)
    scores, kinds = np.zeros(tokens, "<f4"), np.ones(tokens, "<i4")
    writer.add_packed("tokenizer.ggml.scores", GGUFValueType.FLOAT32, scores)
    writer.add_packed("tokenizer.ggml.token_type", GGUFValueType.INT32, kinds)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_chat_template(CHATML)
    writer.add_vocab_size(tokens)
    embedded = np.zeros((tokens, 34), np.uint8)
    writer.add_tensor("token_embd.weight", embedded, raw_dtype=GGMLQuantizationType.Q8_0)
    for name in ("output_norm", "blk.0.attn_norm", "blk.0.ffn_norm"):
        writer.add_tensor(f"{name}.weight", np.ones(width, np.float32))
    for name in ("attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down"):
        writer.add_tensor(f"blk.0.{name}.weight", np.zeros((width, width), np.float16))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def stopped_inside(folder: Path, name: str, *options: object) -> str:
    """Sends two signals while `sysgen run` is inside that function; what it said."""
    rows = [{"instruction": "Tell me of tea. " * 1450, "output": f"It is {n}."} for n in range(4)]
    (folder / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    script = WATCHED.format(name=name)
    process = subprocess.Popen(
        [sys.executable, "-c", script, "run", "rows.jsonl", "-q", *map(str, options)],
        cwd=folder, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        deadline = time.monotonic() + 400
        while not (folder / "inside").exists():
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.005)
        time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        time.sleep(0.1)
        begun = time.monotonic()
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
        took = time.monotonic() - begun
    finally:
        process.kill()
        process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert not (folder / "outside").exists(), f"{name} was over before the second signal counted"
    assert took < soon()
    return said


def test_inside_the_loading_of_a_model(tmp_path: Path) -> None:
    slow_to_load(tmp_path / "large.gguf", 3_000_000)
    said = stopped_inside(
        tmp_path, "llama_model_load_from_file", "--model", "large.gguf", "--prompts", "compact"
    )
    assert said.strip() == "interrupted; the same command takes it up again"


def test_inside_a_step_of_the_model(tmp_path: Path) -> None:
    machine = ["--slots", 2, "--batch", 16384, "--context", 8192, "--threads", 1, "--flash"]
    said = stopped_inside(tmp_path, "llama_decode", *machine)
    assert said.strip() == "interrupted; the same command takes it up again"


@pytest.mark.skipif(sys.platform == "win32", reason="no pipes as there are here")
def test_a_reader_that_does_not_read_holds_up_nothing(tmp_path: Path) -> None:
    """The end is not written to a pipe that is full."""
    code = (
        "import os, signal, sys, time\n"
        "from sysgen_local.running import interrupts\n"
        "for number in interrupts.SIGNALS: signal.signal(number, lambda *_: None)\n"
        "interrupts.watch()\n"
        "os.set_blocking(2, False)\n"
        "try:\n    while True: os.write(2, b'x' * 4096)\n"
        "except BlockingIOError: os.set_blocking(2, True)\n"
        "print('full', flush=True)\n"
        "while True: time.sleep(60)\n"
    )
    started = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    with ended(started) as process:
        assert first_line(process) == b"full\n"
        for number in (signal.SIGTERM, signal.SIGINT):
            os.kill(process.pid, number)
            time.sleep(0.1)
        assert process.wait(timeout=30) == 130
