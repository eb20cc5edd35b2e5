"""A few rows of many: every row as likely as any other, every dataset with its share."""

from __future__ import annotations

from collections import Counter
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from sysgen_local.core.records import Conversation, Reject, Source, Turn
from sysgen_local.sources.draw import Reservoir, draw, shares


def source(name: str) -> Source:
    return Source(name, name, name)


def reader(sizes: dict[str, int], *, rejects: int = 0):
    """Sources of so many rows, with so many rejects before each row."""

    def records(of: Source):
        for line in range(1, sizes[of.path] + 1):
            yield from [Reject(line, "bad_json")] * rejects
            yield Conversation((Turn("user", f"{of.path} {line}"), Turn("assistant", "A")), line)

    return records


def lines(drawn) -> dict[str, list[int]]:
    return {of.source.path: [row.line for row in of.rows] for of in drawn}


@given(st.lists(st.integers(0, 30), max_size=12), st.integers(0, 60), st.integers(0, 5))
def test_shares_are_even_and_as_many_as_there_are(sizes, count, seed):
    taken = shares(sizes, count, Random(seed))
    assert sum(taken) == min(count, sum(sizes))
    most = max(taken, default=0)
    assert all(
        t <= size and (t == size or t >= most - 1) for t, size in zip(taken, sizes, strict=True)
    )


def test_chance_decides_who_gets_one_more():
    got = {tuple(shares([9, 9, 9], 4, Random(seed))) for seed in range(20)}
    assert got == {(2, 1, 1), (1, 2, 1), (1, 1, 2)}


def test_every_row_of_a_file_is_as_likely_as_any_other():
    """Drawn in full, and also where only some of what is held are taken."""
    for held, taken in ((3, 3), (5, 2)):
        times = 6000
        counted: Counter[int] = Counter()
        for seed in range(times):
            reservoir: Reservoir[int] = Reservoir(held, Random(seed))
            for item in range(12):
                reservoir.offer(item)
            found = reservoir.take(taken)
            assert found == sorted(set(found))
            counted.update(found)
        expected = times * taken / 12
        assert len(counted) == 12
        assert max(abs(n - expected) for n in counted.values()) < 5 * expected**0.5


def test_no_more_is_held_than_may_be_taken():
    reservoir: Reservoir[int] = Reservoir(5, Random(0))
    for item in range(100_000):
        reservoir.offer(item)
    assert len(reservoir) == 5
    assert reservoir.take(5)[-1] > 1000


def test_datasets_get_evenly_many_whatever_their_size():
    groups = [[source("large")], [source("small")], [source("tiny")]]
    records = reader({"large": 5000, "small": 40, "tiny": 1}, rejects=1)
    drawn = lines(draw(groups, 9, 7, records))
    assert {path: len(found) for path, found in drawn.items()} == {
        "large": 4, "small": 4, "tiny": 1,
    }  # fmt: skip
    assert max(drawn["large"]) > 100
    assert drawn == lines(draw(groups, 9, 7, records))
    assert drawn != lines(draw(groups, 9, 8, records))


def test_files_of_one_dataset_share_by_their_rows():
    """Each row counts once, so that a dataset's short last file is not drawn from too often."""
    group = [source("1"), source("2")]
    drawn = lines(draw([group], 100, 3, reader({"1": 900, "2": 100})))
    assert 75 <= len(drawn["1"]) <= 99
    assert len(drawn["1"]) + len(drawn["2"]) == 100
    assert drawn["1"] == sorted(drawn["1"])


def test_fewer_rows_than_asked_for_are_all_taken_in_their_order():
    groups = [[source("a")], [source("b")], [source("none")]]
    drawn = draw(groups, 50, 0, reader({"a": 3, "b": 2, "none": 0}))
    assert lines(drawn) == {"a": [1, 2, 3], "b": [1, 2]}
