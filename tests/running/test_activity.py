"""What a run says it does at a moment: with a real engine, and what the views make of it."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from rich.console import Console

from sysgen_local.core.records import PHASES
from sysgen_local.engine.llama.engine import LlamaEngine
from sysgen_local.engine.llama.runner import Runner
from sysgen_local.engine.options import Options
from sysgen_local.engine.request import (
    Completion,
    Costs,
    Flight,
    Load,
    Message,
    Request,
    Segment,
    Workers,
)
from sysgen_local.report.live import Live, summary
from sysgen_local.report.status import state
from sysgen_local.running.activity import Activity
from sysgen_local.running.progress import Part, Pass, Progress
from sysgen_local.running.stage import StageResult


def request(number: int, shared: str) -> Request:
    """A request whose prompt begins with `shared`."""
    own = Segment(f"Say something long about the number {number}.", trusted=False)
    return Request(
        f"{number}", "g", (Message("user", (Segment(shared), own)),), max_tokens=12, seed=number
    )


def test_the_engine_tells_what_is_in_its_slots(
    builtin: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = LlamaEngine(builtin, Options(slots=2, batch=64, threads=1))
    seen: list[Load] = []
    decode = Runner._decode

    def spying(runner: Runner, count: int) -> None:
        seen.append(engine.load())
        decode(runner, count)

    monkeypatch.setattr(Runner, "_decode", spying)
    try:
        shared = "The kitchen is closed on Sundays. " * 20
        done = list(engine.complete(request(n, shared) for n in (1, 2, 3)))
    finally:
        engine.close()
    assert len(done) == 3
    prefixes = [load.prefix for load in seen if load.prefix]
    assert prefixes, "the shared beginning was read without a word"
    assert [read for read, _ in prefixes] == sorted(read for read, _ in prefixes)
    assert {of for _, of in prefixes} == {prefixes[0][1]}
    assert prefixes[0][0] == 0
    assert prefixes[-1][0] < prefixes[-1][1]
    assert engine.load().prefix is None
    said = [Activity("working").with_load(load) for load in seen]
    assert max(now.reading[0] for now in said) == 2
    assert all(now.reading[1] < now.reading[2] for now in said if now.reading[0])
    assert max(now.writing[0] for now in said) == 2
    assert max(now.writing[1] for now in said) > 12, "of two answers"


def test_it_is_said_in_words() -> None:
    assert str(Activity("starting")) == "starting"
    assert str(Activity("loading", "qwen2.5-7b", 12.4)) == "loading qwen2.5-7b, 12 s so far"
    costs = Costs(1, 1, 1)
    flights = (Flight("a", 20, 0, 1500), Flight("b", 30, 7, 30), Flight("c", 9, 1, 9))
    load = Load(9, 99, 8, 4, flights, costs, (256, 1024))
    assert str(Activity("working").with_load(load)) == (
        "reading what all prompts share, 256 of 1,024 tokens · "
        "reading 1 prompt, 20 of 1,500 tokens · writing 2 answers, 8 tokens so far"
    )
    assert str(Activity("calibrating", waiting=1, model="m")) == (
        "calibrating the verdicts · 1 request at m"
    )


class OnCluster:
    """An engine that reports workers."""

    description = "two of three"

    def __init__(self, workers: Workers) -> None:
        self.workers = workers

    def complete(self, requests: Iterable[Request | None]) -> Iterator[Completion]:
        return iter(())

    def cancel(self) -> None: ...

    def close(self) -> None: ...

    def load(self) -> Load:
        return Load(0, 0, 0, 32, (), None, None, self.workers)


def test_the_views_show_the_workers_of_a_cluster() -> None:
    progress = Progress(PHASES, rows=10, clock=Clock())
    progress.begin_pass(0, OnCluster(Workers(2, 3, 2)))
    assert summary(progress).count("2 of 3 workers on 2 nodes") == 1
    assert state(progress)["activity"]["workers"] == {"ready": 2, "all": 3, "nodes": 2}
    screen = io.StringIO()
    live = Live(Console(file=screen, force_terminal=True, width=80))
    live.show(progress)
    live.close(progress)
    assert "2 of 3 workers on 2 nodes" in screen.getvalue()
    assert str(Workers(3, 3, 1)) == "3 workers on 1 node"


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_the_views_show_it_from_the_first_second() -> None:
    clock = Clock()
    progress = Progress(PHASES, rows=10, clock=clock)
    progress.begin_loading("qwen2.5-7b")
    clock.now = 3.0
    for width in (80, 140):
        screen = io.StringIO()
        live = Live(Console(file=screen, force_terminal=True, width=width))
        live.show(progress)
        live.close(progress)
        assert "now: loading qwen2.5-7b, 3 s so far" in screen.getvalue()
        assert "rows/h" not in screen.getvalue(), "nothing is finished: no speed is known"
    assert "10 pending | loading qwen2.5-7b, 3 s so far · 0:03" in summary(progress)
    assert state(progress)["activity"]["step"] == "loading"
    assert state(progress)["activity"]["says"] == "loading qwen2.5-7b, 3 s so far"


def test_a_part_of_several_says_which_and_how_far_all_are() -> None:
    progress = Progress(("answer", "judge"), rows=20, part=Part(2, 4, "after at sysbench", 20, 80))
    assert progress.title == "2 of 4: after at sysbench (20 of 80 rows of all)"
    progress.phases["judge"].done = 5
    progress.passes = (Pass(("answer",)), Pass(("judge",)))
    assert progress.title == (
        "2 of 4: after at sysbench (25 of 80 rows of all) · model 1 of 2: answer"
    )
    assert summary(progress).startswith(progress.title)


class Ended(StageResult):
    dropped = None


def test_the_time_left_does_not_grow_while_nothing_is_answered() -> None:
    """A server that hangs: the clock goes on, and nothing else does."""
    clock = Clock()
    progress = Progress(("answer",), rows=200, clock=clock)
    progress.begin_pass(0, None)

    class Item:
        row = 0

        def after(self, phase: str, result: object) -> Item:
            return self

    for number in range(40):
        item = Item()
        item.row = number
        progress.begin_row(item, "answer")
        progress.request_sent(item, "answer", f"{number}")
        clock.now += 2
        progress.request_done("answer", Completion(f"{number}", "x", "stop", 50, 20, 2.0))
        progress.finish_row(item, "answer", Ended())
    item = Item()
    item.row = 40
    progress.begin_row(item, "answer")
    progress.request_sent(item, "answer", "40")
    told = []
    for _ in range(60):
        clock.now += 5
        told.append(progress.seconds_left)
    assert told[0] is not None
    assert told[0] == pytest.approx(320, rel=0.25)
    known = [left for left in told if left is not None]
    assert known == sorted(known, reverse=True), "it grew with the clock"
