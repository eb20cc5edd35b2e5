"""How many requests a server gets at a time: more step by step, fewer by halves, or none."""

from __future__ import annotations

import pytest

from sysgen_local.engine.openai.governor import FAILURES, FIRST, LONGEST_PAUSE, MOST, Governor


def answered(governor: Governor, times: int) -> None:
    for _ in range(times):
        governor.sent()
        governor.succeeded()


def test_the_limit_grows_by_one_with_each_round_of_answers():
    governor = Governor.of(None)
    assert governor.room == FIRST
    answered(governor, FIRST + 1)
    assert int(governor.limit) == FIRST + 1
    answered(governor, 10_000)
    assert governor.limit == MOST


def test_a_limit_that_is_given_or_that_the_server_names_stays():
    governor = Governor.of(3)
    answered(governor, 100)
    assert governor.limit == 3
    governor = Governor.of(None)
    governor.allow(2)
    answered(governor, 100)
    assert governor.room == 2


def test_an_overload_halves_it_once_for_all_requests_of_a_round():
    governor = Governor.of(None)
    for _ in range(8):
        governor.sent()
    assert governor.room == 0
    for n in range(8):
        governor.failed(sent_at=1.0, now=2.0 + n / 100)
    assert governor.limit == FIRST / 2
    assert (governor.running, governor.failures) == (0, 1)
    assert not governor.admits(2.5)
    assert governor.admits(3.1)
    governor.sent()
    governor.failed(sent_at=3.2, now=4.0)
    assert governor.limit == FIRST / 4


def test_what_the_server_asks_to_wait_is_obeyed_whatever_else_it_answers():
    governor = Governor.of(None)
    governor.sent()
    governor.sent()
    governor.failed(sent_at=1.0, now=2.0, wait=90)
    governor.succeeded()
    assert not governor.admits(91.9)
    assert governor.admits(92.1)


def test_after_failures_in_a_row_single_requests_try_it_with_longer_pauses():
    governor, now, pauses = Governor.of(None), 0.0, []
    for _ in range(FAILURES + 6):
        now = max(now, governor.paused_until) + 0.01
        assert governor.admits(now)
        governor.sent()
        governor.failed(sent_at=now, now=now)
        pauses.append(governor.paused_until - now)
    assert governor.is_out
    assert governor.limit == 1
    assert pauses == pytest.approx(
        [1, 2, 4, 8, 16, 32, LONGEST_PAUSE, LONGEST_PAUSE, LONGEST_PAUSE]
    )
    governor.sent()
    assert governor.room == 0  # one at a time
    governor.succeeded()
    assert not governor.is_out


def test_a_server_without_a_connection_is_out_at_once():
    governor = Governor.of(None)
    for _ in range(4):
        governor.sent()
    for _ in range(4):
        governor.lost(10.0)
    assert governor.is_out
    assert governor.paused_until == 11.0  # the four of one moment count once
    governor.sent()
    governor.lost(12.0)
    assert governor.paused_until == 14.0


def test_a_try_that_is_broken_off_is_none():
    governor = Governor.of(None)
    governor.sent()
    governor.lost(10.0)
    governor.sent()
    governor.dropped()
    assert governor.running == 0
    assert governor.is_out
    assert governor.admits(11.0)
