"""INPUTs as people name them: ~, -, pipes, folders with splits, web addresses."""

from __future__ import annotations

import gzip
import io
import json
import os
import sys
import threading
from pathlib import Path

import pytest
from filled import fill

from sysgen_local.core.errors import UsageError
from sysgen_local.core.records import Conversation
from sysgen_local.sources import find, read
from sysgen_local.sources.hub import address
from sysgen_local.store import Store
from sysgen_local.workflows.export import export

ROW = {"instruction": "Q", "output": "A"}
LINE = json.dumps(ROW) + "\n"


def usable(sources) -> list[int]:
    return [sum(isinstance(r, Conversation) for r in read(source)) for source in sources]


def test_a_tilde_is_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "a.jsonl").write_text(LINE)
    for name in ("~/a.jsonl", "~", "~/*.jsonl"):
        [source] = find([name])
        assert source.path == str(tmp_path / "a.jsonl")


class Piped(io.TextIOWrapper):
    def __init__(self, data: bytes) -> None:
        super().__init__(io.BytesIO(data))


@pytest.mark.parametrize(
    ("data", "rows"),
    [
        (LINE.encode() * 3, 3),
        (json.dumps([ROW, ROW], indent=2).encode(), 2),
        (gzip.compress(LINE.encode()), 1),
        (b"question,answer\na,b\n", 1),
        (b"question\tanswer\na\tb\n", 1),
        (b"question;answer\na;b\n", 1),
        (b"", 0),
    ],
)
def test_standard_input_is_read_by_what_is_in_it(monkeypatch, data, rows):
    monkeypatch.setattr(sys, "stdin", Piped(data))
    sources = find(["-"])
    assert usable(sources) == [rows]
    assert sources[0].path.startswith("standard input ")
    monkeypatch.setattr(sys, "stdin", Piped(data))
    assert find(["-"])[0].path == sources[0].path


def test_parquet_from_standard_input(monkeypatch, tmp_path):
    import duckdb

    path = tmp_path / "a.parquet"
    duckdb.sql(f"COPY (SELECT 'Q' AS question, 'A' AS answer) TO '{path}' (FORMAT parquet)")
    monkeypatch.setattr(sys, "stdin", Piped(path.read_bytes()))
    assert usable(find(["-"])) == [1]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_is_read_though_its_name_says_nothing(tmp_path):
    path = tmp_path / "63"
    os.mkfifo(path)
    writer = threading.Thread(target=path.write_text, args=(LINE * 2,), daemon=True)
    writer.start()
    assert usable(find([str(path)])) == [2]
    writer.join(timeout=60)
    assert not writer.is_alive()


def folder(tmp_path: Path, *names: str) -> Path:
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(LINE)
    return tmp_path


def named(sources, tmp_path: Path) -> list[str]:
    return [Path(source.path).relative_to(tmp_path).as_posix() for source in sources]


def test_of_a_folder_with_splits_train_is_read_and_it_is_said(tmp_path):
    folder(tmp_path, "train.jsonl", "test.jsonl", "more/train-2.jsonl", "validation/a.jsonl")
    said: list[str] = []
    found = find([str(tmp_path)], say=said.append)
    assert named(found, tmp_path) == ["more/train-2.jsonl", "train.jsonl"]
    assert "test, validation left out" in said[0]
    assert named(find([str(tmp_path)], split="test"), tmp_path) == ["test.jsonl"]
    assert named(find([str(tmp_path)], split="val"), tmp_path) == ["validation/a.jsonl"]
    with pytest.raises(UsageError, match="no split other"):
        find([str(tmp_path)], split="other")


def test_a_folder_without_train_is_read_whole_and_it_is_said(tmp_path):
    folder(tmp_path, "a.jsonl", "test.jsonl")
    said: list[str] = []
    assert len(find([str(tmp_path)], say=said.append)) == 2
    assert "test" in said[0]


def test_a_split_of_what_has_none_is_one_sentence(tmp_path):
    (tmp_path / "a.jsonl").write_text(LINE * 2)
    with pytest.raises(UsageError, match="no splits in"):
        find([str(tmp_path / "a.jsonl")], split="train")


def test_an_encoding_that_there_is_not(tmp_path):
    folder(tmp_path, "a.jsonl")
    for name in ("cp9999", "base64"):
        with pytest.raises(UsageError, match=f"--encoding {name}"):
            find([str(tmp_path / "a.jsonl")], encoding=name)


def saved(pyarrow, path: Path, rows: int, *, stream: bool = True) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    chat = [{"role": "user", "content": "Q"}, {"role": "assistant", "content": "A"}]
    table = pyarrow.Table.from_pylist([{"messages": chat}] * rows)
    writer = pyarrow.ipc.new_stream if stream else pyarrow.ipc.new_file
    with writer(str(path), table.schema) as out:
        out.write_table(table)


