"""Results in, rows out: nothing is changed on the way, nothing is lost, nothing is done twice."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from processes import ended
from stored import EMPTY, NASTY, RESULTS, SOURCE, adds_up, due, fill

from sysgen_local.core.records import (
    PHASES,
    Conversation,
    Generated,
    Phase,
    Phrase,
    Reject,
    Turn,
)
from sysgen_local.store import RowQuery, Store


def test_a_row_comes_back_as_it_went_in(store: Store) -> None:
    roles = ("user", "function_call", "observation", "assistant")
    turns = tuple(Turn(role, NASTY + role) for role in roles)
    conversation = Conversation(turns, 2**40, NASTY, NASTY)
    store.ingest(SOURCE, [conversation])
    store.commit([(1, phase, result) for phase, result in RESULTS.items()])
    row = store.row(1)
    assert row is not None
    assert row.conversation == conversation
    made = [row.generated, row.filtered, row.verified, row.responded, row.checked]
    assert made == list(RESULTS.values())
    assert row.answers[-1].content == NASTY + "better"
    assert store.row(2) is None


@pytest.mark.parametrize("phase", PHASES)
def test_empty_results_come_back_too(store: Store, phase: Phase) -> None:
    fill(store, 1)
    for before in PHASES[: PHASES.index(phase)]:
        store.commit([(1, before, RESULTS[before])])
    store.commit([(1, phase, EMPTY[phase])])
    row = store.row(1)
    assert row is not None
    assert row == row.after(phase, EMPTY[phase])
    assert store.counts().phases[phase].dropped == {EMPTY[phase].dropped: 1}


@pytest.mark.e2e  # twenty stores, written and read again, take seconds
@settings(max_examples=20, deadline=None)
@given(st.lists(st.text(), min_size=1, max_size=4))
def test_any_text_survives(tmp_path_factory: pytest.TempPathFactory, texts: list[str]) -> None:
    turns = tuple(Turn("user", text) for text in texts)
    with Store.open(tmp_path_factory.mktemp("any") / "s.duckdb") as store:
        store.ingest(SOURCE, [Conversation(turns, 1, texts[0], texts[-1])])
        row = store.row(1)
        assert row is not None
        assert row.conversation == Conversation(turns, 1, texts[0], texts[-1])


def test_lone_surrogates_become_replacement_characters(store: Store) -> None:
    turns = (Turn("user", "a\ud800b"), Turn("assistant", "\ud83d\ude00 whole"))
    store.ingest(
        replace(SOURCE, path="\udcff.jsonl"),
        [Conversation(turns, 1, "\udfff"), Reject(2, "bad", "\ud801")],
    )
    store.commit([(1, "generate", Generated((Phrase("role", "\udbff!"),)))])
    row = store.row(1)
    assert row is not None
    assert row.generated is not None
    assert [turn.content for turn in row.conversation.turns] == ["a\ufffdb", "😀 whole"]
    assert row.conversation.system == "\ufffd"
    assert row.generated.phrases == (Phrase("role", "\ufffd!"),)
    assert store.rejects() == [("\ufffd.jsonl", Reject(2, "bad", "\ufffd"))]
    assert store.ingest(replace(SOURCE, path="\udcff.jsonl"), []) == 0


def test_due_follows_the_phases(store: Store) -> None:
    fill(store, 5)
    assert due(store, "generate") == [1, 2, 3, 4, 5]
    assert due(store, "filter") == []
    store.commit([(n, "generate", RESULTS["generate"]) for n in (4, 1, 5)])
    store.commit([(3, "generate", EMPTY["generate"])])
    assert due(store, "generate") == [2]
    assert due(store, "filter") == [1, 4, 5]
    store.commit([(4, "filter", RESULTS["filter"]), (1, "filter", EMPTY["filter"])])
    assert due(store, "filter") == [5]
    assert due(store, "verify") == [4]
    (row,) = store.due("verify")
    assert row.generated == RESULTS["generate"]
    assert row.filtered == RESULTS["filter"]
    assert row.verified is None


def test_results_may_be_committed_while_reading(store: Store) -> None:
    fill(store, 9)
    seen = []
    for row in store.due("generate", page=2):
        seen.append(row.row)
        store.commit([(row.row, "generate", RESULTS["generate"])])
    assert seen == list(range(1, 10))
    assert due(store, "generate") == []


def test_nothing_is_written_twice(store: Store) -> None:
    fill(store, 2)
    store.commit([(1, "generate", RESULTS["generate"])])
    with pytest.raises(ValueError, match="already"):
        store.commit([(2, "generate", RESULTS["generate"]), (1, "generate", EMPTY["generate"])])
    with pytest.raises(ValueError, match="already"):
        store.commit([(2, "generate", RESULTS["generate"])] * 2)
    assert due(store, "generate") == [2]
    row = store.row(1)
    assert row is not None
    assert row.generated == RESULTS["generate"]


def test_results_out_of_turn_are_refused(store: Store) -> None:
    fill(store, 2)
    store.commit([(1, "generate", EMPTY["generate"])])
    for wrong in ((1, "filter"), (2, "filter"), (3, "generate")):
        with pytest.raises(ValueError, match="not due"):
            store.commit([(wrong[0], wrong[1], RESULTS[wrong[1]])])
    with pytest.raises(TypeError, match="Filtered is no result of generate"):
        store.commit([(2, "generate", RESULTS["filter"])])
    assert due(store, "generate") == [2]


def test_sums_always_hold(store: Store) -> None:
    fill(store, 20)
    store.ingest(
        replace(SOURCE, path="b", file="/b", fingerprint="b"),
        [Reject(1, "empty"), Reject(2, "odd"), Reject(3, "odd")],
    )
    for i, phase in enumerate(PHASES):
        for n in due(store, phase):
            which = EMPTY if n % 6 == i else RESULTS
            if n % 7:
                store.commit([(n, phase, which[phase])])
            assert adds_up(store.counts())
    counts = store.counts()
    assert counts.rows() == {
        "input": 23,
        "final": 3,
        "dropped": 15,
        "rejected": 3,
        "pending": 2,
    }
    assert counts.rejects == {"odd": 2, "empty": 1}
    assert counts.phases["respond"].tokens_out == 6 * 11
    assert counts.phases["filter"].seconds == 0
    states = [
        len(store.find(RowQuery(state, limit=None))) for state in ("final", "dropped", "pending")
    ]
    assert states == [3, 15, 2]
    stats = store.stats()
    assert list(stats)[:5] == ["rows", "phases", "rejects", "existing_system", "reviews"]
    assert stats["datasets"]["data.jsonl"]["final"] == 3
    assert stats["checks"] == {
        "kinds": {"follows": {"looked_at": 3, "held": 0}, "result": {"looked_at": 3, "held": 3}},
        "faults": {"disagrees": 3, "looping": 3},
        "tries": {"1": 3, "4": 3},
        "agrees": {"yes": 3, "no": 0, "not_checkable": 3},
        "obeys": pytest.approx(2 / 3),
        "p_agrees": [0] * 10,
        "p_obeys": [0] * 6 + [3] + [0] * 3,
    }
    assert stats["tags"]["role"] == {"generated": 15, "filtered": 12, "good": 9}
    assert stats["tags"]["other"] == {"generated": 15, "filtered": 0, "good": 0}
    for phase in reversed(PHASES):
        store.redo(phase)
        assert adds_up(store.counts())
    assert store.counts().rows()["pending"] == 20


def test_redo_takes_the_later_phases_along(store: Store) -> None:
    fill(store, 2)
    for phase in PHASES:
        store.commit([(n, phase, RESULTS[phase]) for n in (1, 2)])
        store.set_recipe(phase, f"print of {phase}", {"model": "m"})
    store.redo("verify")
    assert [store.recipe(phase) is None for phase in PHASES] == [False, False, True, True, True]
    assert store.phases == PHASES[:-1]
    assert due(store, "verify") == [1, 2]
    for phase in ("verify", "respond"):
        store.commit([(n, phase, RESULTS[phase]) for n in (2, 1)])
    assert store.counts().final == 2


@pytest.mark.e2e  # five stores, each filled and done again, take seconds
@pytest.mark.parametrize("phase", PHASES)
def test_every_phase_can_be_done_again(store: Store, phase: Phase) -> None:
    fill(store, 2)
    for each in PHASES:
        store.commit([(n, each, RESULTS[each]) for n in (1, 2)])
        store.set_recipe(each, each, {})
    store.write_measures({1: {"gleu": 0.5}})
    store.redo(phase)
    assert store.stats()["measures"] == {}
    assert due(store, phase) == [1, 2]
    # Without the checks' recipe, phase 4's answers are final as they are.
    assert store.counts().final == (2 if phase == "check" else 0)
    for later in PHASES[PHASES.index(phase) :]:
        store.set_recipe(later, later, {})
        assert store.counts().rows()["pending"] == 2
        store.commit([(n, later, RESULTS[later]) for n in (1, 2)])
        assert adds_up(store.counts())
    assert store.counts().final == 2


def test_find_narrows_and_samples(store: Store) -> None:
    fill(store, 12)
    store.commit([(n, "generate", (EMPTY if n < 4 else RESULTS)["generate"]) for n in range(1, 13)])
    store.commit([(n, "filter", EMPTY["filter"]) for n in (4, 5)])
    assert [row.row for row in store.find(RowQuery("dropped"))] == [1, 2, 3, 4, 5]
    assert [row.row for row in store.find(RowQuery("dropped", phase="filter"))] == [4, 5]
    assert [row.row for row in store.find(RowQuery("pending", limit=2))] == [6, 7]
    sample = store.find(RowQuery("pending", limit=3, seed=1))
    assert sample == store.find(RowQuery("pending", limit=3, seed=1))
    assert len(sample) == 3
    assert store.find(RowQuery("final")) == []


def test_recipes_and_runs_are_noted(store: Store) -> None:
    assert store.recipe("verify") is None
    store.set_recipe("verify", "f1", {"model": "m", "prompts": "default"})
    store.set_recipe("verify", "f2", {"it's": NASTY})
    recipe = store.recipe("verify")
    assert recipe is not None
    assert (recipe.fingerprint, recipe.facts) == ("f2", {"it's": NASTY})
    assert store.last_run() is None
    assert store.start_run("sysgen run a", model="builtin", seed=-1, version="0.1.0") == 1
    assert store.start_run("sysgen verify") == 2
    store.end_run(2, "done")
    run = store.last_run()
    assert run is not None
    assert (run.run, run.command, run.outcome, run.model, run.seed) == (
        2,
        "sysgen verify",
        "done",
        None,
        None,
    )
    assert run.ended is not None
    assert run.ended >= run.started


def test_a_killed_process_loses_no_committed_row(tmp_path: Path) -> None:
    path = tmp_path / "s.duckdb"
    script = """
