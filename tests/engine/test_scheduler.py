"""Who gets into a batch: nobody who writes waits, and what goes in alone is settled by the sequence
itself, because a token alone is computed by other kernels than several."""

from math import inf
from types import SimpleNamespace
from typing import Any

import pytest

from sysgen_local.engine.llama.scheduler import Scheduler


def lengths(
    batch_size: int,
    *pending: int,
    one_by_one: tuple[int, ...] = (),
    position: int = 0,
    token_cells: float = inf,
) -> list[int]:
    scheduler: Any = Scheduler(batch_size, token_cells)
    scheduler.running = [
        SimpleNamespace(
            pending_tokens=n,
            slot=i,
            one_token_per_step=n == 1 or i in one_by_one,
            position=position,
        )
        for i, n in enumerate(pending)
    ]
    chunks = {chunk.sequence.slot: chunk.length for chunk in scheduler.schedule()}
    return [chunks.get(slot, 0) for slot in range(len(pending))]


def test_those_who_write_get_in_before_long_prompts():
    assert lengths(10, 100, 1, 1, 50) == [0, 1, 1, 8]


@pytest.mark.parametrize("beside", [(), (1, 1), (60,), (1, 3, 60)])
def test_forced_tokens_go_in_one_by_one_or_together_whatever_is_beside_them(beside):
    assert lengths(512, 3, *beside, one_by_one=(0,))[0] == 1
    assert lengths(512, 3, *beside)[0] == 3


@pytest.mark.parametrize(
    ("pending", "chunks"),
    [((11,), [9]), ((12,), [10]), ((8, 3), [6, 3]), ((3, 8), [3, 6]), ((20, *9 * [1]), [0])],
)
def test_no_token_of_a_prompt_goes_in_alone_or_is_left_over_alone(pending, chunks):
    assert lengths(10, *pending)[: len(chunks)] == chunks


@pytest.mark.parametrize(
    ("position", "chunk"),
    [(0, 511), (6000, 511), (12_000, 4 * 512 // 7), (30_000, 4 * 512 // 16), (10**7, 2)],
)
def test_the_longer_a_prompt_is_the_smaller_are_its_chunks(position, chunk):
    """So that those who write soon have their next step. 2,000 cells cost as much as a token."""
    found = lengths(512, 20_000, 1, position=position, token_cells=2000)
    assert found == [chunk, 1]


def test_what_a_long_prompt_leaves_is_for_others():
    assert lengths(512, 9000, 8000, 1, position=30_000, token_cells=2000) == [128, 128, 1]
