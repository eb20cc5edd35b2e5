"""Decides which pending tokens go into the next batch.

What: sequences with the fewest pending tokens come first, so those that generate always get in,
and prompts share what is left of the batch, cut into chunks where they do not fit.
Why: a sequence that generates never waits for the prompt of another one. Where a prompt is long
already, each of its tokens attends to many cells, so its chunks are made smaller: a step must not
take minutes, in which those that generate get one token each.
A chunk of a prompt never has a single token, and no single token is left over: llama.cpp computes
one token with other kernels than several, and the results differ a little. So the answer to a
request does not depend on what else is in the batch.
"""

from __future__ import annotations

from math import inf
from typing import NamedTuple

from sysgen_local.engine.llama.sequence import Sequence

LONGEST_STEP = 4
"""A chunk of a long prompt costs at most so many times what a full batch of a short one costs."""


class ScheduledTokens(NamedTuple):
    """A chunk: the next `length` pending tokens of a sequence."""

    sequence: Sequence
    length: int

    @property
    def is_final_chunk(self) -> bool:
        """Whether no pending token is left after this chunk, so that logits are needed."""
        return self.length == self.sequence.pending_tokens


class Scheduler:
    """Holds the running sequences and chooses the chunks of each batch."""

    def __init__(self, batch_size: int, token_cells: float = inf) -> None:
        """`token_cells`: cells of attention that cost as much as a token (see `calls`)."""
        self._batch_size = batch_size
        self._token_cells = token_cells
        self._last_slot = -1  # of the last batch
        self.running: list[Sequence] = []

    def schedule(self, most: int | None = None) -> list[ScheduledTokens]:
        """The chunks of the next batch, at most `batch_size` tokens in all. With `most`, they are
        of so many sequences at most: those of the next slots behind the last batch's.

        They are ordered by slot, because llama.cpp computes only neighbouring streams together.
        """
        budget = self._batch_size
        batch: list[ScheduledTokens] = []
        running = [sequence for sequence in self.running if sequence.pending_tokens]
        if most is not None:
            running.sort(key=lambda s: (s.slot <= self._last_slot, s.slot))
            running = running[:most]
            self._last_slot = running[-1].slot if running else -1
        for sequence in sorted(running, key=lambda s: s.pending_tokens):
            count = _chunk_size(sequence, min(budget, self._affordable(sequence)))
            if count:
                batch.append(ScheduledTokens(sequence, count))
                budget -= count
        return sorted(batch, key=lambda chunk: chunk.sequence.slot)

    def remove_finished(self) -> list[Sequence]:
        """Removes the sequences that have finished from `running` and returns them."""
        done: list[Sequence] = []
        running: list[Sequence] = []
        for sequence in self.running:  # in one pass: a step that is under way may end one meanwhile
            (running if sequence.finish is None else done).append(sequence)
        self.running = running
        return done

    def _affordable(self, sequence: Sequence) -> int:
        """How many tokens of the sequence a step may cost, 2 at least."""
        each = 1 + sequence.position / self._token_cells
        return max(2, int(LONGEST_STEP * self._batch_size / each))


def _chunk_size(sequence: Sequence, budget: int) -> int:
    """How many pending tokens of the sequence go into a batch that has space for `budget` tokens.

    Only a sequence that goes in token by token, or has one pending token, gets a chunk of one.
    """
    if sequence.one_token_per_step or sequence.pending_tokens == 1:
        return min(1, budget)
    if sequence.pending_tokens <= budget:
        return sequence.pending_tokens
    count = budget if sequence.pending_tokens > budget + 1 else budget - 1
    return count if count > 1 else 0
