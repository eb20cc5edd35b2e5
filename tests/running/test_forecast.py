"""The time left of runs, in simulated time: within a quarter from a tenth on, never absurd."""

from __future__ import annotations

import math

import pytest
from simulated import (
    GPU,
    Clock,
    SilentEngine,
    SimulatedEngine,
    SimulatedQueue,
    Told,
    rows,
    run,
    stages,
)

from sysgen_local.engine.llama.step_costs import CPU_COSTS, GPU_COSTS, StepCosts
from sysgen_local.engine.request import Completion, Costs
from sysgen_local.running.forecast.lengths import Lengths, spread
from sysgen_local.running.forecast.steps import steps
from sysgen_local.running.progress import Progress

SHARES = [n / 100 for n in range(10, 100, 5)]


def said(told: Told) -> list[float]:
    """The whole time as it was said to be, over what it was, from a tenth on."""
    return [found for share in SHARES if (found := told.at(share)) is not None]


def sane(told: Told) -> None:
    """Whatever was said was a number of seconds, and nothing is left at the end."""
    spoken = [left for _, left in told.said if left is not None]
    assert spoken
    assert all(math.isfinite(left) and left > 0 for left in spoken)
    assert told.progress.seconds_left is None
    # Nothing absurd, from the first word on.
    assert max(moment + left for moment, left in told.said if left) < 2 * told.took


@pytest.mark.parametrize("seed", range(4))
def test_fifty_rows_on_two_cores_within_a_quarter_from_a_tenth_on(seed):
    told = run(rows(50, seed), stages(seed))
    sane(told)
    assert len(said(told)) == len(SHARES)
    assert min(said(told)) > 0.75
    assert max(said(told)) < 1.25


@pytest.mark.parametrize(
    "made",
    [
        {"longer": 1.5},
        {"fails": 0.5},
        {"drop": 0.5},
        {"phrases": 10},
    ],
    ids=str,
)
def test_other_models_within_a_quarter_from_a_fifth_on(made):
    told = run(rows(50, 1), stages(1, **made))
    sane(told)
    later = [told.at(share) for share in SHARES if share >= 0.2]
    assert min(later) > 0.75
    assert max(later) < 1.25


@pytest.mark.parametrize("shape", [{"turns": 4}, {"answer": 1500}, {"answer": 150}], ids=str)
def test_rows_of_other_shapes_within_a_quarter(shape):
    told = run(rows(50, 1, **shape), stages(1))
    sane(told)
    assert min(said(told)) > 0.75
    assert max(said(told)) < 1.25


def test_long_rows_at_the_end_are_foretold():
    """The texts that wait are known, so a dataset that ends with long ones surprises nobody."""
    short, long = rows(60, 3, answer=200), rows(60, 3, answer=3000)
    told = run([*short[:30], *long[30:]], stages(3)[:4])
    assert min(said(told)) > 0.75
    assert max(said(told)) < 1.25


def test_a_long_run():
    told = run(rows(300, 0), stages(0), every=10)
    sane(told)
    assert min(said(told)) > 0.85
    assert max(said(told)) < 1.15


def test_a_run_without_checks():
    told = run(rows(50, 0), stages(0)[:4])
    sane(told)
    assert min(said(told)) > 0.75
    assert max(said(told)) < 1.25


@pytest.mark.parametrize("phase", [0, 2, 3, 4])
def test_one_phase_alone(phase):
    [alone] = stages(0)[phase : phase + 1]
    told = run(rows(50, 0), [alone])
    sane(told)
    late = [told.at(share) for share in (0.5, 0.75, 0.9)]
    assert min(late) > 0.65
    assert max(late) < 1.35


def test_a_judge_of_its_own_is_another_pass_of_another_price():
    told = run(rows(50, 1), stages(1), passes=[(2, 1e9), (1, 4e9), (2, 1e9)])
    sane(told)
    assert min(said(told)) > 0.75
    assert max(said(told)) < 1.25


