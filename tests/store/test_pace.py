"""The speed of runs: over the time in which they worked, with the time before the first result."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from sysgen_local.core.records import Conversation, Generated, Phrase, Source, Turn
from sysgen_local.store import Store

ZERO = datetime(2026, 1, 1)
HOUR = 3600


def committed(store, number, result, at):
    store.commit([(number, "generate", result)])
    store._db.do('UPDATE generated SET "at" = $1 WHERE "row" = $2', at, number)


def ran(store, begin, ended, *results):
    """A run from `begin` to `ended` (None: killed), in seconds, with dropped results at these."""
    run = store.start_run("run")
    store._db.do(
        "UPDATE runs SET started = $1, ended = $2 WHERE run = $3",
        ZERO + timedelta(seconds=begin),
        None if ended is None else ZERO + timedelta(seconds=ended),
        run,
    )
    for at in results:
        number = next(store.due("generate")).row
        dropped = Generated((Phrase("role", "x"),), dropped="not_json")
        committed(store, number, dropped, ZERO + timedelta(seconds=at))


@pytest.fixture
def store():
    with Store.in_memory() as store:
        turns = (Turn("user", "How?"), Turn("assistant", "So."))
        store.ingest(Source("a.jsonl", "a", "0"), [Conversation(turns, n) for n in range(1, 21)])
        yield store


def test_hours_between_runs_are_left_out(store):
    ran(store, 0, 100, 40, 60, 90)
    ran(store, 9 * HOUR, 9 * HOUR + 500, 9 * HOUR + 20, 9 * HOUR + 50)
    first, second = store.speeds()
    assert (first.run, first.first, first.seconds, first.rows) == (1, 40, 90, 3)
    assert (second.run, second.first, second.seconds, second.rows) == (2, 20, 50, 2)
    assert second.started == ZERO + timedelta(hours=9)
    hours, rows, _ = store.pace()[-1]
    assert (hours * HOUR, rows) == (pytest.approx(140), 5)


def test_a_long_wait_within_a_run_is_work(store):
    ran(store, 0, 8000, 30, 7000)
    [speed] = store.speeds()
    assert (speed.first, speed.seconds) == (30, 7000)


def test_a_killed_run_worked_until_its_last_result(store):
    ran(store, 0, None, 40, 60)
    ran(store, 5 * HOUR, 5 * HOUR + 10)  # without a result
    ran(store, 9 * HOUR, None, 9 * HOUR + 30)
    assert [(of.run, of.seconds, of.rows) for of in store.speeds()] == [(1, 60, 2), (3, 30, 1)]


def test_results_of_no_run_count_with_short_pauses(store):
    assert store.speeds() == []
    assert store.pace() == []
    kept = Generated((Phrase("role", "x"),))
    committed(store, 1, kept, ZERO)
    committed(store, 2, kept, ZERO + timedelta(seconds=60))
    committed(store, 3, kept, ZERO + timedelta(hours=5))
    [speed] = store.speeds()
    assert (speed.run, speed.first, speed.seconds, speed.rows) == (None, None, 660, 0)
