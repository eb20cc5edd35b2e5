"""The pipeline's logic, on a real store, with a scripted engine in the model's place."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import replace
from itertools import groupby
from pathlib import Path

import pytest
from scripted import ScriptedEngine, plain

from sysgen_local.core.records import Conversation, Reject, Source, Turn
from sysgen_local.engine.request import Choice, Completion, Json, Load, Request
from sysgen_local.phases.filter import Filter
from sysgen_local.phases.generate import Generate
from sysgen_local.phases.respond import Respond
from sysgen_local.phases.verify import Verify
from sysgen_local.prompts import PromptSet
from sysgen_local.running.pipeline import WAVE, Pipeline
from sysgen_local.store import Store
from sysgen_local.workflows.plan import progress_of


def stages():
    prompts = PromptSet.load("compact")
    return [Generate(prompts), Filter(), Verify(prompts), Respond(prompts)]


def conversation(i: int, exchanges: int = 1) -> Conversation:
    turns = []
    for n in range(exchanges):
        turns += [
            Turn("user", f"What is thing {i}, part {n}?"),
            Turn("assistant", f"It is the thing that has the number {i}, of course."),
        ]
    return Conversation(tuple(turns), line=i)


@pytest.fixture
def store(tmp_path: Path):
    with Store.open(tmp_path / "test.duckdb") as store:
        source = Source("rows.jsonl", "rows.jsonl", "0")
        records = [conversation(i, 3 if i == 5 else 1) for i in range(1, 31)]
        store.ingest(source, [*records, Reject(31, "bad_json")])
        yield store


def run(store: Store, engine: ScriptedEngine | None, some=None):
    progress = progress_of(store)
    Pipeline(store, some or stages(), progress).run(engine)
    return progress


def test_every_row_comes_out_with_a_system_message_and_new_answers(store):
    progress = run(store, ScriptedEngine(plain))
    counts = store.counts()
    assert counts.rows() == {
        "input": 31, "final": 30, "dropped": 0, "rejected": 1, "pending": 0,
    }  # fmt: skip
    assert (progress.final, progress.pending) == (30, 0)
    row = store.row(1)
    assert row.verified.system == "You are a cook. Use a short list."
    assert row.responded.turns == (
        Turn("user", "What is thing 1, part 0?"),
        Turn("assistant", "A new answer to 1:respond:0."),
    )


def test_a_later_turn_sees_the_new_answers_before_it(store):
    engine = ScriptedEngine(plain)
    run(store, engine)
    [second] = [r for r in engine.seen if r.id == "5:respond:1"]
    assert [m.role for m in second.messages] == ["system", "user", "assistant", "user"]
    assert second.messages[2].text == "A new answer to 5:respond:0."
    assert len([t for t in store.row(5).responded.turns if t.role == "assistant"]) == 3


def test_depth_first_the_first_row_is_final_before_the_last_is_begun(store):
    engine = ScriptedEngine(plain, slots=4)
    run(store, engine)
    phases = [r.id.split(":")[1] for r in engine.seen]
    first_answer = phases.index("respond")
    last_generate = len(phases) - 1 - phases[::-1].index("generate")
    assert first_answer < 20 < last_generate


class TellingEngine(ScriptedEngine):
    """A scripted engine that tells its slots."""

    def load(self) -> Load:
        return Load(0, 0, 0, 4, (), None)


def seen_phases(store: Store, engine: ScriptedEngine) -> list[str]:
    store.ingest(Source("more", "more", "1"), [conversation(i) for i in range(32, 132)])
    run(store, engine)
    assert store.counts().rows()["final"] == 130
    return [r.id.split(":")[1] for r in engine.seen]


def test_later_rows_go_through_the_phases_in_waves(store):
    """So a batch holds requests of one phase, once the first rows are finished."""
    phases = seen_phases(store, TellingEngine(plain))
    assert phases.index("respond") < 20  # the first row does not wait for others
    late = [phase for phase, _ in groupby(phases[len(phases) // 2 :])]
    most = WAVE * 4
    assert most - 4 <= max(len([*of]) for _, of in groupby(phases)) <= 3 * most
    assert len(late) < 25  # depth first has over a hundred such changes
    ready = max(
        phases[:i].count("generate") - phases[:i].count("respond") for i in range(len(phases))
    )
    assert ready <= most + 2 * 4  # no more rows are begun than a wave and the slots


def test_an_engine_that_does_not_tell_its_slots_gets_no_waves(store):
    phases = seen_phases(store, ScriptedEngine(plain))
    late = [phase for phase, _ in groupby(phases[len(phases) // 2 :])]
    assert len(late) > 100


def test_the_requests_of_a_row_in_one_phase_follow_each_other(store):
    """The next request comes while a slot still has the tokens of the one before it."""
    engine = TellingEngine(plain)
    seen_phases(store, engine)
    asked = [r.id.split(":") for r in engine.seen]
    places: dict[str, list[int]] = {}
    for place, (row, phase, *_) in enumerate(asked):
        if phase == "verify":
            places.setdefault(row, []).append(place)
    pairs = [two for two in places.values() if len(two) == 2]
    assert len(pairs) == 130
    assert all(second - first <= 4 for first, second in pairs)


def test_cancelled_and_taken_up_again_nothing_is_done_twice(store):
    asked: Counter[str] = Counter()
    for cut in (1, 5, 17, 40, 80, 1000):
        engine = ScriptedEngine(plain)
        answered = 0

        def answer(request: Request, engine=engine, cut=cut) -> Completion:
            nonlocal answered
            answered += 1
            asked[request.id] += 1
            if answered == cut:
                engine.cancel()
            return plain(request)

        engine._answer = answer
        run(store, engine)
    assert store.counts().rows()["final"] == 30
    # Only rows that were in work when a run was cut may be asked again.
    assert sum(n - 1 for n in asked.values()) <= 5 * 4 * 3


def test_an_engine_that_breaks_loses_only_what_it_held(store):
    def answer(request: Request) -> Completion:
        if request.id == "20:respond:0":
            raise RuntimeError("out of memory")
        return plain(request)

    with pytest.raises(RuntimeError):
        run(store, ScriptedEngine(answer))
    assert store.counts().rows()["final"] >= 15
    run(store, ScriptedEngine(plain))
    assert store.counts().rows()["final"] == 30


@pytest.mark.parametrize(
    ("change", "phase", "reason"),
    [
        (lambda r, c: replace(c, finish="too_long", text=""), "generate", "too_long"),
        (lambda r, c: replace(c, text='[{"tag":"ro', finish="length"), "generate", "cut_off"),
        (lambda r, c: replace(c, text='[{"tag":"role","text":"{name}"}]'), "filter", "no_phrases"),
    ],
)
def test_what_goes_wrong_in_generate_drops_the_row_with_its_reason(store, change, phase, reason):
    def answer(request: Request) -> Completion:
        completion = plain(request)
        return change(request, completion) if isinstance(request.constraint, Json) else completion

    run(store, ScriptedEngine(answer))
    assert store.counts().phases[phase].dropped == {reason: 30}


def test_bad_phrases_go_and_a_row_without_good_ones_is_dropped(store):
    def answer(request: Request) -> Completion:
        completion = plain(request)
        if isinstance(request.constraint, Choice):
            bad = request.id.endswith(":0") or request.id.startswith("7:")
            p = {"good": 0.1, "bad": 0.8, "none": 0.1} if bad else completion.probabilities
            return replace(completion, text="", probabilities=p)
        return completion

    run(store, ScriptedEngine(answer))
    assert store.row(1).verified.system == "Use a short list."
    assert store.row(7).verified.dropped == "no_good_phrases"
    assert store.counts().rows() | {"final": 29, "dropped": 1} == store.counts().rows()


def test_one_phase_at_a_time_gives_the_same_file(store, tmp_path):
    for stage in stages():
        run(store, None if stage.phase == "filter" else ScriptedEngine(plain), [stage])
    assert store.counts().rows()["final"] == 30


@pytest.mark.parametrize(("step", "at_once"), [(4.0, True), (0.004, False)])
def test_results_are_committed_at_once_unless_that_takes_a_twentieth_of_the_time(
    store, monkeypatch, step, at_once
):
    """A commit takes 10 ms, four answers come at each step: behind a real model none of them
    waits; behind a fast one they go together."""
    now, spent, commits, answers = 0.0, 0.0, 0, 0
    waiting: dict[int, float] = {}  # finished rows that a kill would cost (5 has three turns)
    waited = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now)
    commit = store.commit

    def timed(results):
        nonlocal now, spent, commits
        commit(results)
        now, spent, commits = now + 0.01, spent + 0.01, commits + 1
        waited.extend(now - since for since in waiting.values())
        waiting.clear()

    def answer(request: Request) -> Completion:
        nonlocal now, answers
        assert not (at_once and waiting)
        answers += 1
        now += step if answers % 4 == 0 else 0.0
        if request.group == "respond" and not request.id.startswith("5:"):
            waiting[len(waiting)] = now
        return plain(request)

    store.commit = timed
    run(store, ScriptedEngine(answer))
    assert store.counts().rows()["final"] == 30
    assert max(waited) <= (0.0101 if at_once else 0.25)
    assert spent <= now / 20 + 0.0301  # and the first, the last, and one begun
    assert at_once or commits < 10


def test_rows_without_room_wait_as_before_and_come_out_the_same_later(store):
    """Also where other requests of such a row are under way, and in whatever phase."""

    def crowded(request: Request) -> Completion:
        row, phase, *_ = request.id.split(":")
        if (int(row), phase) in {(3, "generate"), (5, "respond"), (8, "verify"), (9, "respond")}:
            return Completion(request.id, "", "no_room")
        return plain(request)

    progress = progress_of(store)
    pipeline = Pipeline(store, stages(), progress)
    pipeline.run(ScriptedEngine(crowded))
    assert pipeline.no_room == 4
    assert store.counts().rows() == {
        "input": 31, "final": 26, "dropped": 0, "rejected": 1, "pending": 4,
    }  # fmt: skip
    assert progress.pending == 4
    assert all(phase.running == 0 for phase in progress.phases.values())
    assert [row.row for row in store.due("respond")] == [5, 9]
    run(store, ScriptedEngine(plain))
    assert store.counts().rows()["final"] == 30
    assert store.row(5).responded.turns[1].content == "A new answer to 5:respond:0."
