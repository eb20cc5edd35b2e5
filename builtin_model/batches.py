"""What the model is shown: conversations, bucketed by length."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

import torch
from torch import Tensor

from builtin_model.tasks import TASKS, draw
from builtin_model.tokenizer import Encoded, Encoder
from builtin_model.topics import Topics

BATCH_TOKENS = 1536
"""Tokens of a batch, padding included: small batches learn most in a given time on a CPU."""

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


def batches(rng: Random, topics: Topics, encoder: Encoder) -> Iterator[Batch]:
    """The task mix without end; no conversation is shown twice but by chance."""
    while True:
        pool = [encoder.encode(draw(rng, topics)) for _ in range(_POOL)]
        pool = [item for item in pool if len(item.ids) <= LONGEST]
        pool.sort(key=lambda item: len(item.ids))
        grouped = list(_grouped(pool))
        rng.shuffle(grouped)
        for group in grouped:
            yield collate(group, encoder.pad)


def _grouped(pool: list[Encoded]) -> Iterator[list[Encoded]]:
    group: list[Encoded] = []
    for item in pool:
        if group and len(item.ids) * (len(group) + 1) > BATCH_TOKENS:
            yield group
            group = []
        group.append(item)
    if group:
        yield group
