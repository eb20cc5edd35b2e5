"""Shards that are merged are the store of a single run, table by table; what cannot be merged is
refused, and nothing is written."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from processes import ended, first_line
from stored import COST, RESULTS, old_store

from sysgen_local.core.errors import RecipeError, UsageError
from sysgen_local.core.records import (
    PHASES,
    Conversation,
    Generated,
    Phase,
    Phrase,
    Reject,
    Responded,
    Result,
    Source,
    Turn,
)
from sysgen_local.core.shard import Shard
from sysgen_local.store import Judged, LockedError, Store, merging, shards
from sysgen_local.workflows.merge import merge

AT = datetime(2026, 1, 1)
FACTS = {"tries": "3"}
Record = Conversation | Reject


def record(kind: int, line: int) -> Record:
    """Kinds below 0 are rejected. Equal kinds are equal conversations."""
    if kind < 0:
        return Reject(line, "bad_json", f"detail {kind}", f"raw {line}")
    turns = (Turn("user", f"Question {kind}?"), Turn("assistant", "Old."))
    return Conversation(turns, line, "Be brief." if kind % 3 == 0 else None)


def records(kinds: Sequence[int]) -> list[Record]:
    return [record(kind, line) for line, kind in enumerate(kinds, 1)]


@dataclass
class Read:
    """A source is read up to `limit`. `stops`: it was killed there, and read again."""

    name: str
    kinds: list[int]
    limit: int | None = None
    stops: int | None = None

    def into(self, store: Store) -> None:
        whole = records(self.kinds)
        source = Source(f"{self.name}.jsonl", f"/{self.name}.jsonl", f"{self.name}{len(whole)}")

        def again(skip: bool) -> list[Record]:
            return whole

        def killed() -> Iterator[Record]:
            yield from whole[: self.stops]
            raise InterruptedError

        if self.stops is not None:
            with suppress(InterruptedError):  # it may end before
                store.ingest(
                    source, killed(), limit=self.limit, batch=2, again=again, appended=True
                )
        store.ingest(source, whole, limit=self.limit, batch=3, again=again, appended=True)


@dataclass
class Work:
    """What is done with a store: it depends on the rows alone, so that it can be repeated."""

    reads: list[Read]
    phases: list[int]
    """Row number modulo its length -> how many phases it has been through."""
    checks: bool = True
    judges: list[str] = field(default_factory=lambda: ["one", "two"])

    def do(self, store: Store) -> None:
        for read in self.reads:
            read.into(store)
        for phase in PHASES if self.checks else PHASES[:-1]:
            store.set_recipe(phase, f"of {phase}", FACTS)
        rows = store.query('SELECT "row", turns[1].content FROM conversations').fetchall()
        store.commit([result for row, question in rows for result in self._results(row, question)])
        run = store.start_run(f"run of {store.path.stem}", model="m", seed=1, version="0")
        store.end_run(run, "done")
        self._judge(store)
        self._review(store)

    def _results(self, row: int, question: str) -> Iterator[tuple[int, Phase, Result]]:
        through = self.phases[row % len(self.phases)]
        for phase in (PHASES if self.checks else PHASES[:-1])[:through]:
            result = RESULTS[phase]
            if phase == "generate":
                dropped = "failed" if row % 7 == 0 else None
                result = Generated((Phrase("role", question),), dropped, None, COST, f"why {row}")
            yield row, phase, result
            if result.dropped:
                return

    def _judge(self, store: Store) -> None:
        final = [row.row for row in store.rows()]
        for name in self.judges:
            queue = store.judge_queue(name, {"judge": name}, pairs=9, aligned=9, seed=0)
            verdict = Judged(0.25, 0.75, (0.0, 0.0, 0.0, 0.5, 0.5), None, COST)
            queue.commit([(row, "judge", verdict) for row in final if row % 5])
        store.write_measures({row: {"gleu": row / 8, "rouge1": 0.5} for row in final})

    def _review(self, store: Store) -> None:
        for row in (row.row for row in store.rows()):
            if row % 3 == 0:
                store.review(row, "accepted", [Phrase("role", f"Edited {row}.")], at=AT)
            if row % 4 == 0:
                store.review(
                    row, "rejected", answers=[f"Better {row}."], note=f"note {row}",
                    reviewer="ann", at=AT,
                )  # fmt: skip


def contents(path: Path) -> dict[str, list[tuple[Any, ...]]]:
    """Table -> its lines, in order, without times. The runs are those of the shards."""
    with duckdb.connect(str(path), read_only=True) as con:
        tables = con.execute("SELECT table_name FROM duckdb_tables()").fetchall()
        found = {}
        for (table,) in tables:
            columns = [
                name
                for name, *_ in con.execute(f"DESCRIBE {table}").fetchall()
                if name not in ("at", "chain") or (table, name) == ("reviews", "at")
            ]
            named = ", ".join(f'"{name}"' for name in columns)
            found[table] = con.execute(f"SELECT {named} FROM {table} ORDER BY ALL").fetchall()
        for view in ("journey", "final", "released", "opinions", "judgements"):
            found[view] = con.execute(f'SELECT * FROM {view} ORDER BY "row"').fetchall()
    del found["runs"]
    return found


def sharded(folder: Path, of: int, work: Callable[[Store], None]) -> list[Path]:
    paths = []
    for number in range(1, of + 1):
        paths.append(folder / f"shard-{number}.duckdb")
        with Store.open(paths[-1]) as store:
            store.choose_shard(Shard((number,), of))
            work(store)
    return paths


KINDS = st.lists(st.integers(-2, 9), min_size=1, max_size=14)
SETTINGS = settings(
    max_examples=15, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True
)


@st.composite
def reads(draw: Any) -> list[Read]:
    """Sources that are limited, killed, and grow later; duplicates within and between them."""
    begun = [
        Read(name, draw(KINDS), draw(st.none() | st.integers(1, 9)), draw(st.none() | st.just(3)))
        for name in draw(st.sampled_from(["a", "ab", "abc"]))
    ]
    grown = draw(st.sampled_from(begun))
    later = Read(grown.name, [*grown.kinds, *draw(KINDS)])
    return [*begun, *([later] if draw(st.booleans()) else [])]


@SETTINGS
@given(
    of=st.integers(1, 5),
    reads=reads(),
    phases=st.lists(st.integers(0, 5), min_size=1, max_size=4),
    checks=st.booleans(),
)
def test_shards_that_are_merged_are_a_single_run(
    of: int, reads: list[Read], phases: list[int], checks: bool
) -> None:
    work = Work(reads, phases, checks)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with Store.open(folder / "single.duckdb") as store:
            work.do(store)
        paths = sharded(folder, of, work.do)
        before = [path.read_bytes() for path in paths]
        done = merge(paths, folder / "all.duckdb")
        assert contents(folder / "all.duckdb") == contents(folder / "single.duckdb")
        with Store.open(folder / "single.duckdb", read_only=True) as store:
            assert done.counts == store.counts()
        with duckdb.connect(str(folder / "all.duckdb")) as con:
            assert con.execute("SELECT run, command FROM runs ORDER BY run").fetchall() == [
                (number, f"run of shard-{number}") for number in range(1, of + 1)
            ]
        assert [path.read_bytes() for path in paths] == before
        assert not list(folder.glob(".*"))
        # The result can be gone on with, as the single store can.
        more = Work([Read("more", [1, 2, 3])], [5])
        for path in (folder / "all.duckdb", folder / "single.duckdb"):
            with Store.open(path) as store:
                more.reads[0].into(store)
        assert contents(folder / "all.duckdb") == contents(folder / "single.duckdb")


def test_every_table_is_merged() -> None:
    """Who adds a table says here how it is merged."""
    with Store.in_memory() as store:
        found = store.query("SELECT table_name FROM duckdb_tables()").fetchall()
    tables = {name for (name,) in found}
    assert tables == {*merging.KEYS, *merging.OTHERS}


WORK = Work([Read("a", list(range(-1, 12))), Read("b", [3, 4, 20, -2, 21])], [5, 3, 0, 4])


@pytest.fixture
def shards_of_three(tmp_path: Path) -> list[Path]:
    return sharded(tmp_path, 3, WORK.do)


def refused(paths: Sequence[Path], output: Path, why: str, **options: Any) -> UsageError:
    """The error. Nothing is left behind."""
    before = sorted(output.parent.iterdir())
    with pytest.raises(UsageError, match=why) as caught:
        merge(paths, output, **options)
    assert caught.value.exit_code == 2
    assert caught.value.hint
    assert "\n" not in caught.value.message
    assert sorted(output.parent.iterdir()) == before
    return caught.value


def test_shards_that_do_not_belong_together_are_refused(
    tmp_path: Path, shards_of_three: list[Path]
) -> None:
    out = tmp_path / "all.duckdb"
    one, two, three = shards_of_three
    refused([one], out, "shards 2 and 3 of 3 are missing")
    refused([one, three], out, "shard 2 of 3 is missing")
    refused([one, two, two], out, r"shard-2\.duckdb is named twice")
    copy = tmp_path / "copy.duckdb"
    copy.write_bytes(two.read_bytes())
    refused([one, two, copy], out, r"shard-2\.duckdb and .*copy\.duckdb both hold shard 2 of 3")
    (tmp_path / "four").mkdir()
    four = sharded(tmp_path / "four", 4, WORK.do)
    refused([one, two, four[2]], out, r"holds shard 1 of 3, and .* holds shard 3 of 4")
    with Store.open(tmp_path / "single.duckdb") as store:
        WORK.do(store)
    refused([one, two, three, store.path], out, r"shard 1 of 3, and .*single.* holds no shard")
    refused([one, two, three], one, "one of the stores that are merged")
    refused([], out, "no store to merge")
    with Store.open(two):
        refused([one, two, three], out, r"shard-2\.duckdb is open in this program")
    refused([one, two, tmp_path / "none.duckdb"], out, "no store at")
    with pytest.raises(UsageError, match=r"folder .* does not exist"):
        merge(shards_of_three, tmp_path / "no" / "all.duckdb")


@pytest.mark.parametrize(
    ("reads", "why"),
    [
        ([Read("a", [1, 2, 3])], r"has not read b\.jsonl"),
        ([Read("b", [4, 5]), Read("a", [1, 2, 3])], "in another order"),
        ([Read("a", [1, 2, 3, 4]), Read("b", [4, 5])], r"has not read a\.jsonl"),
        ([Read("a", [1, 2, 3], limit=2), Read("b", [4, 5])], r"read 3 rows of a\.jsonl, and .* 2"),
        ([Read("a", [1, 2, -1]), Read("b", [4, 5])], r"read a\.jsonl in different ways"),
    ],
)  # fmt: skip
def test_shards_of_other_inputs_are_refused(tmp_path: Path, reads: list[Read], why: str) -> None:
    [one, _] = sharded(tmp_path, 2, Work([Read("a", [1, 2, 3]), Read("b", [4, 5])], [1]).do)
    (tmp_path / "other").mkdir()
    [_, two] = sharded(tmp_path / "other", 2, Work(reads, [1]).do)
    refused([one, two], tmp_path / "all.duckdb", why)


def test_new_rows_that_were_read_at_another_point_are_refused(tmp_path: Path) -> None:
    first, second = Read("a", [1, 2, 3]), Read("b", list(range(10, 30)))
    grown = Read("a", list(range(1, 9)))
    [one, _] = sharded(tmp_path, 2, Work([first, second, grown], [0]).do)
    (tmp_path / "other").mkdir()
    [_, two] = sharded(tmp_path / "other", 2, Work([first, grown, second], [0]).do)
    refused([one, two], tmp_path / "all.duckdb", "in another order")


def test_recipes_that_differ_are_named(tmp_path: Path, shards_of_three: list[Path]) -> None:
    _, two, three = shards_of_three
    with Store.open(two) as store:
        store.set_recipe("respond", "other", {"sampling": '{"temperature": 0.9}', **FACTS})
    why = r"shard-2.* another recipe for respond than .*shard-1.*: temperature was nothing, now 0.9"
    error = refused(shards_of_three, tmp_path / "all.duckdb", why)
    assert isinstance(error, RecipeError)
    with Store.open(two) as store:  # names may differ
        store.set_recipe("respond", "of respond", {**FACTS, "model": "/elsewhere/model.gguf"})
    with Store.open(three) as store:
        store.redo("check")
    refused(shards_of_three, tmp_path / "all.duckdb", "shard-3.* were not checked, and those in")


def test_some_of_the_shards_are_merged_when_asked(
    tmp_path: Path, shards_of_three: list[Path]
) -> None:
    one, two, three = shards_of_three
    some, whole, single = (tmp_path / f"{name}.duckdb" for name in ("some", "whole", "single"))
    done = merge([three, one], some, partial=True)
    assert done.shard == {"numbers": [1, 3], "of": 3, "input": 18}
    assert done.counts.input < 18
    with Store.open(some) as store:
        assert store.shard == Shard((1, 3), 3)
    # New rows of a file are taken in as each shard would take them.
    grown = Read("b", [3, 4, 20, -2, 21, 30, 31, 32, 33, 34])
    for path in (some, two):
        with Store.open(path) as store:
            grown.into(store)
    refused([some, one, two], whole, "both hold shard 1 of 3")
    merge([some, two], whole)
    with Store.open(single) as store:
        WORK.do(store)
        grown.into(store)
    assert contents(whole) == contents(single)


def test_an_output_that_is_there_is_replaced_only_when_asked(
    tmp_path: Path, shards_of_three: list[Path]
) -> None:
    out = tmp_path / "all.duckdb"
    with Store.open(out) as store:
        store.ingest(Source("x", "/x", "x"), records([1]))
    refused(shards_of_three, out, "is there already")
    merge(shards_of_three, out, replace=True)
    with Store.open(out) as store:
        assert store.counts().input == 18
    text = tmp_path / "text.duckdb"
    text.write_text("no store " * 100)
    refused(shards_of_three, text, "is not a DuckDB file", replace=True)


def test_a_store_of_an_older_version_is_left_as_it_is(tmp_path: Path) -> None:
    old, new = old_store(tmp_path / "old.duckdb"), tmp_path / "new.duckdb"
    with Store.open(new) as store:
        Read("b", [1, 2]).into(store)
    before, said = old.read_bytes(), list[str]()
    done = merge([old, new], tmp_path / "all.duckdb", say=said.append)
    assert old.read_bytes() == before
    assert done.counts.input == 5
    [line] = said
    assert "old.duckdb is in use, or comes from an older version" in line
    with duckdb.connect(str(old), read_only=True) as con:
        [(number,)] = con.execute("SELECT max(number) FROM migrations").fetchall()
        assert number < 12


def test_of_a_store_in_use_a_copy_is_merged(tmp_path: Path, shards_of_three: list[Path]) -> None:
    said: list[str] = []
    script = (
        "import sys; from pathlib import Path; from sysgen_local.store import Store\n"
        "store = Store.open(Path(sys.argv[1])); print('open', flush=True); sys.stdin.read()"
    )
    started = subprocess.Popen(
        [sys.executable, "-c", script, str(shards_of_three[1])],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    with ended(started) as holder:
        assert first_line(holder) == b"open\n"
        done = merge(shards_of_three, tmp_path / "all.duckdb", say=said.append)
        with pytest.raises(LockedError, match=f"PID {holder.pid}"):
            merge(shards_of_three[::2], shards_of_three[1], partial=True, replace=True)
        holder.communicate(timeout=60)
    assert done.counts.input == 18
    [line] = said
    assert "shard-2.duckdb is in use" in line


def test_a_merge_that_is_stopped_leaves_nothing(
    tmp_path: Path, shards_of_three: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(*_: object) -> None:
        raise KeyboardInterrupt

    before = sorted(tmp_path.iterdir())
    monkeypatch.setattr(merging, "_copy_runs", stopped)
    with pytest.raises(KeyboardInterrupt):
        merge(shards_of_three, tmp_path / "all.duckdb")
    assert sorted(tmp_path.iterdir()) == before
    for path in shards_of_three:  # none is held
        Store.open(path, create=False).close()


class TestStoresOfDifferentInputs:
    """Stores that are no shards: a row is known by its source and its place in it."""

    def made(self, folder: Path, name: str, *reads: Read, **options: Any) -> Path:
        path = folder / f"{name}.duckdb"
        with Store.open(path) as store:
            Work(list(reads), [2, 5], **options).do(store)
        return path

    def test_they_are_numbered_as_one_run_over_their_inputs(self, tmp_path: Path) -> None:
        a, b, c = Read("a", [1, 2, -1, 3, 3]), Read("b", [7, 8, 1]), Read("c", [-1, 5, 6])
        paths = [
            self.made(tmp_path, "one", a, b, judges=["x", "y"]),
            self.made(tmp_path, "two", c, judges=["z", "x"]),
        ]
        all_ = tmp_path / "all.duckdb"
        done = merge(paths, all_)
        assert done.counts.input == 11
        with Store.open(all_) as store, Store.open(tmp_path / "fresh.duckdb") as fresh:
            for read in (a, b, c):
                read.into(fresh)
            for table in ("conversations", "rejects"):
                sql = f"SELECT * FROM {table} ORDER BY ALL"
                assert store.query(sql).fetchall() == fresh.query(sql).fetchall()
            assert store.files() == fresh.files()
            judged = store.query(
                'SELECT "row", fingerprint FROM judged JOIN judges USING (judge) ORDER BY ALL'
            ).fetchall()
            # Row 1 of the second store, of c, is row 8 here.
            assert {row for row, name in judged if name == "z"} == {8}
            assert {row for row, name in judged if name == "x"} == {1, 3, 8}
            [(phrases,)] = store.query(
                'SELECT phrases FROM generated WHERE "row" = 8'
            ).fetchall()  # fmt: skip
            assert phrases == [{"tag": "role", "text": "Question 5?"}]
            assert store.counts().rows()["input"] == 11

    def test_rows_that_two_hold_are_there_once(self, tmp_path: Path) -> None:
        """A store was copied, and gone on with in both places."""
        a, b = Read("a", [1, 2, 3, 4, 5]), Read("b", [7, 8])
        one = self.made(tmp_path, "one", a)
        two = tmp_path / "two.duckdb"
        two.write_bytes(one.read_bytes())
        with Store.open(two) as store:
            b.into(store)
            due = [row.row for row in store.due("verify")]
            store.commit([(row, "verify", RESULTS["verify"]) for row in due])
            store.review(1, "rejected", note="theirs", at=AT + timedelta(1))
            store.review(5, None, note="only theirs", at=AT)
        with Store.open(one) as store:
            store.review(1, "accepted", note="mine", at=AT)
            store.review(3, "accepted", at=AT)
        expected = {}
        with Store.open(two) as store:
            expected = store.counts().rows()
        done = merge([one, two], tmp_path / "all.duckdb")
        assert done.counts.rows() == expected
        with Store.open(tmp_path / "all.duckdb") as store:
            assert [of.path for of in store.files()] == ["a.jsonl", "b.jsonl"]
            reviews = {row: store.reviewed(row) for row in (1, 3, 5)}
            assert [of and (of.decision, of.note) for of in reviews.values()] == [
                ("rejected", "theirs"), ("accepted", None), (None, "only theirs"),
            ]  # fmt: skip
            assert len(store.query("FROM runs").fetchall()) == 1

    def test_the_longer_reading_of_a_source_counts(self, tmp_path: Path) -> None:
        kinds = [1, -1, 2, 3, -2, 4]
        one = self.made(tmp_path, "one", Read("a", kinds, limit=3), Read("b", [9]))
        two = self.made(tmp_path, "two", Read("a", kinds))
        done = merge([one, two], tmp_path / "all.duckdb")
        assert (done.counts.input, done.counts.rejected) == (7, 2)
        with Store.open(tmp_path / "all.duckdb") as store:
            sql = 'SELECT "row", source, line FROM conversations ORDER BY "row"'
            assert store.query(sql).fetchall() == [
                (1, 1, 1), (2, 1, 3), (3, 1, 4), (4, 1, 6), (5, 2, 1),
            ]  # fmt: skip
            assert store.inputs() == shards.Inputs(7, 5)

    def test_different_results_for_a_row_are_refused(self, tmp_path: Path) -> None:
        a = Read("a", [1, 2, 3])
        one, two = self.made(tmp_path, "one", a), self.made(tmp_path, "two", a)
        merge([one, two], tmp_path / "same.duckdb")
        with Store.open(two) as store:
            store.take_back([(3, "check"), (3, "respond")])
            other = Responded((Turn("user", "q"), Turn("assistant", "Other.")), None, COST)
            store.commit([(3, "respond", other)])
        why = r"one.duckdb and .*two.duckdb hold different results of respond for row 3 of .*two"
        refused([one, two], tmp_path / "all.duckdb", why + r".* \(a\.jsonl, 3\)")

    def test_a_file_before_it_grew_is_refused(self, tmp_path: Path) -> None:
        one = self.made(tmp_path, "one", Read("a", [1, 2, 3]))
        two = self.made(tmp_path, "two", Read("a", [1, 2, 3, 4]))
        other = self.made(tmp_path, "other", Read("a", [5, 6, 7, 8, 9]))
        why = (
            r"two.duckdb holds a.jsonl with more rows than .*one.duckdb, which read a.jsonl before"
        )
        refused([one, two], tmp_path / "all.duckdb", why)
        assert merge([one, other], tmp_path / "all.duckdb").counts.input == 8
        rejected = self.made(tmp_path, "rejected", Read("a", [1, 2, 3, -1]))
        why = r"one.duckdb and .*rejected.duckdb hold the same rows of a.jsonl"
        refused([one, rejected], tmp_path / "x.duckdb", why)
