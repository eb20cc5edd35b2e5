"""New answers against old ones: the reference libraries' figures, kept in the store."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import gguf
import psutil
import pytest
from filled import fill
from processes import ended
from tiny import make
from tinybert import make_bert

from sysgen_local.core.errors import UsageError
from sysgen_local.engine.llama.embed import Embedder
from sysgen_local.evaluation.similarity import OVERLAP, bertscore, compare, overlap, similarity
from sysgen_local.store import Store


def test_the_measures_by_hand():
    found = overlap(("the cat sat on the mat", "the cat lay on the mat"))
    assert found["rouge1"] == pytest.approx(5 / 6)
    assert found["rouge2"] == pytest.approx(3 / 5)
    assert found["rougeL"] == pytest.approx(5 / 6)
    # GLEU: of the n-grams up to four, 5 + 3 + 1 + 0 of 6 + 5 + 4 + 3.
    assert found["gleu"] == pytest.approx(9 / 18)
    assert found["length_ratio"] == 1
    assert overlap(("same words", "same words")) == pytest.approx(dict.fromkeys(OVERLAP, 1.0))


@pytest.mark.e2e  # rows are measured in processes of their own
def test_every_finished_row_is_measured_once_and_figures_stay(tmp_path):
    fill(tmp_path / "x.duckdb", 10)
    with Store.open(tmp_path / "x.duckdb") as store:
        final = store.counts().final
        assert compare(store, {}) == final
        assert compare(store, {}) == 0
        means = store.stats()["measures"]
        assert means[""]["rougeL"][1] == final
        assert sum(of["gleu"][1] for name, of in means.items() if name) == final
        store.redo("respond")
        assert store.stats()["measures"] == {}


@pytest.fixture(scope="module")
def embedding_model(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("model") / "tiny.gguf"
    return make(path, "llama", template=None, pooling=gguf.PoolingType.MEAN)


def test_similarity_by_an_embedding_model(embedding_model):
    texts = ["How do I grow mint?", "Rain comes from clouds. " * 300, ""]
    model = Embedder(embedding_model)
    vectors = model.embed(texts[:2])
    model.close()
    assert [math.fsum(v * v) for v in vectors] == pytest.approx([1, 1], abs=1e-4)
    values = similarity(embedding_model)([(texts[0], texts[0]), (texts[0], texts[1])])
    assert values[0] == pytest.approx(1, abs=1e-4)
    assert values[1] < 0.999


def test_similarity_by_an_encoder_as_bge_and_nomic_embed_are(tmp_path):
    model = Embedder(make_bert(tmp_path / "bert.gguf"))
    texts = ["How do I grow mint?", "Rain comes from clouds. " * 300, "", "[CLS] 雨 😀", "the cat"]
    together = model.embed(texts)
    assert (together * together).sum(axis=1) == pytest.approx([1] * 5, abs=1e-4)
    for text, vector in zip(texts, together, strict=True):  # alone as among others
        assert model.embed([text])[0] == pytest.approx(vector, abs=1e-4)
    assert together[0] @ together[4] < 0.999
    assert model.embed(["the cat"] * 300).shape == (300, together.shape[1])
    model.close()


def test_a_chat_model_is_no_embedding_model(tmp_path):
    path = make(tmp_path / "chat.gguf", "llama")
    with pytest.raises(UsageError, match="no embedding model"):
        Embedder(path)


def test_bertscore_by_the_library_itself(tmp_path):
    pytest.importorskip("bert_score", reason="the extra [bertscore] is not installed")
    transformers = pytest.importorskip("transformers")
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "cat", "sat", "ran"]
    (tmp_path / "vocab.txt").write_text("\n".join(words))
    vocabulary = str(tmp_path / "vocab.txt")
    transformers.BertTokenizer(vocabulary, model_max_length=32).save_pretrained(tmp_path)
    config = transformers.BertConfig(
        vocab_size=len(words), hidden_size=16, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=32,
    )  # fmt: skip
    transformers.BertModel(config).save_pretrained(tmp_path)
    same, other = bertscore(str(tmp_path), 2)([("the cat", "the cat"), ("the cat", "sat ran")])
    assert same == pytest.approx(1, abs=1e-4)
    assert other < same


def sysgen(*arguments: object) -> str:
    command = [sys.executable, "-m", "sysgen_local.cli.main", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_command_prints_the_papers_table_and_json(tmp_path):
    store = tmp_path / "x.duckdb"
    fill(store, 10)
    said = sysgen("compare", "--db", store)
    for word in ("rouge1", "length_ratio", "Phi-4"):
        assert word in said
    assert json.loads(sysgen("compare", "--db", store, "--json"))[""]["rouge1"][1] > 0
    assert "compared with old" in sysgen("stats", "--all", "--db", store)


@pytest.mark.parametrize(
    ("how", "after"),
    [(signal.SIGINT, 0.0), (signal.SIGINT, 0.05), (signal.SIGINT, 1.0), (signal.SIGKILL, 1.0)],
)
def test_stopped_it_leaves_no_process_behind_and_is_taken_up_again(tmp_path, how, after):
    """Also while its processes start, when they cannot ignore the signal yet."""
    store = tmp_path / "x.duckdb"
    fill(store, 3000)
    command = [sys.executable, "-m", "sysgen_local.cli.main", "compare", "--db", store]
    started = subprocess.Popen(command, stderr=subprocess.PIPE, start_new_session=True)
    with ended(started) as process:
        parent = psutil.Process(process.pid)
        until = time.monotonic() + 60
        while not (workers := parent.children(recursive=True)) and time.monotonic() < until:
            time.sleep(0.01)
        time.sleep(after)
        # Ctrl-C reaches every process of the terminal.
        (os.killpg if how == signal.SIGINT else os.kill)(process.pid, how)
        said = process.communicate(timeout=60)[1].decode()
    assert workers
    assert process.returncode in (130, -signal.SIGKILL)
    assert "Traceback" not in said
    assert not psutil.wait_procs(workers, timeout=10)[1]
    done = json.loads(sysgen("compare", "--db", store, "--json"))
    assert done[""]["rouge1"][1] == 2400  # every fifth was dropped
