"""Every test has exactly one level, which is what it uses."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st
from levels import COLLECTED, LEVELS, level_of, marks

pytestmark = pytest.mark.unit  # the functions that start or load something are only looked at


def test_every_test_has_exactly_one_level(pytestconfig: pytest.Config) -> None:
    collected = pytestconfig.stash[COLLECTED]
    assert collected
    assert {item.nodeid: marks(item) for item in collected if len(marks(item)) != 1} == {}


def test_every_level_is_declared(pytestconfig: pytest.Config) -> None:
    declared = [line.split(":")[0] for line in pytestconfig.getini("markers")]
    assert {*LEVELS} <= {*declared}


def starts() -> None:
    subprocess.run(["true"], check=True, timeout=10)


class Starts:
    def run(self) -> None:
        starts()


@contextmanager
def started() -> Iterator[None]:
    Starts().run()
    yield


@given(st.text())
def of_any_text(text: str) -> None:
    starts()


def nested() -> Callable[[], None]:
    def inner() -> None:
        starts()

    return inner


def loads() -> object:
    from sysgen_local.engine.llama.engine import LlamaEngine

    return LlamaEngine


def loads_and_starts() -> None:
    starts()
    loads()


def recurs() -> object:
    return recurs


@pytest.mark.parametrize(
    ("function", "fixtures", "level"),
    [
        (recurs, [], "unit"),
        (recurs, ["tmp_path"], "unit"),
        (recurs, ["smollm2"], "model"),
        (recurs, ["smollm2", "server"], "e2e"),
        (loads, [], "model"),
        (loads_and_starts, [], "e2e"),
        (starts, [], "e2e"),
        (Starts().run, [], "e2e"),
        (started, [], "e2e"),
        (of_any_text, [], "e2e"),
        (nested, [], "e2e"),
    ],
)
def test_the_level_is_that_of_the_dearest_thing_used(function, fixtures, level) -> None:
    assert level_of([function], fixtures) == level
