"""A store of a shard has its part of the rows, with the numbers that they have in one store."""

from __future__ import annotations

from pathlib import Path

import pytest
from stored import NASTY, adds_up, old_store

from sysgen_local.core.errors import UsageError
from sysgen_local.core.records import Conversation, Reject, Source, Turn
from sysgen_local.core.shard import Shard
from sysgen_local.store import GrownError, Store, shards
from sysgen_local.store.decisions import DIGEST

SOURCE = Source("a.jsonl", "/a.jsonl", "a")
OTHER = Source("b.jsonl", "/b.jsonl", "b")
N = 3


def conversation(line: int, text: str = "", system: str | None = None) -> Conversation:
    turns = (Turn("user", f"Question {text or line}?"), Turn("assistant", "Answer."))
    return Conversation(turns, line, system)


RECORDS: list[Conversation | Reject] = [
    Reject(line, "bad_json", "x") if line % 5 == 0 else conversation(line) for line in range(1, 41)
]


def stores(folder: Path, of: int = N) -> list[Store]:
    """An empty store for each shard."""
    made = [Store.open(folder / f"{number}.duckdb") for number in range(1, of + 1)]
    for number, store in enumerate(made, 1):
        store.choose_shard(Shard((number,), of))
    return made


def rows(store: Store) -> list[tuple[object, ...]]:
    sql = 'SELECT "row", source, line, turns FROM conversations ORDER BY "row"'
    return store._db.all(sql)


def rejects(store: Store) -> list[tuple[object, ...]]:
    return store._db.all("SELECT source, line, reason FROM rejects ORDER BY ALL")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("0/3", "no shard 0 of 3"), ("4/3", "no shard 4 of 3"), ("1/0", "is no shard"),
        ("1", "is no shard"), ("a/b", "is no shard"), ("-1/3", "is no shard"), ("", "is no shard"),
    ],
)  # fmt: skip
def test_what_is_no_shard_is_refused(text: str, why: str) -> None:
    with pytest.raises(UsageError, match=why):
        Shard.parse(text)


def test_a_shard_in_words() -> None:
    assert str(Shard.parse("2/8")) == "shard 2 of 8"
    some = Shard.union([Shard((4, 5), 8), Shard((1,), 8)])
    assert (str(some), some.missing) == ("shards 1, 4 and 5 of 8", (2, 3, 6, 7, 8))


def test_the_digest_is_that_of_decisions(store: Store) -> None:
    turns = (Turn("user", NASTY), Turn("assistant", "\ud800 a"))
    records = [
        conversation(1), conversation(2, system="S é"), Conversation(turns, 3, None, "[]"),
    ]  # fmt: skip
    store.ingest(SOURCE, records)
    found = store._db.all(f'SELECT {DIGEST} FROM conversations c ORDER BY "row"')
    assert [digest for (digest,) in found] == [shards.digest(record) for record in records]


def test_every_record_is_in_one_shard_with_the_same_number(store: Store, tmp_path: Path) -> None:
    (tmp_path / "shards").mkdir()
    parts = stores(tmp_path / "shards")
    for one in (store, *parts):
        one.ingest(SOURCE, RECORDS, batch=7)
        one.ingest(OTHER, RECORDS[:9])
        assert adds_up(one.counts())
        assert one.inputs() == (49, 40)
    assert all(0 < part.counts().input < 49 for part in parts)
    assert sorted(row for part in parts for row in rows(part)) == rows(store)
    assert sorted(one for part in parts for one in rejects(part)) == rejects(store)
    [part, *_] = parts
    assert part.stats()["shard"] == {"numbers": [1], "of": N, "input": 49}
    assert store.stats()["shard"] is None
    # Equal conversations are together, also those of two sources.
    texts = [{row[3][0]["content"] for row in rows(part)} for part in parts]
    assert sum(map(len, texts)) == len(set.union(*texts))
    for part in parts:
        part.close()


