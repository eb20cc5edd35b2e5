"""Records in: in order, once, and taken up again where they stopped."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from sysgen_local.core.errors import UsageError
from sysgen_local.core.records import Conversation, Reject, Source, Turn
from sysgen_local.store import GrownError, Store

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
    store.ingest(Source("c.csv", "/in/c.csv", "f3"), records(2))
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
    mapped = Source("m.jsonl", "/in/m.jsonl", "f2", mapping={"instruction": "i", "answer": "a"})
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


@pytest.mark.parametrize(
    "other",
    [
        replace(SOURCE, path="./data.jsonl"),
        replace(SOURCE, path="/in/data.jsonl"),
        replace(SOURCE, path="../copy.jsonl", file="/elsewhere/copy.jsonl"),
        replace(SOURCE, path="hf://datasets/o/d@v1/data.jsonl", file="/cache/blob"),
    ],
    ids=lambda source: source.path,
)
def test_a_source_is_known_by_its_content_wherever_it_lies(store: Store, other: Source) -> None:
    store.ingest(SOURCE, records(3))
    assert store.ingest(other, records(3)) == 0
    assert store.find_source(other) == (1, "data.jsonl")
    assert store.counts().input == 3
    with pytest.raises(UsageError, match="without --map, now with --map answer=a"):
        store.ingest(replace(other, mapping={"answer": "a"}), records(3))


def unusable(n: int) -> list[Reject]:
    return [Reject(line, "unknown_shape", "its keys are ask, reply") for line in range(1, n + 1)]


@pytest.mark.parametrize("limit", [None, 2])
@pytest.mark.parametrize(
    "mended",
    [
        replace(SOURCE, mapping={"instruction": "ask", "answer": "reply"}),  # as the hint says
        SOURCE,  # another option, or a version that understands it
        replace(SOURCE, fingerprint="f2"),  # another file in its place
        replace(SOURCE, path="elsewhere.jsonl", file="/b"),
    ],
    ids=["mapping", "option", "content", "place"],
)
def test_a_source_of_which_nothing_was_usable_is_read_anew(
    store: Store, mended: Source, limit: int | None
) -> None:
    store.ingest(replace(SOURCE, path="before", file="/c", fingerprint="f0"), records(3))
    store.ingest(SOURCE, unusable(4), limit=limit)
    assert store.ingest(mended, records(4)) == 4
    assert store.counts().rows() == {
        "input": 7, "final": 0, "dropped": 0, "rejected": 1, "pending": 6
    }  # fmt: skip
    assert [number for number, _ in lines(store)] == [1, 2, 3, 4, 5, 6]
    assert store.ingest(mended, records(4)) == 0


@pytest.mark.parametrize("place", ["data.jsonl", "./data.jsonl"])
def test_a_file_that_grew_offers_its_new_rows(store: Store, place: str) -> None:
    store.ingest(SOURCE, records(6))
    grown = replace(SOURCE, path=place, fingerprint="f2")

    def again(skip_system: bool = False) -> Iterator[Conversation | Reject]:
        return records(9)

    with pytest.raises(GrownError, match="has grown by 3 rows") as caught:
        store.ingest(grown, records(9), again=again)
    assert "--appended" in str(caught.value)
    assert store.counts().input == 6
    assert store.ingest(grown, records(9), again=again, appended=True) == 3
    assert store.ingest(grown, records(9)) == 0
    assert lines(store) == list(enumerate((1, 2, 3, 5, 6, 7, 9), 1))


@pytest.mark.parametrize(
    ("file", "begins", "known"),
    [
        ("/b/data.jsonl", 6, True),  # the same name elsewhere, and more of it
        ("/b/whole.jsonl", 6, False),  # a whole that a sample was cut from
        ("/b/data.jsonl", 5, False),
    ],
)
def test_a_copy_that_grew_offers_its_new_rows(
    store: Store, file: str, begins: int, known: bool
) -> None:
    def again(skip_system: bool = False) -> Iterator[Conversation | Reject]:
        for found in records(9):
            other = isinstance(found, Conversation) and found.line > begins
            yield replace(found, turns=(Turn("user", "other"), found.turns[1])) if other else found

    store.ingest(replace(SOURCE, file="/a/data.jsonl"), records(6))
    copy = Source(file.removeprefix("/"), file, "f2")
    if not known:
        assert store.ingest(copy, again(), again=again) == 9
        return
    with pytest.raises(GrownError, match=r"b/data.jsonl has 3 rows more than data.jsonl, which"):
        store.ingest(copy, again(), again=again)
    assert store.ingest(copy, again(), again=again, appended=True) == 3
    assert store.ingest(copy, again(), again=again) == 0


def test_files_with_one_name_in_two_folders_are_two(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number, name in enumerate(("a", "b")):
        (tmp_path / name).mkdir()
        monkeypatch.chdir(tmp_path / name)
        Path("data.jsonl").touch()
        here = Source("data.jsonl", str(Path("data.jsonl").resolve()), f"f{number}")
        assert store.ingest(here, records(3 + number), again=lambda _: records(1)) == 3 + number
    Path("data.jsonl").rename("moved.jsonl")
    monkeypatch.chdir(tmp_path)
    Path("data.jsonl").touch()
    moved = replace(here, file=str(Path("data.jsonl").resolve()))
    assert store.ingest(moved, records(4), again=lambda _: records(4)) == 0


def test_a_limit_reads_on_in_a_file_that_grew(store: Store) -> None:
    store.ingest(SOURCE, records(6), limit=4)
    grown = replace(SOURCE, fingerprint="f2")
    assert store.ingest(grown, records(9), again=lambda _: records(9), limit=5) == 1
    assert store.ingest(grown, records(9)) == 4


@pytest.mark.parametrize("at", [1, 3, 4, 6])
def test_a_file_that_changed_within_is_no_grown_one(store: Store, at: int) -> None:
    """Whether it was usable there before, or is now."""

    def changed(skip_system: bool = False) -> Iterator[Conversation | Reject]:
        for line in range(1, 10):
            found = record(line)
            if line == at and isinstance(found, Conversation):
                found = replace(found, turns=(Turn("user", "other"), found.turns[1]))
            elif line == at:
                found = replace(record(1), line=line)
            yield found

    store.ingest(SOURCE, records(6))
    for appended in (False, True):
        with pytest.raises(UsageError, match="has changed"):
            store.ingest(
                replace(SOURCE, fingerprint="f2"), changed(), again=changed, appended=appended
            )
    assert store.counts().input == 6


def test_the_same_rows_in_other_bytes_are_no_new_ones(store: Store) -> None:
    store.ingest(SOURCE, records(6))
    packed = replace(SOURCE, fingerprint="f2")
    assert store.ingest(packed, records(6), again=lambda _: records(6)) == 0
    assert store.ingest(packed, records(6)) == 0
    assert store.counts().input == 6


def with_system(n: int, skip_system: bool) -> Iterator[Conversation | Reject]:
    """Every third row comes with a system message."""
    for found in records(n):
        if not isinstance(found, Conversation) or found.line % 3:
            yield found
        elif skip_system:
            yield Reject(found.line, "has_system", "S")
        else:
            yield replace(found, system="S")


BESIDE = Source("b/data.jsonl", "/b/data.jsonl", "f2")


@pytest.mark.parametrize("skip", [False, True])
@pytest.mark.parametrize(
    ("other", "rows", "limit"),
    [
        (SOURCE, 9, None),  # as it was
        (SOURCE, 9, 7),
        (replace(SOURCE, path="b.jsonl", file="/b.jsonl"), 9, None),  # elsewhere
        (replace(SOURCE, path="b.jsonl", file="/b.jsonl"), 9, 7),
        (replace(SOURCE, fingerprint="f2"), 14, None),  # grown
        (replace(SOURCE, fingerprint="f2"), 14, 7),
        (replace(SOURCE, fingerprint="f2"), 9, None),  # the same rows in other bytes
        (BESIDE, 14, None),  # grown, elsewhere
    ],
)
def test_rows_with_a_system_message_are_never_treated_in_two_ways(
    store: Store, other: Source, rows: int, skip: bool, limit: int | None
) -> None:
    def again(skip_system: bool) -> Iterator[Conversation | Reject]:
        return with_system(rows, skip_system)

    def take(skip_system: bool, *, appended: bool = True) -> int:
        return store.ingest(
            other,
            again(skip_system),
            again=again,
            appended=appended,
            skip_system=skip_system,
        )

    store.ingest(SOURCE, with_system(9, skip), limit=limit, skip_system=skip)
    before = store.counts()
    for appended in (False, True):
        with pytest.raises(UsageError, match=r"was read into .* --existing-system skip") as caught:
            take(not skip, appended=appended)
        assert caught.value.hint.startswith("give" if skip else "leave off")
    assert store.counts() == before
    assert take(skip) == rows - (limit or 9)
    assert store.skips_system(other) is skip
    wanted = [r for r in with_system(rows, skip) if isinstance(r, Conversation)]
    assert [row.conversation for row in store.due("generate")] == wanted
    assert take(skip) == 0


@pytest.mark.parametrize("skip", [False, True])
def test_where_no_row_has_a_system_message_nothing_is_treated_in_two_ways(
    store: Store, skip: bool
) -> None:
    assert store.skips_system(SOURCE) is None
    store.ingest(SOURCE, records(5), skip_system=skip)
    assert store.skips_system(SOURCE) is None
    assert store.ingest(SOURCE, records(5), skip_system=not skip) == 0
