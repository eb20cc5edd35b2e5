"""What the model is shown comes from several writers, each with texts of its own."""

from __future__ import annotations

from itertools import islice

from torch.utils.data import DataLoader

from builtin_recipe.batches import Batch, Stream
from builtin_recipe.topics import SHIPPED


def some(seed: int, workers: int, rank: int = 0, processes: int = 1) -> list[Batch]:
    stream = Stream(seed, rank, processes, SHIPPED, tokens=1536)
    context = "spawn" if workers else None
    loader = DataLoader(
        stream, batch_size=None, num_workers=workers, multiprocessing_context=context
    )
    return list(islice(loader, 4))


def same(a: Batch, b: Batch) -> bool:
    return a[0].shape == b[0].shape and bool((a[0] == b[0]).all())


def test_batches_are_those_of_the_seed_and_no_larger_than_asked():
    first, again, other = some(seed=3, workers=0), some(seed=3, workers=0), some(seed=4, workers=0)
    assert all(same(a, b) for a, b in zip(first, again, strict=True))
    assert not any(same(a, b) for a, b in zip(first, other, strict=True))
    assert all(ids.numel() <= 1536 + 15 * len(ids) for ids, _ in first)  # lengths are rounded up


def test_nobody_writes_what_another_writes():
    members = [(seed, rank) for seed in range(2) for rank in range(2)]
    shown = [
        batch for seed, rank in members for batch in some(seed, workers=0, rank=rank, processes=2)
    ]
    assert not any(same(a, b) for number, a in enumerate(shown) for b in shown[:number])


def test_workers_write_in_turn_what_processes_of_their_number_would_write():
    one, other = (some(seed=5, workers=0, rank=rank, processes=2) for rank in range(2))
    turns = [batch for pair in zip(one, other, strict=True) for batch in pair]
    assert all(same(a, b) for a, b in zip(some(seed=5, workers=2), turns, strict=False))
