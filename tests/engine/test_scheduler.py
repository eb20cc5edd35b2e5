"""Who gets into a batch: nobody who writes waits, and what goes in alone is settled by the sequence
itself, because a token alone is computed by other kernels than several."""

from types import SimpleNamespace
from typing import Any

import pytest

from sysgen_local.engine.llama.scheduler import Scheduler


def lengths(batch_size: int, *waiting: int, piecemeal: tuple[int, ...] = ()) -> list[int]:
    scheduler: Any = Scheduler(batch_size)
    scheduler.running = [
        SimpleNamespace(waiting=n, slot=i, piecemeal=n == 1 or i in piecemeal)
        for i, n in enumerate(waiting)
    ]
    shares = {share.sequence.slot: share.length for share in scheduler.schedule()}
    return [shares.get(slot, 0) for slot in range(len(waiting))]


def test_those_who_write_get_in_before_long_prompts():
    assert lengths(10, 100, 1, 1, 50) == [0, 1, 1, 8]


@pytest.mark.parametrize("beside", [(), (1, 1), (60,), (1, 3, 60)])
def test_a_stretch_goes_in_piecemeal_or_whole_whatever_is_beside_it(beside):
    assert lengths(512, 3, *beside, piecemeal=(0,))[0] == 1
    assert lengths(512, 3, *beside)[0] == 3


@pytest.mark.parametrize(
    ("waiting", "shares"),
    [((11,), [9]), ((12,), [10]), ((8, 3), [6, 3]), ((3, 8), [3, 6]), ((20, *9 * [1]), [0])],
)
def test_no_token_of_a_prompt_goes_in_alone_or_is_left_over_alone(waiting, shares):
    assert lengths(10, *waiting)[: len(shares)] == shares