@pytest.fixture
def saved_to_disk(tmp_path):
    """As `DatasetDict.save_to_disk` leaves it, with a file of its cache."""
    pyarrow = pytest.importorskip("pyarrow")
    (tmp_path / "dataset_dict.json").write_text('{"splits": ["train", "test"]}')
    for split, files in (("train", 2), ("test", 1)):
        names = [f"data-{i:05}-of-{files:05}.arrow" for i in range(files)]
        for name in [*names, "cache-1a2b.arrow"]:
            saved(pyarrow, tmp_path / split / name, 300)
        (tmp_path / split / "dataset_info.json").write_text('{"features": {}}')
        state = {"_data_files": [{"filename": name} for name in names], "_split": split}
        (tmp_path / split / "state.json").write_text(json.dumps(state))
    return tmp_path


def test_a_folder_of_save_to_disk(saved_to_disk):
    assert usable(find([str(saved_to_disk)])) == [300, 300]
    assert usable(find([str(saved_to_disk)], split="test")) == [300]
    assert usable(find([str(saved_to_disk / "test")])) == [300]


def test_an_arrow_file_whole_and_broken(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    path = tmp_path / "a.arrow"
    saved(pyarrow, path, 600, stream=False)
    assert usable(find([str(path)])) == [600]
    path.write_bytes(path.read_bytes()[:100])
    assert [r.reason for r in read(find([str(path)])[0])] == ["bad_row"]


def test_without_pyarrow_it_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    (tmp_path / "a.arrow").write_bytes(b"ARROW1")
    with pytest.raises(UsageError, match="pip install"):
        list(read(find([str(tmp_path / "a.arrow")])[0]))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("hf://datasets/o/n", "hf://datasets/o/n"),
        ("https://huggingface.co/datasets/o/n", "hf://datasets/o/n"),
        ("https://huggingface.co/datasets/o/n/", "hf://datasets/o/n"),
        ("huggingface.co/datasets/o/n?row=3#x", "hf://datasets/o/n"),
        ("https://hf.co/datasets/o/n/tree/main", "hf://datasets/o/n"),
        ("https://huggingface.co/datasets/o/n/tree/main/data", "hf://datasets/o/n/data"),
        ("https://huggingface.co/datasets/o/n/blob/v1.0/data/a.jsonl",
         "hf://datasets/o/n@v1.0/data/a.jsonl"),
        ("https://huggingface.co/datasets/o/n/resolve/main/a.jsonl?download=true",
         "hf://datasets/o/n/a.jsonl"),
        ("https://huggingface.co/datasets/o/n/tree/refs%2Fconvert%2Fparquet/default/train",
         "hf://datasets/o/n@refs/convert/parquet/default/train"),
        ("https://huggingface.co/datasets/o/n/viewer", "hf://datasets/o/n"),
        ("https://huggingface.co/datasets/o/n/viewer/default/test?p=2",
         "hf://datasets/o/n@refs/convert/parquet/default/test"),
        ("rows.jsonl", None),
        ("-", None),
    ],
)  # fmt: skip
def test_addresses_of_the_hub(name, expected):
    assert address(name) == expected


@pytest.mark.parametrize(
    "name",
    ["https://huggingface.co/o/n", "https://huggingface.co/datasets/n", "https://a.org/rows.jsonl"],
)
def test_other_addresses_are_one_sentence(name):
    with pytest.raises(UsageError):
        find([name])


def test_a_name_like_that_of_a_dataset_is_asked_about(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError) as caught:
        find(["meta-math/MetaMathQA"])
    hint = "did you mean the dataset of the hub, hf://datasets/meta-math/MetaMathQA?"
    assert caught.value.hint == hint
    for name in ("data/rows.jsonl", "rows", "a/b/c"):
        with pytest.raises(UsageError) as caught:
            find([name])
        assert caught.value.hint == "look at the path, or quote it"


def test_a_folder_gives_no_status_file_of_a_run(tmp_path):
    (tmp_path / "rows.jsonl").write_text(LINE)
    (tmp_path / "sysgen.duckdb.status.json").write_text('{"pid": 1}')
    assert [source.path for source in find([str(tmp_path)])] == [str(tmp_path / "rows.jsonl")]


def test_a_folder_gives_no_export_of_a_store(tmp_path):
    """They are known by the card that names them; one that is named itself is read."""
    fill(tmp_path / "s.duckdb", 4)
    rows = tmp_path / "rows"
    rows.mkdir()
    for name in ("mine.jsonl", "out-1.jsonl"):
        (rows / name).write_text('{"instruction": "Why?", "output": "So."}')
    with Store.open(tmp_path / "s.duckdb", read_only=True) as store:
        export(store, rows / "out.jsonl")
        export(store, rows / "split.jsonl", splits={"train": 0.5, "test": 0.5})
    said: list[str] = []
    found = find([str(rows)], say=said.append)
    assert [Path(of.path).name for of in found] == ["mine.jsonl", "out-1.jsonl"]
    assert len(said) == 3
    assert f"left out: {rows / 'out.jsonl'}, an export" in said[0]
    [one] = find([str(rows / "out.jsonl")])
    assert one.path == str(rows / "out.jsonl")
