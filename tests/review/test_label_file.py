"""Labels as a file: CSV and JSONL come back as they left, and bad lines are named."""

from __future__ import annotations

import csv
import json
import shutil
from datetime import datetime

import pytest
from filled import ROLE, TOOL, fill
from questions import run

from sysgen_local.core.errors import UsageError
from sysgen_local.review import label_file
from sysgen_local.store import Judged, Label, Store

NOON = datetime(2026, 11, 30, 12)
NASTY = 'a "quoted", text\r\nof two lines; =1+1, é 中文 \u2028 and more'


@pytest.fixture
def db(tmp_path):
    fill(tmp_path / "s.duckdb", 6)
    return tmp_path / "s.duckdb"


@pytest.fixture
def labelled(db, tmp_path):
    """A copy with labels of every kind, one of them taken back; the first file has none."""
    path = tmp_path / "labelled.duckdb"
    shutil.copy(db, path)
    with Store.open(path) as store:
        queue = store.judge_queue("b" * 64, {"model": "j"}, pairs=9, aligned=0, seed=0)
        queue.commit([(of.row, "judge", Judged(0.9, 0.8)) for of in queue.due("judge")])
        shown = store.pair_texts(1)[0]
        store.add_labels([
            Label(1, "phrase", "good", "ann", "role", ROLE.text, at=NOON),
            Label(1, "phrase", "bad", "bob", "tool", TOOL.text, random=False, at=NOON),
            Label(2, "phrase", None, "ann", "role", ROLE.text, at=NOON),
            Label(3, "phrase", "none", "ann", "style", NASTY, at=NOON),
            Label(1, "pair", "original", "ann", shown=shown, at=NOON),
        ])  # fmt: skip
    return path


@pytest.mark.parametrize("name", ["labels.csv", "labels.jsonl"])
def test_they_come_back_as_they_left(db, labelled, tmp_path, name):
    file = tmp_path / name
    with Store.open(labelled) as there, Store.open(db) as here:
        assert label_file.export(there, file) == 5
        # The store without a judge has no verdict on the pair, nor on a phrase that it has not.
        assert label_file.load(here, file) == (5, 0, 0, 0, 2)
        assert here.latest_labels() == there.latest_labels()
        assert label_file.load(here, file) == (0, 0, 5, 0, 0)
        again = tmp_path / f"again-{name}"
        label_file.export(here, again)
        assert again.read_bytes() == file.read_bytes()
        label_file.export(here, file)  # in place of such a file


