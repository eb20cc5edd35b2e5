"""What the checks leave in the store: evidence, attempts, and which answer counts."""

from __future__ import annotations

from dataclasses import replace

import pytest
from stored import NASTY, RESULTS, due, fill

from sysgen_local.core.records import PHASES, Attempt, Check, Checked
from sysgen_local.store import Judged, RowQuery, Store


def test_answers_that_were_not_replaced_have_no_text_of_their_own_in_the_checks(
    store: Store,
) -> None:
    fill(store, 3)
    for phase in PHASES[:-1]:
        store.commit([(n, phase, RESULTS[phase]) for n in (1, 2, 3)])
    nothing = Attempt(1, "\ud800", True, None, None, "empty")
    some: list[Checked] = [
        Checked(agrees=None, obeys=None),
        Checked((), (), (nothing,), False, 0.0, 2, "disobeys"),
        Checked(checks=(Check(1, "code", "", "rule", 0.0, "\udfff"),), agrees=False),
    ]
    store.commit([(n, "check", result) for n, result in enumerate(some, 1)])
    first, *others = store.find(RowQuery())
    assert first.checked == some[0]
    assert first.answers == RESULTS["respond"].turns
    assert [row.checked for row in others] == [
        replace(some[1], attempts=(nothing._replace(content="\ufffd"),)),
        replace(some[2], checks=(Check(1, "code", "", "rule", 0.0, "\ufffd"),)),
    ]


def test_whether_answers_are_checked_is_known_by_their_recipe_or_results(store: Store) -> None:
    fill(store, 2)
    for phase in PHASES[:-1]:
        store.commit([(n, phase, RESULTS[phase]) for n in (1, 2)])
    assert store.phases == PHASES[:-1] == tuple(store.counts().phases)
    assert store.counts().rows()["final"] == 2
    assert due(store, "check") == [1, 2]
    assert store.pace()[-1][1:] == (2, 2 * 3 * 11)  # rows through, tokens of three phases
    store.set_recipe("check", "f", {})
    assert store.phases == PHASES == tuple(store.counts().phases)
    assert store.counts().rows()["pending"] == 2
    assert [row.row for row in store.find(RowQuery("pending"))] == [1, 2]
    store.prepare({})
    assert store.counts().rows()["final"] == 2
    store.set_recipe("check", "f", {})
    store.commit([(1, "check", RESULTS["check"])])
    with pytest.raises(ValueError, match="check has results"):
        store.prepare({})
    assert store.counts().rows() == {
        "input": 2, "final": 1, "dropped": 0, "rejected": 0, "pending": 1
    }  # fmt: skip
    assert due(store, "check") == [2]
    assert store.pace()[-1][1:] == (1, 2 * 3 * 11 + 11)


def test_rows_are_found_by_what_was_checked(store: Store) -> None:
    fill(store, 4)
    for phase in PHASES[:-1]:
        store.commit([(n, phase, RESULTS[phase]) for n in (1, 2, 3, 4)])
    results = [
        Checked(agrees=True, obeys=0.9, checks=(Check(1, "result", "4", "rule", 1.0, ""),)),
        Checked(agrees=None, obeys=0.9, tries=3),
        Checked(agrees=True, obeys=0.7),
        Checked(agrees=False, obeys=0.9, dropped="disagrees"),
    ]
    store.commit([(n, "check", result) for n, result in enumerate(results, 1)])

    def such(where: str) -> list[int]:
        return [row.row for row in store.find(RowQuery(where=where))]

    assert such("agrees and obeys > 0.8") == [1]
    assert such("agrees IS NOT false AND obeys > 0.8") == [1, 2]
    assert such("tries > 1") == [2]
    assert such("len([c FOR c IN checks IF c.kind = 'result']) > 0") == [1]
    assert such("phase = 'check' AND reason = 'disagrees'") == [4]


def test_what_was_measured_of_an_answer_goes_with_it(store: Store) -> None:
    fill(store, 4)
    for phase in PHASES[:-1]:
        store.commit([(n, phase, RESULTS[phase]) for n in (1, 2, 3, 4)])
    board = store.judge_queue("j", {}, pairs=4, aligned=0, seed=0)
    board.commit([(n, "judge", Judged(0.9, 0.8)) for n in (1, 2, 3, 4)])
    store.write_measures({n: {"gleu": n / 4} for n in (1, 2, 3, 4)})
    store.commit([(1, "check", Checked()), (2, "check", RESULTS["check"])])
    store.commit([(3, "check", Checked(dropped="disobeys"))])
    assert store.stats()["measures"]["data.jsonl"] == {"gleu": (0.625, 2)}  # of 1 and 4
    # Both look at the answer that the checks chose.
    [pair] = board.due("judge")
    [[measured]] = store.to_measure(["gleu"])
    assert (pair.row, pair.new) == (2, NASTY + "better")
    assert measured == (2, "a", NASTY + "better")
    assert len(store.judgements()[0]["pairs"]) == 2
