"""Columns of the view `journey` that come from judges and measures."""

from __future__ import annotations

from typing import Any

import pytest

from sysgen_local.core.records import (
    Conversation,
    Filtered,
    Generated,
    Phrase,
    Responded,
    Source,
    Turn,
    Verified,
)
from sysgen_local.evaluation.preference import alignment, preference
from sysgen_local.store import Judged, RowQuery, Store

ROLE = Phrase("role", "r")
OLD = (Turn("user", "q"), Turn("assistant", "old"))
NEW = (Turn("user", "q"), Turn("assistant", "new"))
RATINGS = (0.1, 0.1, 0.2, 0.2, 0.4)


def finish(store: Store, *sources: tuple[str, int]) -> None:
    """Sources of (name, rows), with all rows finished."""
    for name, rows in sources:
        source = Source(name, f"/{name}", name)
        store.ingest(source, [Conversation(OLD, line) for line in range(1, rows + 1)])
    for row in list(store.due("generate")):
        store.commit(
            [
                (row.row, "generate", Generated((ROLE,))),
                (row.row, "filter", Filtered((ROLE,))),
                (row.row, "verify", Verified((), "s")),
                (row.row, "respond", Responded(NEW)),
            ]
        )


def judge(store: Store, name: str, verdicts: dict[int, Judged]) -> None:
    queue = store.judge_queue(name * 64, {"model": name}, pairs=9, aligned=9, seed=0)
    queue.commit([(row, "judge", verdict) for row, verdict in verdicts.items()])


def judged(store: Store) -> list[tuple[Any, ...]]:
    columns = 'SELECT "row", judged, judge_p, judge_rating FROM journey ORDER BY "row"'
    return store.query(columns).fetchall()


def test_verdicts_of_a_judge_are_columns(store: Store) -> None:
    finish(store, ("a.jsonl", 5))
    pairs = {1: (0.9, 0.8), 2: (0.2, 0.5), 3: (0.9, 0.5), 4: (0.5, 0.51)}
    judge(store, "a", {row: Judged(*pair) for row, pair in pairs.items()})
    assert [row[:2] for row in judged(store)] == [
        (1, "new"), (2, "original"), (3, "tie"), (4, "tie"), (5, None),
    ]  # fmt: skip
    assert [row[2] for row in judged(store)] == [
        pytest.approx(0.85), pytest.approx(0.35), pytest.approx(0.7), pytest.approx(0.505), None,
    ]  # fmt: skip
    counted = preference(pairs.values())
    assert (counted.wins, counted.losses, counted.ties) == (1, 1, 2)  # the rule is the same


def test_of_several_judges_the_last_that_gave_a_verdict_counts(store: Store) -> None:
    finish(store, ("a.jsonl", 3))
    judge(store, "a", {1: Judged(0.9, 0.9, RATINGS), 2: Judged(0.9, 0.9), 3: Judged(0.9, 0.9)})
    judge(store, "b", {1: Judged(0.1, 0.3), 2: Judged(ratings=RATINGS), 3: Judged(dropped="long")})
    rating = alignment([RATINGS]).mean
    assert judged(store) == [
        (1, "original", pytest.approx(0.2), pytest.approx(rating)),
        (2, "new", pytest.approx(0.9), pytest.approx(rating)),
        (3, "new", pytest.approx(0.9), None),
    ]
    # The first judge gives a verdict later: it is still the first.
    judge(store, "a", {1: Judged(0.8, 0.8)})
    assert judged(store)[0][1] == "original"


def test_measures_are_a_map(store: Store) -> None:
    finish(store, ("a.jsonl", 3))
    store.write_measures({1: {"gleu": 0.25, "rouge1": 0.5}, 2: {"gleu": 0.75}})
    found = store.query('SELECT measures FROM journey ORDER BY "row"').fetchall()
    assert found == [({"gleu": 0.25, "rouge1": 0.5},), ({"gleu": 0.75},), ({},)]

    def rows(where: str) -> list[int]:
        return [row.row for row in store.find(RowQuery(where=where))]

    assert rows("measures['gleu'] > 0.5") == [2]
    assert rows("measures['rouge1'] IS NULL") == [2, 3]
    assert rows("measures['no such'] > 0") == []


def test_a_new_answer_has_neither_verdict_nor_measure(store: Store) -> None:
    finish(store, ("a.jsonl", 1))
    judge(store, "a", {1: Judged(0.9, 0.9)})
    store.write_measures({1: {"gleu": 0.25}})
    store.redo("respond")
    assert store.query("SELECT judged, measures FROM journey").fetchall() == [(None, {})]


def test_a_narrowed_store_has_the_same_columns(store: Store) -> None:
    finish(store, ("a.jsonl", 2), ("b.jsonl", 2))
    judge(store, "a", {row: Judged(0.9, 0.9) for row in (1, 3)})
    store.write_measures({row: {"gleu": row / 4} for row in (2, 3)})
    with store.narrowed(store.sources(["b.jsonl"])):
        assert [row[:2] for row in judged(store)] == [(3, "new"), (4, None)]
        found = store.query('SELECT measures FROM journey ORDER BY "row"').fetchall()
        assert found == [({"gleu": 0.75},), ({},)]
        # A judge can still write while the store is narrowed.
        judge(store, "a", {4: Judged(0.1, 0.1)})
        assert judged(store)[1][1] == "original"
    assert [row[1] for row in judged(store)] == ["new", None, "new", "original"]