import sys
from pathlib import Path
from sysgen_local.core.records import *
from sysgen_local.store import Store
turns = (Turn("user", "q" * 500), Turn("assistant", "a" * 500))
store = Store.open(Path(sys.argv[1]))
store.ingest(Source("x", "x", "f"), (Conversation(turns, i) for i in range(1, 20001)))
for n in range(1, 20001, 4):
    four = range(n, n + 4)
    store.commit([(i, "generate", Generated((Phrase("role", "r" * 500),))) for i in four])
    store.commit([(i, "filter", Filtered((Phrase("role", "r"),))) for i in four])
    print(n + 3, flush=True)
"""
    started = subprocess.Popen(
        [sys.executable, "-c", script, str(path)], stdout=subprocess.PIPE, text=True
    )
    with ended(started) as process:
        assert process.stdout is not None
        told = 0
        for line in process.stdout:
            told = int(line)
            if told >= 200:
                process.send_signal(signal.SIGKILL)
                break
        told = max([told, *(int(line) for line in process.stdout if line.endswith("\n"))])
    with Store.open(path, create=False, read_only=True) as store:
        assert store.counts().phases["filter"].done >= told
    with Store.open(path, create=False) as store:
        counts = store.counts()
        done = counts.phases["generate"].done
        assert told <= counts.phases["filter"].done <= done < 20000
        assert done % 4 == 0
        assert adds_up(counts)
        assert counts.input == 20000
        assert next(store.due("generate")).row == done + 1
        store.commit([(done + 1, "generate", RESULTS["generate"])])


@pytest.fixture
def ctrl_c() -> Iterator[None]:
    """SIGINT as a terminal's programs have it; a shell's background jobs start with it ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("ctrl_c")
