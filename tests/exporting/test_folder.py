"""A folder as output: a file for each split, the card as README.md, and nothing else replaced."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from filled import fill

from sysgen_local.core.errors import UsageError
from sysgen_local.core.files import names_folder
from sysgen_local.exporting import write_rejects
from sysgen_local.exporting.output import Output
from sysgen_local.sources import find
from sysgen_local.store import Store
from sysgen_local.workflows.export import export

SPLITS = {"train": 0.5, "valid": 0.25, "test": 0.25}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    fill(tmp_path / "s.duckdb", 60)
    with Store.open(tmp_path / "s.duckdb", read_only=True) as store:
        yield store


def names(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


@pytest.mark.parametrize(
    ("name", "folder"),
    [("new/", True), ("there", True), ("there/", True), ("new", False), ("a.jsonl", False),
     ("dir.jsonl", False), ("dir.jsonl/", True), ("-", False), ("", False)],
)  # fmt: skip
def test_what_names_a_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, folder: bool
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("there").mkdir()
    Path("dir.jsonl").mkdir()
    assert names_folder(name) == folder


def test_a_folder_has_a_file_for_each_split_and_its_card(store: Store, tmp_path: Path) -> None:
    done = export(store, f"{tmp_path}/mine/", splits=SPLITS)
    folder = tmp_path / "mine"
    assert names(folder) == ["README.md", "test.jsonl", "train.jsonl", "valid.jsonl"]
    assert [(of.path.name, of.split) for of in done.files] == [
        ("train.jsonl", "train"), ("valid.jsonl", "valid"), ("test.jsonl", "test")
    ]  # fmt: skip
    beside = export(store, tmp_path / "same.jsonl", splits=SPLITS)
    assert all(of.rows for of in done.files)
    for one, other in zip(done.files, beside.files, strict=True):
        assert one.path.read_bytes() == other.path.read_bytes()
    card = (folder / "README.md").read_text()
    assert done.card_path == folder / "README.md"
    assert "path: valid.jsonl" in card
    assert "# mine\n" in card


def test_without_splits_a_folder_has_all_rows_in_train(store: Store, tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    [written] = export(store, tmp_path / "there", card=False).files
    assert names(tmp_path / "there") == ["train.jsonl"]
    [whole] = export(store, tmp_path / "whole.jsonl").files
    assert written.path.read_bytes() == whole.path.read_bytes()


def test_an_export_replaces_an_export_of_the_same_splits(store: Store, tmp_path: Path) -> None:
    folder = f"{tmp_path}/mine/"
    first = export(store, folder, splits=SPLITS, where="row < 30")
    again = export(store, folder, splits=SPLITS)
    assert again.rows > first.rows
    # A trainer would read a split that stays, and its rows may be in train.jsonl now.
    before = (tmp_path / "mine" / "train.jsonl").read_bytes()
    with pytest.raises(UsageError, match="a split of an earlier export"):
        export(store, folder)
    assert (tmp_path / "mine" / "train.jsonl").read_bytes() == before
    (tmp_path / "mine" / "valid.jsonl").unlink()
    (tmp_path / "mine" / "test.jsonl").unlink()
    assert export(store, folder).rows == again.rows


@pytest.mark.parametrize("name", ["train.jsonl", "README.md"])
def test_no_file_of_somebody_else_is_replaced(store: Store, tmp_path: Path, name: str) -> None:
    folder = tmp_path / "theirs"
    folder.mkdir()
    # The table is like that of a card.
    (folder / name).write_text("## Files\n\n| file | rows |\n|---|---|\n| train.jsonl | 3 |\n")
    before = (folder / name).read_bytes()
    with pytest.raises(UsageError, match=name):
        export(store, folder)
    assert names(folder) == [name]
    assert (folder / name).read_bytes() == before
    if name == "README.md":
        export(store, folder, card=False)
        assert (folder / name).read_bytes() == before


@pytest.mark.parametrize(
    ("name", "said"),
    [("file/", "is a file"), ("no/such/", "no does not exist"), ("new", "no ending")],
)
def test_what_cannot_be_written_is_refused_and_makes_no_folder(
    store: Store, tmp_path: Path, name: str, said: str
) -> None:
    (tmp_path / "file").write_text("x")
    before = names(tmp_path)
    with pytest.raises(UsageError, match=said):
        export(store, f"{tmp_path}/{name}")
    with pytest.raises(UsageError):
        export(store, f"{tmp_path}/later/", where="nonsense")
    assert [of for of in names(tmp_path) if of != "later"] == before


def test_rejected_rows_go_to_a_file(store: Store, tmp_path: Path) -> None:
    for name in (f"{tmp_path}/new/", str(tmp_path)):
        with pytest.raises(UsageError, match="is a folder") as caught:
            write_rejects(store, name)
        assert "name a file" in str(caught.value.hint)


def test_a_folder_of_exports_is_no_input(store: Store, tmp_path: Path) -> None:
    rows = tmp_path / "rows"
    export(store, f"{rows}/", splits=SPLITS)
    (rows / "mine.jsonl").write_text('{"instruction": "Why?", "output": "So."}\n')
    said: list[str] = []
    assert [Path(of.path).name for of in find([str(rows)], say=said.append)] == ["mine.jsonl"]
    assert sum("an export with its card beside it" in line for line in said) == 3
    assert [of.path for of in find([f"{rows}/train.jsonl"])] == [f"{rows}/train.jsonl"]


def test_a_readme_that_is_no_card_leaves_no_file_out(tmp_path: Path) -> None:
    (tmp_path / "train.jsonl").write_text('{"instruction": "Why?", "output": "So."}\n')
    (tmp_path / "README.md").write_text("## Files\n\n| file | rows |\n|-|-|\n| train.jsonl | 1 |\n")
    assert len(find([str(tmp_path)])) == 1


def test_the_inputs_of_a_card_are_no_exports(store: Store, tmp_path: Path) -> None:
    """A card names the datasets in a table of its own."""
    done = export(store, tmp_path / "out.jsonl")
    assert done.card_path is not None
    more = "\n## Sources\n\n| dataset | rows |\n|---|---|\n| mine.jsonl | 3 |\n"
    done.card_path.write_text(done.card_path.read_text() + more)
    (tmp_path / "mine.jsonl").write_text('{"instruction": "Why?", "output": "So."}\n')
    assert [Path(of.path).name for of in find([str(tmp_path)])] == ["mine.jsonl"]


def test_a_file_beside_its_splits() -> None:
    output = Output.named("x/data.parquet")
    assert output.files() == [Path("x/data.parquet")]
    assert output.files(["train"]) == [Path("x/data-train.parquet")]
    assert Output.named("-").files() == []


def sysgen(*said: object, cwd: Path, code: int = 0) -> Any:
    done = subprocess.run(
        [sys.executable, "-m", "sysgen_local.cli.main", *map(str, said)],
        cwd=cwd, capture_output=True, text=True, timeout=300, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    return done


def test_run_and_export_write_folders(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    lines = [{"instruction": f"What is tea number {n}?", "output": "A drink."} for n in range(8)]
    (data / "train.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    before = (data / "train.jsonl").read_bytes()
    said = sysgen("run", "data/", "-o", "data", cwd=tmp_path, code=2).stderr
    assert "data/train.jsonl exists, and no README.md beside it says that it is an export" in said
    assert names(tmp_path) == ["data"]
    done = sysgen("run", "data/", "-o", "out/", "--json", cwd=tmp_path)
    assert "written to out/train.jsonl" in done.stderr
    told = json.loads(done.stdout)
    assert (told["written"]["path"], told["card"]) == ("out/train.jsonl", "out/README.md")
    assert names(tmp_path / "out") == ["README.md", "train.jsonl"]
    sysgen("run", "data/", "-o", "out/", cwd=tmp_path)  # the same command again
    split = ("export", "-o", "parts/", "--split", "train=0.5,valid=0.5", "--json")
    told = json.loads(sysgen(*split, cwd=tmp_path).stdout)
    assert [of["path"] for of in told["files"]] == ["parts/train.jsonl", "parts/valid.jsonl"]
    assert told["card"] == "parts/README.md"
    said = sysgen("export", "-o", "out/", "--rejects", cwd=tmp_path, code=2).stderr
    assert "out is a folder" in said
    said = sysgen("export", "-o", "data/", cwd=tmp_path, code=2).stderr
    assert "data/train.jsonl exists" in said
    assert "no ending that is known" in sysgen("export", "-o", "new", cwd=tmp_path, code=2).stderr
    sysgen("export", "-o", "", cwd=tmp_path, code=2)
    assert (data / "train.jsonl").read_bytes() == before
    assert names(tmp_path) == ["data", "out", "parts", "sysgen.duckdb"]