def lines(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_file_of_another_program_needs_only_what_identifies(db, tmp_path):
    hand = tmp_path / "hand.csv"
    hand.write_text(
        "said,reviewer,source,line,tag,text\n"
        f"good,ann,<b>evil</b>.jsonl,2,role,{ROLE.text}\n"
        ",,,,,\n"
        f"bad,ann,<b>evil</b>.jsonl,3,role,{ROLE.text}\n"
    )
    with Store.open(db) as store:
        assert label_file.load(store, hand)[:1] == (2,)
        found = store.compared_labels()
    assert [(of.label.row, of.label.said, of.verdict, of.label.random) for of in found] == [
        (2, "good", "good", True), (3, "bad", "good", True)
    ]  # fmt: skip


BAD = {
    "said of a phrase is one of good, bad, none, unclear, and not fine": {"said": "fine"},
    "said of a phrase is one of good, bad, none, unclear, and not tie": {"said": "tie"},
    "reviewer: Field required": {"reviewer": None},
    "tag: Input should be": {"tag": "mood"},
    "a phrase needs tag and text": {"text": None},
    "a pair needs shown": {"kind": "pair", "said": "tie"},
    "no row is named": {"conversation": None},
    "at: Input should be a valid datetime": {"at": "yesterday"},
    "sure: Extra inputs": {"sure": "yes"},
}


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
@pytest.mark.parametrize(("said", "change"), BAD.items())
def test_a_bad_line_is_named_and_nothing_is_imported(db, tmp_path, kind, said, change):
    good = {
        "kind": "phrase", "conversation": "a" * 32, "said": "good", "reviewer": "ann",
        "tag": "role", "text": "x", "at": "2026-11-30T12:00:00+00:00",
    }  # fmt: skip
    members = [good, {k: v for k, v in (good | change).items() if v is not None}]
    file = tmp_path / f"labels.{kind}"
    if kind == "csv":
        with file.open("w", newline="") as out:
            writer = csv.DictWriter(out, list(dict.fromkeys([*good, *change])))
            writer.writeheader()
            writer.writerows(members)
    else:
        file.write_text("".join(f"{json.dumps(of)}\n" for of in members))
    with Store.open(db) as store:
        with pytest.raises(UsageError) as error:
            label_file.load(store, file)
        assert store.latest_labels() == []
    text = str(error.value)
    assert f"1 of 2 lines are labels; line {3 if kind == 'csv' else 2}: " in text
    assert said in text


def test_a_line_about_no_row_is_named(db, labelled, tmp_path):
    file = tmp_path / "labels.jsonl"
    with Store.open(labelled) as there:
        label_file.export(there, file)
    found = [json.loads(line) for line in file.read_text().rstrip().split("\n")]
    found[1]["conversation"] = "0" * 32
    file.write_text("".join(f"{json.dumps(of)}\n" for of in found))
    with Store.open(db) as here:
        with pytest.raises(UsageError, match=r"4 of 5 labels fit; line 2: no row of") as error:
            label_file.load(here, file)
        assert "nothing was imported" in error.value.hint
        assert here.latest_labels() == []


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("labels.jsonl", b"{", "line 1: Invalid JSON"),
        ("labels.jsonl", b"[1]\n" * 9, "line 5: "),
        ("labels.jsonl", b"", "has no label"),
        ("labels.csv", b"said,reviewer\n", "has no label"),
        ("labels.csv", b"\xff\xfe", "no UTF-8"),
        ("labels.csv", b"said,reviewer\ngood,ann,more\n", "fields beyond the header"),
        ("labels.csv", b'said,reviewer\n"good"x,ann\n', "no CSV"),
        ("labels.csv", b'said,reviewer\n"good,ann\n', "no CSV"),
    ],
)
def test_what_is_no_file_of_labels(db, tmp_path, name, content, said):
    (tmp_path / name).write_bytes(content)
    with Store.open(db) as store, pytest.raises(UsageError, match=said):
        label_file.load(store, tmp_path / name)


def test_another_file_is_not_replaced_and_nothing_is_exported_from_nothing(db, labelled, tmp_path):
    other = tmp_path / "other.csv"
    other.write_text("name,age\n")
    with Store.open(labelled) as store, pytest.raises(UsageError, match="is no file of labels"):
        label_file.export(store, other)
    assert other.read_text() == "name,age\n"
    with Store.open(db) as store, pytest.raises(UsageError, match="has no label"):
        label_file.export(store, tmp_path / "none.csv")


def test_by_command(db, labelled, tmp_path):
    file = tmp_path / "labels.csv"
    said = run("review", "--export-labels", file, "--db", labelled, "--json")
    assert json.loads(said.stdout) == {"db": str(labelled), "path": str(file), "labels": 5}
    assert [line["said"] for line in lines(file)] == ["good", "bad", "", "none", "original"]
    said = run("review", "--import-labels", file, "--db", db, "--json")
    assert json.loads(said.stdout) == {
        "db": str(db), "new": 5, "changed": 0, "same": 0, "kept": 0, "waiting": 2
    }  # fmt: skip
    for more in ("--unsure", "--blind", "--overwrite"):
        said = run("review", "--import-labels", file, "--db", db, more, code=2)
        assert "cannot go with" in said.stderr