def test_ctrl_c_is_an_interrupt_and_leaves_the_store_usable(store: Store) -> None:
    fill(store, 30000)
    numbers = iter(range(1, 30001))  # more than 0.1 s can commit
    timer = threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()

    def work() -> None:
        for number in numbers:
            store.commit([(number, "generate", RESULTS["generate"])])

    with pytest.raises(KeyboardInterrupt):
        work()
    timer.join(timeout=60)
    done = store.counts().phases["generate"].done
    assert done in {reached := next(numbers) - 1, reached - 1}
    store.commit([(done + 1, "generate", RESULTS["generate"])])
    assert adds_up(store.counts())


def test_lengths_of_what_waits_for_each_phase(store):
    turns = (Turn("user", "é" * 10), Turn("assistant", "a" * 7000))
    longer = (*turns, Turn("observation", "o" * 5), Turn("assistant", "b" * 100))
    store.ingest(SOURCE, [Conversation(turns, 1), Conversation(longer, 2), Conversation(turns, 3)])
    assert store.sizes_waiting()["generate"] == (3, 65, 21100, 4, 15100)
    assert store.sizes_done() == (0, 0, 0, 0, 0)
    store.commit(
        [(1, "generate", RESULTS["generate"]), (1, "filter", RESULTS["filter"]),
         (3, "generate", EMPTY["generate"])]
    )  # fmt: skip
    waiting = store.sizes_waiting()
    assert waiting["generate"] == (1, 25, 7100, 2, 5100)
    assert waiting["filter"] == (0, 0, 0, 0, 0)
    assert waiting["verify"] == (1, 20, 7000, 1, 5000)
    assert store.sizes_done().rows == 2


def test_lengths_of_the_rows_that_are_due(store):
    """In steps of 768 bytes; those that are dropped need no memory."""
    texts = ("a" * 700, "b" * 760, "é" * 5000, "c")
    store.ingest(
        SOURCE,
        [
            Conversation((Turn("user", text), Turn("assistant", "Yes, it is.")), i)
            for i, text in enumerate(texts, 1)
        ],
    )
    assert store.lengths() == [(768, 2), (1536, 1), (10752, 1)]
    store.commit([(3, "generate", EMPTY["generate"]), (1, "generate", RESULTS["generate"])])
    assert store.lengths() == [(768, 2), (1536, 1)]
