"""What is left out, and what is asked of the licences: of the rows that leave, and of no others."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sysgen_local.cli.commands import cli
from sysgen_local.core.errors import UsageError
from sysgen_local.core.records import (
    Attempt,
    Checked,
    Conversation,
    Cost,
    Filtered,
    Generated,
    Phrase,
    Responded,
    Source,
    Turn,
    Verified,
)
from sysgen_local.store import IMPORTED, Store
from sysgen_local.workflows.imported import import_phrases

ROLE = Phrase("role", "You are a cook.")
TEA = ("How do I make a good cup of green tea?", "how do I make a good cup of green tea")
CALL = (Turn("function_call", "f()"), Turn("observation", "42"))


def answered(store: Store, row: int, said: str = "new") -> None:
    [found] = [of for of in store.due("filter") if of.row == row]
    new = (*found.conversation.turns[:-1], Turn("assistant", said))
    store.commit(
        [
            (row, "filter", Filtered((ROLE,))),
            (row, "verify", Verified((), ROLE.text)),
            (row, "respond", Responded(new)),
        ]
    )


def store_of(path: Path, *rows: tuple[Turn, ...], license_: str | None = "mit") -> Store:
    store = Store.open(path)
    conversations = [Conversation(turns, n) for n, turns in enumerate(rows, 1)]
    store.ingest(Source("x.jsonl", "x", "f", None, license_), conversations)
    return store


def asking(*questions: str, call: bool = False) -> list[tuple[Turn, ...]]:
    between = CALL if call else ()
    return [(Turn("user", q), *between, Turn("assistant", "old")) for q in questions]


def left(folder: Path, *options: str) -> list[int]:
    """Numbers of the rows that leave."""
    wanted = ["export", "-o", "o.jsonl", "--db", "s.duckdb", "--origin", "--no-card", *options]
    cli.main(wanted, standalone_mode=False)
    return [json.loads(line)["row"] for line in (folder / "o.jsonl").read_text().splitlines()]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_duplicate_of_a_row_that_does_not_leave_stays(folder: Path) -> None:
    with store_of(folder / "s.duckdb", *asking(*TEA, "Mend a bicycle.")) as store:
        store.commit([(n, "generate", Generated((ROLE,), cost=Cost(1, 1))) for n in (1, 2, 3)])
        for n in (1, 2, 3):
            answered(store, n)
        store.review(3, "rejected")
    assert left(folder, "--dedupe") == [1]
    assert left(folder, "--dedupe", "--where", "line > 1") == [2]
    assert left(folder, "--dedupe", "--where", "line < 2") == [1]


def test_neither_does_a_row_that_has_no_place_in_the_format(folder: Path) -> None:
    rows = [*asking(TEA[0], call=True), *asking(TEA[1])]
    with store_of(folder / "s.duckdb", *rows) as store:
        store.commit([(n, "generate", Generated((ROLE,), cost=Cost(1, 1))) for n in (1, 2)])
        for n in (1, 2):
            answered(store, n)
    assert left(folder, "--dedupe") == [1]
    assert left(folder, "--dedupe", "--format", "alpaca") == [2]
    assert left(folder, "--dedupe", "--format", "dpo") == [2]
    with Store.open(folder / "s.duckdb") as store:
        bad = Attempt(1, "bad", False, 0.1, None, "disagrees")
        store.commit([(1, "check", Checked()), (2, "check", Checked((), (), (bad,)))])
        assert [row for row, _ in store.instructions("dpo", "full")] == [2]
        assert list(store.instructions("dpo", "original")) == []


def test_what_is_excluded_is_counted_among_the_rows_that_leave(folder: Path, capsys: Any) -> None:
    with store_of(folder / "s.duckdb", *asking(*TEA, "Mend a bicycle.")) as store:
        store.commit([(n, "generate", Generated((ROLE,), cost=Cost(1, 1))) for n in (1, 2, 3)])
        for n in (1, 2, 3):
            answered(store, n)
    (folder / "bench.txt").write_text(TEA[0])
    assert left(folder, "--exclude", "bench.txt", "--where", "line > 1") == [3]
    assert "left out as like a prompt of bench.txt: 1 row" in capsys.readouterr().err


@pytest.mark.parametrize("form", ["messages", "sharegpt", "alpaca", "prompt-completion"])
@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_prompt_in_any_user_turn_excludes_its_row_once(
    folder: Path, capsys: Any, place: int, form: str
) -> None:
    said = [["Mend a bicycle.", "And a tyre?", "Thank you."] for _ in range(3)]
    said[1][place] = TEA[1]
    rows = [
        tuple(turn for text in texts for turn in (Turn("user", text), Turn("assistant", "old")))
        for texts in said
    ]
    with store_of(folder / "s.duckdb", *rows) as store:
        store.commit([(n, "generate", Generated((ROLE,), cost=Cost(1, 1))) for n in (1, 2, 3)])
        for n in (1, 2, 3):
            answered(store, n)
    (folder / "bench.txt").write_text(f"{TEA[0]}\nold\n")  # what an assistant says does not count
    assert left(folder, "--exclude", "bench.txt", "--format", form) == [1, 3]
    assert "left out as like a prompt of bench.txt: 1 row" in capsys.readouterr().err
    assert left(folder, "--dedupe", "--format", form) == ([1] if place else [1, 2])


PERMISSIVE = ("--license-policy", "permissive")


@pytest.mark.parametrize("first", ["import", "model"])
def test_imported_phrases_are_of_an_unknown_licence(folder: Path, first: str) -> None:
    """Whether they were there first, or came to rows that a model had not done."""
    with store_of(folder / "s.duckdb", *asking("Make tea.", "Mend a bicycle.")) as store:
        facts = {"model": "m", "model_license": "mit", "seed": "0"}
        if first == "model":
            store.set_recipe("generate", "f", facts)
            store.commit([(1, "generate", Generated((ROLE,), cost=Cost(9, 9)))])
        (folder / "tags.jsonl").write_text(json.dumps({"row": 2, "text": "<<Role>> A cook."}))
        assert import_phrases(store, folder / "tags.jsonl") == (1, 0)
        if first == "import":
            store.commit([(1, "generate", Generated((ROLE,), cost=Cost(9, 9)))])
        store.set_recipe("respond", "f", facts)
        for n in (1, 2):
            answered(store, n)
        parts = {part.dataset: part for part in store.lineage()}
        assert (parts[IMPORTED].rows, parts[IMPORTED].first, parts[IMPORTED].license) == (
            1,
            2,
            None,
        )
    with pytest.raises(UsageError) as caught:
        left(folder, *PERMISSIVE)
    assert f"1 row with {IMPORTED} (row 2) under unknown" in caught.value.message
    assert left(folder, *PERMISSIVE, "--where", "row = 1") == [1]
    cli.main(["export", "-o", "o.jsonl", "--db", "s.duckdb"], standalone_mode=False)
    card = (folder / "o.card.md").read_text()
    assert f"| {IMPORTED} | unknown | unknown |" in card
    assert "license: other" in card
    if first == "import":
        assert "imported tags.jsonl" in card


@pytest.mark.parametrize("form", ["messages", "sharegpt", "alpaca", "prompt-completion", "dpo"])
def test_every_line_says_where_it_came_from_when_asked(folder: Path, form: str) -> None:
    with store_of(folder / "s.duckdb", *asking("Make tea.", "Mend a bicycle.")) as store:
        store.commit([(n, "generate", Generated((ROLE,), cost=Cost(1, 1))) for n in (1, 2)])
        for n in (1, 2):
            answered(store, n)
    assert left(folder, "--format", form) == [1, 2]
    rows = [json.loads(line) for line in (folder / "o.jsonl").read_text().splitlines()]
    assert [list(row.items())[-3:] for row in rows] == [
        [("source", "x.jsonl"), ("line", n), ("row", n)] for n in (1, 2)
    ]
