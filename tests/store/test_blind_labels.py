"""Labels: nothing is deleted, the latest counts, and half of all things are asked by chance."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from sysgen_local.core.records import (
    Conversation,
    Filtered,
    Generated,
    Phrase,
    Responded,
    Source,
    Turn,
    Verdict,
    Verified,
)
from sysgen_local.store import Judged, Label, Store

NOON = datetime(2026, 11, 30, 12)


def verdict(text, good, tag="style"):
    return Verdict(tag, text, "good" if good >= 0.5 else "bad", good, 1 - good, 0.0)


def fill(path: Path, rows: int, first: int = 1) -> Store:
    """Each row has two phrases: the model is sure of one, and less so of the other."""
    store = Store.open(path)
    numbers = range(first, first + rows)
    store.ingest(
        Source(f"{path.stem}.jsonl", str(path), path.stem),
        [Conversation((Turn("user", f"q{n}"), Turn("assistant", f"a{n}")), n) for n in numbers],
    )
    for row, n in enumerate(numbers, 1):
        said = (verdict(f"sure {n}", 0.99), verdict(f"unsure {n}", 0.5 + n / 1000))
        phrases = tuple(Phrase(v.tag, v.text) for v in said)
        turns = (Turn("user", f"q{n}"), Turn("assistant", f"b{n}"))
        store.commit([
            (row, "generate", Generated(phrases)), (row, "filter", Filtered(phrases)),
            (row, "verify", Verified(said, f"sure {n}")), (row, "respond", Responded(turns)),
        ])  # fmt: skip
    return store


def judge(store, name, chances):
    """The verdicts of a judge: (new first, new second) by row."""
    queue = store.judge_queue(name * 64, {"model": name}, pairs=1000, aligned=0, seed=0)
    queue.commit([(row, "judge", Judged(*chances)) for row, chances in chances.items()])


def phrase(row, said, reviewer="ann", text=None, **more):
    return Label(row, "phrase", said, reviewer, "style", text or f"sure {row}", **more)


@pytest.fixture
def store(tmp_path):
    with fill(tmp_path / "s.duckdb", 40) as store:
        yield store


def test_half_of_the_things_are_asked_by_chance_and_the_rest_by_doubt(store):
    queue = store.label_queue("phrase", "ann", 1000)
    assert len({of.thing for of in queue}) == 80
    chance = [of for of in queue if of.random]
    unsure = [of for of in queue if not of.random]
    assert 25 < len(chance) < 55
    assert [of.random for of in queue[:40]] == [True, False] * 20
    # The model is less sure of p(good) 0.501 than of 0.502, and surest of 0.99.
    order = [(of.text.startswith("sure"), of.row) for of in unsure]
    assert [first for first, _ in order] == sorted(first for first, _ in order)
    doubtful = [row for sure, row in order if not sure]
    assert doubtful == sorted(doubtful)
    # Chance does not look at the verdict: what it asks first is of both kinds.
    assert {of.text.split()[0] for of in chance[:12]} == {"sure", "unsure"}
    assert store.label_queue("phrase", "bob", 1000)[0].thing == queue[0].thing
    assert [of.thing for of in store.label_queue("phrase", "ann", 10)] == [
        of.thing for of in queue[:10]
    ]


def test_what_is_labelled_is_not_asked_again_of_the_same_person(store):
    first, second = store.label_queue("phrase", "ann", 2)
    store.add_labels([Label(*first_values(first, "good"))])
    assert first.thing not in {of.thing for of in store.label_queue("phrase", "ann", 100)}
    assert store.label_queue("phrase", "bob", 1)[0].thing == first.thing
    store.add_labels([Label(*first_values(first, None))])  # taken back
    assert store.label_queue("phrase", "ann", 2)[0].thing == first.thing
    assert store.label_queue("phrase", "ann", 2)[1].thing == second.thing


def first_values(of, said):
    return of.row, of.kind, said, of.reviewer, of.tag, of.text, of.shown, of.random


def test_every_word_stays_and_the_latest_counts(store):
    store.add_labels([phrase(1, "good", at=NOON), phrase(1, "bad", "bob", at=NOON)])
    store.add_labels([phrase(1, "bad", at=NOON + timedelta(1))])
    store.add_labels([phrase(1, None, at=NOON + timedelta(2))])
    store.add_labels([phrase(1, "none", at=NOON + timedelta(3))])
    assert {(of.reviewer, of.said) for of in store.latest_labels()} == {
        ("ann", "none"), ("bob", "bad")
    }  # fmt: skip
    for phase in ("generate", "verify"):
        store.redo(phase)
    assert store.query("SELECT said FROM labels ORDER BY label").fetchall() == [
        ("good",), ("bad",), ("bad",), (None,), ("none",)
    ]  # fmt: skip
    # The phrases are gone, so there is no verdict to compare with.
    assert {(of.judge, of.verdict, of.p) for of in store.compared_labels()} == {(None, None, None)}


def test_labels_of_phrases_stand_beside_the_verdict(store):
    store.add_labels([phrase(3, "bad"), phrase(3, "good", text="unsure 3"), phrase(4, None)])
    assert [(of.label.said, of.judge, of.verdict, of.p) for of in store.compared_labels()] == [
        ("bad", 0, "good", 0.99), ("good", 0, "good", 0.503)
    ]  # fmt: skip


def test_labels_of_pairs_stand_beside_every_judge_while_the_texts_are_the_same(store):
    assert store.label_queue("pair", "ann", 10) == []  # no judge has compared anything
    judge(store, "a", {1: (0.9, 0.7), 2: (0.9, 0.2), 3: (0.1, 0.2)})
    judge(store, "b", {1: (0.6, 0.5)})
    asked = {of.row: of for of in store.label_queue("pair", "ann", 10)}
    assert asked.keys() == {1, 2, 3}
    digest, texts = store.pair_texts(1)
    assert asked[1].shown == digest
    assert texts == ("q1", "sure 1", "a1", "b1")
    said = {1: "new", 2: "original", 3: "tie"}
    store.add_labels([Label(*first_values(asked[row], word)) for row, word in said.items()])
    found = [(of.label.row, of.judge, of.verdict) for of in store.compared_labels()]
    assert found == [(1, 1, "new"), (1, 2, "tie"), (2, 1, "tie"), (3, 1, "original")]
    assert store.compared_labels()[0].p == pytest.approx(0.8)
    store.review(1, "accepted", answers=["By hand."])  # other texts than were compared
    assert next((of.label.row, of.judge) for of in store.compared_labels()) == (1, None)


def test_a_word_of_another_kind_is_refused_and_nothing_is_added(store):
    with pytest.raises(ValueError, match="phrase"):
        store.add_labels([phrase(1, "good"), phrase(2, "tie")])
    assert store.latest_labels() == []


def test_labels_move_to_another_store_by_the_content_of_their_rows(tmp_path, store):
    store.add_labels([phrase(5, "good", at=NOON), phrase(7, "none", "bob", at=NOON)])
    placed = store.placed_labels()
    with fill(tmp_path / "other.duckdb", 6, first=5) as other:  # row 1 is q5, row 3 is q7
        assert other.find_labelled(placed) == [1, 3]
        by_line = [of._replace(conversation=None, source="other.jsonl") for of in placed]
        assert other.find_labelled(by_line) == [1, 3]
        assert other.find_labelled([of._replace(source="x.jsonl") for of in by_line]) == [None] * 2
        assert other.find_labelled([of._replace(conversation="0" * 32) for of in placed]) == [
            None, None
        ]  # fmt: skip


def test_the_later_word_of_one_reviewer_stays(store):
    ann = phrase(1, "good", at=NOON)
    assert store.merge_labels([ann, phrase(1, "bad", "bob", at=NOON)]) == (2, 0, 0, 0, 0)
    assert store.merge_labels([ann]) == (0, 0, 1, 0, 0)
    later = phrase(1, "bad", at=NOON + timedelta(1))
    assert store.merge_labels([later, phrase(2, "good", text="elsewhere")]) == (1, 1, 0, 0, 1)
    assert store.merge_labels([ann]) == (0, 0, 0, 1, 0)
    words = {of.said for of in store.latest_labels() if of.row == 1}
    assert words == {"bad"}


def test_a_merged_store_has_the_labels_of_all_and_each_once(tmp_path):
    from sysgen_local.workflows.merge import merge

    paths = [tmp_path / "a.duckdb", tmp_path / "b.duckdb"]
    with fill(paths[0], 3) as here, fill(paths[1], 3, first=10) as there:
        here.add_labels([phrase(2, "good", at=NOON), phrase(2, "bad", at=NOON + timedelta(1))])
        there.add_labels([phrase(1, "none", "bob", "sure 10", at=NOON)])
    merge([*paths], tmp_path / "all.duckdb")
    with Store.open(tmp_path / "all.duckdb") as both:
        assert both.query('SELECT label, "row", said FROM labels ORDER BY label').fetchall() == [
            (1, 2, "good"), (2, 4, "none"), (3, 2, "bad")
        ]  # fmt: skip
        assert {(of.label.row, of.verdict) for of in both.compared_labels()} == {
            (2, "good"), (4, "good")
        }  # fmt: skip


def test_a_store_of_an_older_version_gets_the_table(tmp_path):
    path = tmp_path / "s.duckdb"
    fill(path, 1).close()
    with duckdb.connect(str(path)) as con:
        con.execute("DROP TABLE labels")
        for table in ("generated", "verified", "responded", "checked", "judged"):
            con.execute(f"ALTER TABLE {table} DROP COLUMN tokens_decoded")
        con.execute("DELETE FROM migrations WHERE name IN ('labels', 'decoded tokens')")
    with Store.open(path) as store:
        store.add_labels([phrase(1, "good")])
        assert len(store.compared_labels()) == 1
