"""Decoded tokens: a sum is known only where each of its parts is, also over older files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import duckdb
import pytest
from stored import COST, RESULTS, fill, old_store

from sysgen_local.core.records import NOTHING, PHASES, Cost, Generated, Phrase, Verified
from sysgen_local.store import Judged, Store, migrations
from sysgen_local.store.evaluation import SCHEMA, Answered, Evaluation, Graded
from sysgen_local.store.file import connect
from sysgen_local.store.schema import store_schema

BEFORE = [name for name, _ in migrations.MIGRATIONS].index("decoded tokens")
"""Number of migrations of a version that did not know the decoded tokens."""

UNKNOWN = replace(RESULTS["verify"], cost=Cost(100, 2, 0.5))


def decoded(store: Store) -> dict[str, int | None]:
    return {phase: of.tokens_decoded for phase, of in store.counts().phases.items()}


@pytest.fixture
def older(tmp_path: Path) -> Path:
    """A file of the schema before: two rows with phrases, of 30 tokens read each; one has its
    verdicts."""
    path = tmp_path / "older.duckdb"
    schema = replace(store_schema(), migrations=migrations.MIGRATIONS[:BEFORE])
    with connect(path, create=True, read_only=False, schema=schema) as con:
        con.execute("""
            INSERT INTO sources (source, path, file, fingerprint, records, complete, "at", usable)
                VALUES (1, 'data.jsonl', '/data.jsonl', 'f', 2, true, now(), 2);
            INSERT INTO conversations ("row", source, line, turns) SELECT n, 1, n, [
                {'role': 'user', 'content': 'q', 'thought': '', 'words': '', 'call': '',
                 'name': ''},
                {'role': 'assistant', 'content': 'a', 'thought': '', 'words': '', 'call': '',
                 'name': ''}] FROM range(1, 3) r(n);
            INSERT INTO generated SELECT n, [{'tag': 'role', 'text': 'You are a cook.'}], NULL,
                NULL, 30, 5, 1.0, now() FROM range(1, 3) r(n);
            INSERT INTO filtered SELECT n, [{'tag': 'role', 'text': 'You are a cook.'}], [], NULL,
                now() FROM range(1, 3) r(n);
            INSERT INTO verified VALUES (1, [], 'You are a cook.', NULL, 40, 1, 1.0, now());
        """)
    return path


def test_a_cost_is_as_well_known_as_its_parts() -> None:
    assert Cost(7, 11, 0.25, 3).plus(Cost(1, 2, 0.5, 1)) == Cost(8, 13, 0.75, 4)
    assert Cost(7, 11, 0.25, 3).plus(Cost(1, 2, 0.5)) == Cost(8, 13, 0.75, None)
    assert Cost(1, 2, 0.5).plus(NOTHING) == Cost(1, 2, 0.5, None)


def test_a_phase_has_the_sum_where_every_row_is_known(store: Store) -> None:
    fill(store, 3)
    assert decoded(store) == dict.fromkeys(PHASES[:-1], 0)  # nothing was asked
    store.commit([(n, phase, RESULTS[phase]) for phase in PHASES[:2] for n in (1, 2, 3)])
    store.commit([(n, "verify", RESULTS["verify"]) for n in (1, 2)])
    known = COST.tokens_decoded
    assert known
    assert decoded(store) == {"generate": 3 * known, "filter": 0, "verify": 2 * known, "respond": 0}
    store.commit([(3, "verify", UNKNOWN)])
    assert decoded(store) == {"generate": 3 * known, "filter": 0, "verify": None, "respond": 0}
    assert store.stats()["phases"]["verify"]["tokens_decoded"] is None
    assert store.counts().phases["verify"].tokens_in == 2 * COST.tokens_in + 100
    rows = [store.row(n) for n in (2, 3)]
    assert [row.verified.cost for row in rows if row and row.verified] == [COST, UNKNOWN.cost]


def test_one_unknown_row_of_a_reason_makes_its_phase_unknown(store: Store) -> None:
    """The rows are summed by the reason for which they were dropped."""
    fill(store, 2)
    store.commit([
        (1, "generate", Generated((Phrase("role", "x"),), None, None, COST)),
        (2, "generate", Generated((), "not_json", "?", Cost(5, 5, 0.1))),
    ])  # fmt: skip
    assert decoded(store)["generate"] is None


@pytest.mark.parametrize("read_only", [False, True])
def test_an_older_file_does_not_know_them(older: Path, read_only: bool) -> None:
    with Store.open(older, create=False, read_only=read_only) as store:
        found = store.stats()["phases"]
        assert {name: (of["tokens_in"], of["tokens_decoded"]) for name, of in found.items()} == {
            "generate": (60, None), "filter": (0, 0), "verify": (40, None), "respond": (0, 0),
        }  # fmt: skip
        row = store.row(1)
        assert row is not None
        assert row.generated is not None
        assert row.generated.cost == Cost(30, 5, 1.0, None)
    with duckdb.connect(str(older), read_only=True) as con:
        assert con.execute("SELECT tokens_decoded FROM generated").fetchall() == [(None,)] * 2


def test_its_new_results_are_known_once_no_old_one_is_among_them(older: Path) -> None:
    with Store.open(older, create=False) as store:
        store.commit([(2, "verify", RESULTS["verify"])])
        assert decoded(store)["verify"] is None
        store.redo("verify")
        assert decoded(store)["verify"] == 0
        store.commit([(n, "verify", RESULTS["verify"]) for n in (1, 2)])
        assert decoded(store)["verify"] == 2 * (COST.tokens_decoded or 0)
        assert decoded(store)["generate"] is None


def test_a_file_of_an_early_version_does_not_know_them(tmp_path: Path) -> None:
    with Store.open(old_store(tmp_path / "s.duckdb"), create=False) as store:
        found = decoded(store)
    assert found == {"generate": None, "filter": 0, "verify": None, "respond": None}


def test_copies_of_a_row_may_differ_in_them(tmp_path: Path) -> None:
    """One store was made by an older version; the results are the same."""
    paths = [tmp_path / f"{name}.duckdb" for name in "ab"]
    for path, cost in zip(paths, (COST, Cost(*COST[:3])), strict=True):
        with Store.open(path) as store:
            fill(store, 1)
            store.set_recipe("generate", "g", {})
            store.commit([(1, "generate", Generated((Phrase("role", "x"),), cost=cost))])
    with Store.open(tmp_path / "whole.duckdb") as whole:
        parts = [whole.attach(path, f"part{i}") for i, path in enumerate(paths)]
        whole.merge(parts, {}, None)
        assert decoded(whole)["generate"] == COST.tokens_decoded  # the first store counts
        for part in parts:
            part.close()


@pytest.mark.parametrize(("second", "whole"), [(4, 7), (None, None)])
def test_the_verdicts_of_two_stores_are_summed(
    tmp_path: Path, second: int | None, whole: int | None
) -> None:
    """One has compared the row, the other has rated it."""
    verdicts = [
        Judged(0.25, 0.75, cost=Cost(10, 0, 0.1, 3)),
        Judged(ratings=(0.0, 0.0, 0.0, 0.5, 0.5), cost=Cost(10, 0, 0.1, second)),
    ]
    paths = [tmp_path / f"{name}.duckdb" for name in "ab"]
    for path, verdict in zip(paths, verdicts, strict=True):
        with Store.open(path) as store:
            fill(store, 1)
            store.commit([(1, phase, RESULTS[phase]) for phase in PHASES])
            queue = store.judge_queue("j", {"judge": "j"}, pairs=1, aligned=1, seed=0)
            queue.commit([(1, "judge", verdict)])
    with Store.open(tmp_path / "whole.duckdb") as merged:
        parts = [merged.attach(path, f"part{i}") for i, path in enumerate(paths)]
        merged.merge(parts, {}, None)
        sql = "SELECT tokens_in, tokens_decoded FROM judged"
        assert merged.query(sql).fetchall() == [(20, whole)]
        for part in parts:
            part.close()


def test_an_older_evaluation_does_not_know_them(tmp_path: Path) -> None:
    path = tmp_path / "e.duckdb"
    schema = replace(SCHEMA, migrations=SCHEMA.migrations[:2])
    with connect(path, create=True, read_only=False, schema=schema) as con:
        con.execute("INSERT INTO answers VALUES (1, 1, ['a'], ['stop'], NULL, 9, 3, 0.5, now())")
        con.execute("INSERT INTO verdicts VALUES (1, 1, [['yes']], ['r'], NULL, 8, 2, 0.5, now())")
    with Evaluation.open(path, create=False) as file:
        file.commit([(1, 2, Answered(("b",), ("stop",), cost=COST))], [(1, 2, Graded(cost=COST))])
        costs = [of.cost for found in (file.answers(1), file.verdicts(1)) for of in found.values()]
    assert costs == [Cost(9, 3, 0.5, None), COST, Cost(8, 2, 0.5, None), COST]


def test_a_row_that_asked_no_model_has_decoded_none(store: Store) -> None:
    fill(store, 1)
    store.commit([(1, phase, RESULTS[phase]) for phase in PHASES[:2]])
    store.commit([(1, "verify", Verified(system="Be brief."))])
    assert decoded(store)["verify"] == 0
