"""What the model is shown: conversations, bucketed by length."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from random import Random

import torch
from torch import Tensor
from torch.utils.data import IterableDataset, get_worker_info

from builtin_recipe.tasks import TASKS, draw
from builtin_recipe.tokenizer import Encoded, Encoder
from builtin_recipe.topics import Topics, vocabulary_pieces

LONGEST = 640
"""Tokens of the longest conversation that is shown."""

_POOL = 1024
"""Conversations written at a time and sorted by length."""

Batch = tuple[Tensor, Tensor]
"""ids[batch, time] and their weights."""


def collate(encoded: list[Encoded], pad: int) -> Batch:
    """One batch, padded to a multiple of 16: few shapes are fast shapes."""
    length = max(len(item.ids) for item in encoded)
    length += -length % 16
    ids = torch.full((len(encoded), length), pad)
    weights = torch.zeros(len(encoded), length)
    for row, item in enumerate(encoded):
        ids[row, : len(item.ids)] = torch.tensor(item.ids)
        weights[row, : len(item.ids)] = torch.tensor(item.weights)
    return ids, weights


def task_samples(
    rng: Random, topics: Topics, encoder: Encoder, task: str, count: int
) -> list[Encoded]:
    """Conversations of one task, none too long."""
    found: list[Encoded] = []
    while len(found) < count:
        item = encoder.encode(TASKS[task].draw(rng, topics))
        if len(item.ids) <= LONGEST:
            found.append(item)
    return found


class Stream(IterableDataset[Batch]):
    """The task mix without end, written by a loader's workers or by the process itself.

    All that is drawn hangs on the seed and on the number of those who write.
    """

    def __init__(self, seed: int, rank: int, processes: int, tokenizer: Path, tokens: int) -> None:
        self._seed = seed
        self._rank = rank
        self._processes = processes
        self._tokenizer = tokenizer
        self._tokens = tokens

    def __iter__(self) -> Iterator[Batch]:
        worker = get_worker_info()
        number, workers = (worker.id, worker.num_workers) if worker else (0, 1)
        writers = self._processes * workers
        rng = Random(self._seed * writers + self._rank * workers + number)
        topics = Topics(pieces=vocabulary_pieces(self._tokenizer))
        return batches(rng, topics, Encoder(self._tokenizer), self._tokens)


def batches(rng: Random, topics: Topics, encoder: Encoder, tokens: int) -> Iterator[Batch]:
    """The task mix without end, batches of so many tokens at most, padding included; no
    conversation is shown twice but by chance."""
    while True:
        pool = [encoder.encode(draw(rng, topics)) for _ in range(_POOL)]
        pool = [item for item in pool if len(item.ids) <= LONGEST]
        pool.sort(key=lambda item: len(item.ids))
        grouped = list(_grouped(pool, tokens))
        rng.shuffle(grouped)
        for group in grouped:
            yield collate(group, encoder.pad)


def _grouped(pool: list[Encoded], tokens: int) -> Iterator[list[Encoded]]:
    group: list[Encoded] = []
    for item in pool:
        if group and len(item.ids) * (len(group) + 1) > tokens:
            yield group
            group = []
        group.append(item)
    if group:
        yield group
