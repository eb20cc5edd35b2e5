"""Which of two answers `--prefer` takes for the chosen one, and which rows make no pair."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sysgen_local.core.errors import UsageError
from sysgen_local.core.records import (
    Attempt,
    Checked,
    Conversation,
    Filtered,
    Generated,
    Phrase,
    Responded,
    Source,
    Turn,
    Verified,
)
from sysgen_local.exporting import ExportOptions
from sysgen_local.exporting import export as write
from sysgen_local.store import Judged, Store
from sysgen_local.workflows.export import export

ROLE = Phrase("role", "r")
CALL = (Turn("function_call", "f()"), Turn("observation", "42"))
FACTS = {"model": "referee", "model_license": "cc-by-nc-4.0"}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """Six finished rows: 1 to 4 have two answers, in 5 they are the same, 6 calls a tool."""
    with Store.open(tmp_path / "s.duckdb") as store:
        asked = [(Turn("user", f"q{n}"), Turn("assistant", f"old{n}")) for n in range(1, 6)]
        called = (Turn("user", "q6"), *CALL, Turn("assistant", "old6"))
        source = Source("x.jsonl", "/x.jsonl", "f", None, "mit")
        store.ingest(source, [Conversation(t, n) for n, t in enumerate([*asked, called], 1)])
        for n, turns in enumerate([*asked, called], 1):
            new = turns[-1] if n == 5 else Turn("assistant", f"new{n}")
            store.commit(
                [
                    (n, "generate", Generated((ROLE,))),
                    (n, "filter", Filtered((ROLE,))),
                    (n, "verify", Verified((), f"S{n}")),
                    (n, "respond", Responded((*turns[:-1], new))),
                ]
            )
        yield store


def judge(store: Store) -> None:
    """The new answer of 1, the original one of 2, no choice in 3; 4 was not compared."""
    queue = store.judge_queue("a" * 64, FACTS, pairs=9, aligned=9, seed=0)
    pairs = {1: (0.9, 0.8), 2: (0.2, 0.1), 3: (0.9, 0.1), 5: (0.6, 0.6)}
    queue.commit([(row, "judge", Judged(*pair)) for row, pair in pairs.items()])


def check(store: Store) -> None:
    def failed(*texts: str) -> Checked:
        return Checked(attempts=tuple(Attempt(1, t, False, 0.1, None, "disagrees") for t in texts))

    results = {1: failed("bad1"), 2: failed(), 3: failed("new3"), 4: failed("bad4", "worse4"),
               5: failed(), 6: failed("bad6")}  # fmt: skip
    store.commit([(row, "check", result) for row, result in results.items()])


def pairs(store: Store, path: Path, **options: Any) -> tuple[list[tuple[str, ...]], list[str]]:
    """(prompt, chosen, rejected) of each pair, and the notes about rows that make none."""
    done = export(store, path, format="dpo", **options)
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    parts = ("prompt", "chosen", "rejected")
    texts = [tuple("|".join(m["content"] for m in row[part]) for part in parts) for row in rows]
    assert done.rows == len(rows)
    assert sum(of.skipped for of in done.files) == 6 - len(rows)
    return texts, done.notes


def test_the_new_answer_is_preferred_by_default(store: Store, tmp_path: Path) -> None:
    found, notes = pairs(store, tmp_path / "o.jsonl")
    assert found == [(f"S{n}|q{n}", f"new{n}", f"old{n}") for n in range(1, 5)]
    assert found == pairs(store, tmp_path / "p.jsonl", prefer="new")[0]
    assert notes == [
        "no pair from 1 row: no new answer failed the checks, and the first turn calls a tool",
        "no pair from 1 row: no new answer failed the checks, and the new first answer is the old "
        "one",
    ]


def test_the_answer_that_the_judge_preferred_may_be_the_original(
    store: Store, tmp_path: Path
) -> None:
    judge(store)
    check(store)
    found, notes = pairs(store, tmp_path / "o.jsonl", prefer="judged")
    assert found == [("S1|q1", "new1", "old1"), ("S2|q2", "old2", "new2")]
    assert notes == [
        "no pair from 1 row: the judge's choice changed with the order of the answers (a tie)",
        "no pair from 1 row: the first turn calls a tool, and judges compare first answers",
        "no pair from 1 row: no judge compared the answers",
        "no pair from 1 row: the new first answer is the old one",
    ]
    folded, _ = pairs(store, tmp_path / "o.jsonl", prefer="judged", fold_system=True)
    assert folded == [("S1\n\nq1", "new1", "old1"), ("S2\n\nq2", "old2", "new2")]
    card = (tmp_path / "o.card.md").read_text()
    assert "the judge (referee) preferred the chosen one in both orders" in card
    assert "| referee | cc-by-nc-4.0 | non-commercial |" in card
    assert all(f"- {note}" in card for note in notes)


def test_only_answers_that_failed_the_checks_are_rejected(store: Store, tmp_path: Path) -> None:
    check(store)
    found, notes = pairs(store, tmp_path / "o.jsonl", prefer="checked")
    assert found == [("S1|q1", "new1", "bad1"), ("S4|q4", "new4", "bad4")]
    assert notes == [
        "no pair from 2 rows: no new answer failed the checks",
        "no pair from 2 rows: the answer that failed the checks follows a tool call, or is the "
        "text of the new one",
    ]


def test_parts_of_the_data_count_what_they_leave_out(store: Store, tmp_path: Path) -> None:
    judge(store)
    splits = {"train": 0.5, "test": 0.5}
    done = export(store, tmp_path / "o.jsonl", format="dpo", prefer="judged", splits=splits)
    assert done.rows == 2
    assert sum(of.skipped for of in done.files) == 4
    assert len(done.notes) == 4
    done = export(store, tmp_path / "o.jsonl", format="dpo", prefer="judged", where="row < 4")
    assert (done.rows, len(done.notes)) == (2, 2)  # the tie, and the condition
    assert "| x.jsonl | x.jsonl (f) | mit | 6 | 2 |" in (tmp_path / "o.card.md").read_text()
    done = export(store, tmp_path / "o.jsonl", format="dpo", prefer="judged", sources=["x.jsonl"])
    assert done.rows == 2
    export(store, tmp_path / "o.parquet", format="dpo", prefer="judged")
    made = store.query(f"SELECT chosen[1].content FROM '{tmp_path}/o.parquet'").fetchall()
    assert made == [("new1",), ("old2",)]


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"format": "dpo", "prefer": "judged"}, "no judge has compared the answers in .*s.duckdb"),
        ({"format": "dpo", "prefer": "checked"}, "the answers in .*s.duckdb were not checked"),
        ({"format": "messages", "prefer": "judged"}, "messages holds one"),
        ({"format": "dpo", "variant": "system-only"}, "has only the original answers"),
        ({"format": "dpo", "variant": "common"}, "has only the original answers"),
        ({"format": "dpo", "variant": "original", "prefer": "judged"}, "only the original answers"),
        ({"format": "dpo", "prefer": "nobody"}, "prefer cannot be 'nobody'"),
    ],
)
def test_what_makes_no_pair_is_refused_before_anything_is_written(
    store: Store, tmp_path: Path, options: dict[str, str], reason: str
) -> None:
    with pytest.raises(UsageError, match=reason):
        export(store, tmp_path / "o.jsonl", **options)
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith("o.")] == []


def test_a_rating_alone_is_no_comparison(store: Store, tmp_path: Path) -> None:
    queue = store.judge_queue("a" * 64, FACTS, pairs=0, aligned=9, seed=0)
    queue.commit([(1, "judge", Judged(ratings=(0.1, 0.1, 0.1, 0.1, 0.6)))])
    with pytest.raises(UsageError, match="no judge has compared"):
        export(store, tmp_path / "o.jsonl", format="dpo", prefer="judged")


def test_a_judge_that_chose_counts_for_the_licences(store: Store, tmp_path: Path) -> None:
    judge(store)
    options = {"format": "dpo", "permissive_only": True}
    assert export(store, tmp_path / "o.jsonl", **options).rows == 4
    with pytest.raises(UsageError, match=r"judged by referee, under cc-by-nc-4\.0"):
        export(store, tmp_path / "o.jsonl", prefer="judged", **options)


def test_rows_are_selected_alike_everywhere(store: Store) -> None:
    judge(store)
    selection = ExportOptions("dpo", prefer="judged").selection()
    assert [row for row, _ in store.instructions("dpo", "full", selection)] == [1, 2]
    assert sum(part.rows for part in store.lineage("dpo", selection)) == 2
    assert sum(part.rows for part in store.lineage("dpo")) == 4


def test_a_condition_that_fails_on_a_row_is_a_wrong_condition(store: Store, tmp_path: Path) -> None:
    judge(store)
    for options in ({"format": "messages"}, {"format": "dpo", "prefer": "judged"}):
        with pytest.raises(UsageError, match="--where"):
            write(
                store, tmp_path / "o.jsonl", ExportOptions(where="instruction::INT > 1", **options)
            )
    assert not (tmp_path / "o.jsonl").exists()
