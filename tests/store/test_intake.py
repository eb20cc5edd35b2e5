"""Records in: in order, once, and taken up again where they stopped."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from sysgen_local.errors import UsageError
from sysgen_local.records import Conversation, Reject, Source, Turn
from sysgen_local.store import Store

SOURCE = Source("data.jsonl", "/in/data.jsonl", "f1", dataset="Toy", license="MIT")


def record(line: int) -> Conversation | Reject:
    if line % 4 == 0:
        return Reject(line, "no answer", f"line {line}")
    return Conversation((Turn("user", f"q{line}"), Turn("assistant", f"a{line}")), line)


def records(n: int) -> Iterator[Conversation | Reject]:
    return (record(line) for line in range(1, n + 1))


def lines(store: Store) -> list[tuple[int, int]]:
    return [(row.row, row.conversation.line) for row in store.due("generate", page=3)]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "s.duckdb") as store:
        yield store


def test_rows_are_dense_and_rejects_kept(store: Store) -> None:
    told: list[int] = []
    assert store.ingest(SOURCE, records(10), batch=4, on_batch=told.append) == 10
    assert told == [4, 8, 10]
    assert lines(store) == list(enumerate((1, 2, 3, 5, 6, 7, 9, 10), 1))
    assert store.rejects() == [("data.jsonl", record(4)), ("data.jsonl", record(8))]
    assert store.rejects(limit=1) == [("data.jsonl", record(4))]
    origin = store.origin(5)
    assert origin is not None
    assert (origin.path, origin.line, origin.dataset, origin.license) == (
        "data.jsonl",
        6,
        "Toy",
        "MIT",
    )
    assert store.origin(99) is None


def test_what_was_read_is_not_read_again(store: Store) -> None:
    store.ingest(SOURCE, records(10))
    assert store.ingest(SOURCE, records(10)) == 0
    assert store.counts().input == 10


def test_a_limit_is_a_total_and_can_grow(store: Store) -> None:
    assert store.ingest(SOURCE, records(10), limit=5) == 5
    assert store.ingest(SOURCE, records(10), limit=5) == 0
    assert store.ingest(SOURCE, records(10), limit=7) == 2
    assert store.ingest(SOURCE, records(10)) == 3
    assert store.ingest(SOURCE, records(10)) == 0
    assert lines(store) == list(enumerate((1, 2, 3, 5, 6, 7, 9, 10), 1))


def test_an_ingest_that_broke_off_goes_on(store: Store) -> None:
    def broken() -> Iterator[Conversation | Reject]:
        yield from records(5)
        raise RuntimeError("pulled the plug")

    with pytest.raises(RuntimeError):
        store.ingest(SOURCE, broken(), batch=2)
    assert store.counts().input == 4
    assert store.ingest(SOURCE, records(10), batch=2) == 6
    assert lines(store) == list(enumerate((1, 2, 3, 5, 6, 7, 9, 10), 1))


def test_a_second_source_goes_on_counting(store: Store) -> None:
    store.ingest(SOURCE, records(3))
    other = Source("b.csv", "/in/b.csv", "f2")
    store.ingest(other, [Reject(1, "empty")])
    store.ingest(replace(other, path="c.csv"), records(2))
    assert [number for number, _ in lines(store)] == [1, 2, 3, 4, 5]
    datasets = store.stats()["datasets"]
    assert list(datasets) == ["Toy", "b.csv", "c.csv"]
    assert datasets["Toy"]["license"] == "MIT"
    assert datasets["b.csv"] == {
        "license": None,
        "input": 1,
        "final": 0,
        "dropped": 0,
        "rejected": 1,
        "pending": 0,
        "mean_instruction": None,
        "mean_answer": None,
        "multi_turn": 0,
        "with_system": 0,
    }


def test_a_changed_file_or_mapping_is_refused(store: Store) -> None:
    store.ingest(SOURCE, records(3))
    with pytest.raises(UsageError, match=r"data\.jsonl has changed"):
        store.ingest(replace(SOURCE, fingerprint="f9"), records(4))
    with pytest.raises(UsageError, match="without --map, now with --map answer=a"):
        store.ingest(replace(SOURCE, mapping={"answer": "a"}), records(3))
    mapped = replace(SOURCE, path="m.jsonl", mapping={"instruction": "i", "answer": "a"})
    store.ingest(mapped, records(3), limit=1)
    assert store.ingest(mapped, records(3)) == 2


def test_an_empty_source_is_complete(store: Store) -> None:
    assert store.ingest(SOURCE, []) == 0
    assert store.counts().rows() == dict.fromkeys(
        ("input", "final", "dropped", "rejected", "pending"), 0
    )


def test_long_rows_end_a_batch_early(store: Store) -> None:
    long = Conversation((Turn("user", "x" * (9 << 20)), Turn("assistant", "y")), 1)
    told: list[int] = []
    store.ingest(SOURCE, [long, long, long], on_batch=told.append)
    assert told == [2, 3]
