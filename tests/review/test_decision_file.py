"""Decisions leave as a file and come back. A file for other rows changes nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from filled import EVIL, fill

from sysgen_local.core.errors import SysgenError, UsageError
from sysgen_local.core.records import Phrase
from sysgen_local.review import decision_file
from sysgen_local.store import Store

EDIT = (Phrase("role", f"You bake. {EVIL}"), Phrase("format", "Use\na list."))


@pytest.fixture
def here(tmp_path):
    """A store with a decision, an edit and a note."""
    fill(tmp_path / "here.duckdb", 6)
    with Store.open(tmp_path / "here.duckdb") as store:
        store.review(1, "rejected", reviewer="ann")
        store.review(2, "accepted", EDIT, answers=["By \u2028 hand.\n"], note="ü", reviewer="bob")
        store.review(3, None, note="look again", reviewer="ann")
        yield store


@pytest.fixture
def there(tmp_path):
    """Another store of the same rows."""
    fill(tmp_path / "there.duckdb", 6)
    with Store.open(tmp_path / "there.duckdb") as store:
        yield store


@pytest.fixture
def path(here, tmp_path):
    path = tmp_path / "decisions.jsonl"
    assert decision_file.export(here, path) == 3
    return path


def members(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]


def write(path: Path, lines: list) -> None:
    path.write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")


def test_a_file_says_of_what_each_decision_is(path):
    first, second, third = members(path)
    assert (first["source"], first["line"], first["decision"]) == (
        "<b>evil</b>.jsonl",
        1,
        "rejected",
    )
    assert all(len(first[name]) == 32 for name in ("conversation", "system", "answer"))
    assert second["phrases"][0] == {"tag": "role", "text": EDIT[0].text}
    assert second["answers"] == ["By \u2028 hand.\n"]
    assert (third["decision"], third["note"]) == (None, "look again")
    assert {of["reviewer"] for of in (first, second, third)} == {"ann", "bob"}
    assert first["at"].endswith("+00:00")


def test_all_comes_back_in_another_store(path, here, there):
    assert decision_file.load(there, path) == (3, 0, 0, 0, 0)
    assert [there.reviewed(n) for n in range(1, 7)] == [here.reviewed(n) for n in range(1, 7)]
    assert decision_file.load(there, path) == (0, 0, 3, 0, 0)


def test_a_newer_decision_stays_unless_overwritten(path, there):
    there.review(1, "accepted")
    assert decision_file.load(there, path) == (2, 0, 0, 1, 0)
    assert there.reviewed(1).decision == "accepted"
    assert decision_file.load(there, path, overwrite=True) == (0, 1, 2, 0, 0)
    assert there.reviewed(1).decision == "rejected"


def test_a_time_is_read_in_any_zone(path, there):
    first, *_ = members(path)
    write(path, [{**first, "at": "2026-01-01T12:00:00+02:00"}])
    decision_file.load(there, path)
    assert there.reviewed(1).at.isoformat() == "2026-01-01T10:00:00"


def test_a_file_for_other_rows_is_refused_whole(path, there, tmp_path):
    lines = members(path)
    write(path, [*lines[:2], {**lines[2], "conversation": "0" * 32}])
    with pytest.raises(UsageError) as caught:
        decision_file.load(there, path)
    assert "is for other rows than those of" in caught.value.message
    assert (
        "2 of 3 decisions fit, and line 3 is the first that does not (<b>evil</b>.jsonl, line 3)"
        in caught.value.message
    )
    assert "nothing was imported" in (caught.value.hint or "")
    assert there.decided() == []


def test_two_decisions_about_a_row_are_refused(path, there):
    first, second, _ = members(path)
    write(path, [first, second, first])
    with pytest.raises(UsageError, match=r"lines 1 and 3 are both about row 1"):
        decision_file.load(there, path)
    assert there.decided() == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"decision": "maybe"}, "line 2 is not a decision: decision"),
        ({"conversation": "x"}, "line 2 is not a decision: conversation"),
        ({"at": "yesterday"}, "line 2 is not a decision: at"),
        ({"phrases": [{"tag": "mood", "text": "x"}]}, "line 2 is not a decision: phrases.0.tag"),
        ({"answers": [" "]}, "line 2 is not a decision: answers.0"),
        ({"more": 1}, "line 2 is not a decision: more"),
        ({"answers": ["a", "b"]}, "1 of 2 decisions fit"),
    ],
)
def test_what_is_no_decision_is_named_by_its_line(path, there, change, said):
    first, second, _ = members(path)
    write(path, [first, {**second, **change}])
    with pytest.raises(UsageError) as caught:
        decision_file.load(there, path)
    assert said in caught.value.message
    assert there.decided() == []


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "has no decision"),
        (b"\n \n", "has no decision"),
        (b"{", "line 1 is not a decision"),
        (b'{"messages": []}\n', "line 1 is not a decision"),
        (b"[1]\n", "line 1 is not a decision"),
        (b"\xff\xfe\x00", "no UTF-8"),
        (None, "cannot be read: No such file"),
    ],
)
def test_what_is_no_file_of_decisions_is_said_in_a_sentence(there, tmp_path, content, said):
    path = tmp_path / "x.jsonl"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UsageError) as caught:
        decision_file.load(there, path)
    assert said in caught.value.message
    assert caught.value.hint


def test_nothing_is_written_where_there_is_nothing_or_no_place(here, there, tmp_path):
    with pytest.raises(UsageError, match="has no decision"):
        decision_file.export(there, tmp_path / "x.jsonl")
    assert not (tmp_path / "x.jsonl").exists()
    with pytest.raises(SysgenError, match=r"folder .*gone does not exist"):
        decision_file.export(here, tmp_path / "gone" / "x.jsonl")