def test_a_run_taken_up_again():
    """What was done before counts: half the rows are final, others wait in the middle."""
    all_rows, made = rows(60, 2), stages(2)
    queue = SimulatedQueue(all_rows, phases=[stage.phase for stage in made])
    run(all_rows[:40], made, queue=queue.of(all_rows[:40]))
    run(all_rows[40:50], made[:3], queue=queue.of(all_rows[40:50]))
    assert len(queue.done["check"]) < 40
    told = run(all_rows, made, queue=queue)
    sane(told)
    assert told.progress.pending == 0
    assert min(said(told)) > 0.7
    assert max(said(told)) < 1.3


def test_a_server_tells_nothing_but_answers():
    told = run(rows(80, 1), stages(1), engine=SilentEngine, slots=8)
    sane(told)
    later = [told.at(share) for share in SHARES if share >= 0.2]
    assert min(later) > 0.7
    assert max(later) < 1.3


def test_a_gpu_whose_steps_cost_the_same_however_full():
    told = run(rows(300, 0), stages(0), costs=GPU, slots=48, usual=GPU_COSTS, every=0.5)
    sane(told)
    assert min(said(told)) > 0.7
    assert max(said(told)) < 1.3


def test_nothing_is_said_before_anything_was_written():
    clock = Clock()
    progress = Progress(("generate",), rows=3, clock=clock)
    assert progress.seconds_left is None
    engine = SimulatedEngine(clock, CPU_COSTS)
    progress.begin_pass(0, engine)
    clock.now = 10.0
    engine.times.add(500, 0, 5.0)
    assert progress.seconds_left is None


def test_rows_of_which_nothing_is_known_are_counted_by_what_others_took():
    """A benchmark's questions: phases that nobody guesses anything of."""
    clock = Clock()
    progress = Progress(("ask", "answer"), rows=100, clock=clock)
    items = rows(10, 0)
    for item in items:
        progress.begin_row(item, "ask")
        progress.request_sent(item, "ask", f"{item.row}")
        clock.now += 1
        progress.request_done("ask", Completion(f"{item.row}", "", "stop", 10, 10, 1.0))
        progress.finish_row(item, "ask", Done(), goes_on=True)
    # Ten rows in ten seconds, and ninety to go, each of them twice.
    assert progress.seconds_left == pytest.approx(90 + 100, rel=0.1)


class Done:
    dropped = None


def test_those_that_run_on_are_longer_than_those_that_ended():
    lengths = Lengths()
    for _ in range(5):
        lengths.add(0.5)
    assert lengths.curve().mean == pytest.approx(0.5)
    curve = lengths.curve([2.0] * 5)
    assert curve.mean == pytest.approx(0.5 * 0.5 + 0.5 * 2.3, rel=0.01)
    assert curve.beyond(1.0) == pytest.approx(2.3, rel=0.01)
    assert curve.beyond(0.0) == curve.mean
    assert Lengths().curve() is None
    assert sum(spread(0.7, 5)) == pytest.approx(5)


def test_steps_of_what_is_in_the_slots_and_in_the_queue():
    assert steps([], [], 4) == 0
    assert steps([10, 30], [], 4) == 30
    assert steps([10, 10], [(0.4, 100)], 2) == 10
    full = steps([50] * 4, [(1000, 100)], 4)
    assert full == pytest.approx(1000 * 100 / 4 + 50, rel=0.02)
    assert steps([50] * 4, [], 1) == steps([50] * 4, [], 0) == 200


def test_costs_are_read_off_the_steps():
    times = StepCosts(CPU_COSTS)
    assert times.costs is None
    true = Costs(0.2, 0.004, 0.03)
    for i in range(3000):
        read, written = (400 if i % 7 == 0 else 0), 1 + i % 16
        times.add(read, written, true.fixed + true.read * read + true.written * written)
    assert tuple(times.costs) == pytest.approx(tuple(true), rel=0.1)
    assert (times.steps, times.prefill_tokens) == (3000, 429 * 400)