def test_a_read_that_was_stopped_goes_on(store: Store, tmp_path: Path) -> None:
    (tmp_path / "shards").mkdir()

    def killed() -> object:
        yield from RECORDS[:17]
        raise KeyboardInterrupt

    for one in (*stores(tmp_path / "shards"), store):
        with pytest.raises(KeyboardInterrupt):
            one.ingest(SOURCE, killed(), batch=4)
        one.ingest(SOURCE, RECORDS, limit=30, batch=4)
        one.ingest(OTHER, RECORDS[:3])
        one.ingest(SOURCE, RECORDS)
    found = []
    for number in range(1, N + 1):
        with Store.open(tmp_path / "shards" / f"{number}.duckdb") as part:
            found += rows(part)
    assert sorted(found) == rows(store)


def test_a_store_keeps_its_shard(tmp_path: Path) -> None:
    path = tmp_path / "s.duckdb"
    with Store.open(path) as store:
        store.choose_shard(Shard((2,), 3))
        store.ingest(SOURCE, RECORDS)
    with Store.open(path) as store:
        assert store.shard == Shard((2,), 3)
        store.choose_shard(Shard((2,), 3))
        for other in (Shard((1,), 3), Shard((2,), 4)):
            with pytest.raises(UsageError, match=f"holds shard 2 of 3, not {other}"):
                store.choose_shard(other)
    with Store.open(tmp_path / "whole.duckdb") as whole:
        whole.ingest(SOURCE, RECORDS)
        with pytest.raises(UsageError, match="holds all rows of its inputs, not shard 2 of 3"):
            whole.choose_shard(Shard((2,), 3))
        assert whole.shard is None


def test_a_file_that_grew_or_changed_is_seen_by_every_shard(tmp_path: Path) -> None:
    """Also by a shard that holds none of its rows."""
    few = RECORDS[:2]
    grown = Source(SOURCE.path, SOURCE.file, "grown")
    for store in stores(tmp_path, 6):
        store.ingest(SOURCE, few)
        with pytest.raises(GrownError) as caught:
            store.ingest(grown, RECORDS, again=lambda skip: RECORDS)
        assert caught.value.new == 38
        with pytest.raises(UsageError, match="has changed"):
            store.ingest(grown, RECORDS[1:], again=lambda skip: RECORDS[1:])
        with pytest.raises(UsageError, match="has changed"):
            store.ingest(grown, few[:1], again=lambda skip: few[:1])
        # A file of the same name elsewhere is another source.
        moved = Source("c/a.jsonl", "/c/a.jsonl", "moved")
        store.ingest(moved, RECORDS[1:4], again=lambda skip: RECORDS[1:4])
        assert len(store.files()) == 2
        store.ingest(grown, RECORDS, again=lambda skip: RECORDS, appended=True)
        assert store.inputs() == (43, 35)
        assert adds_up(store.counts())


def test_a_shard_without_rows_is_no_error(tmp_path: Path) -> None:
    for store in stores(tmp_path, 5):
        store.ingest(SOURCE, [conversation(1)])
        store.ingest(SOURCE, [conversation(1)])
        assert store.inputs() == (1, 1)
        assert store.counts().input in (0, 1)


def test_every_shard_knows_whether_rows_with_a_system_message_are_skipped(tmp_path: Path) -> None:
    records = [conversation(1), Reject(2, "has_system", "x")]
    for store in stores(tmp_path, 4):
        store.ingest(SOURCE, records, skip_system=True, limit=2)
        assert store.skips_system(SOURCE) is True
        with pytest.raises(UsageError, match="--existing-system skip"):
            store.ingest(SOURCE, records, skip_system=False)


def test_an_older_store_knows_its_rows(tmp_path: Path) -> None:
    with Store.open(old_store(tmp_path / "s.duckdb")) as store:
        assert store.shard is None
        assert store.inputs() == (3, 3)
        store.ingest(OTHER, [conversation(1)])
        assert store.held([1, 4, 5]) == {1, 4}
