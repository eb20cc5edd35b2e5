"""Who gets into the next batch: running sequences first, newcomers' prompts in what is left."""

from __future__ import annotations

from typing import NamedTuple

from sysgen_local.engine.llama.sequence import Sequence


class ScheduledTokens(NamedTuple):
    """`length` waiting tokens of a sequence go into the batch; `whole` if that is all of them."""

    sequence: Sequence
    length: int

    @property
    def is_final_chunk(self) -> bool:
        return self.length == self.sequence.pending_tokens


class Scheduler:
    def __init__(self, batch_size: int) -> None:
        self._batch_size = batch_size
        self.running: list[Sequence] = []

    def schedule(self) -> list[ScheduledTokens]:
        """Shares of the next batch, at most `batch_size` tokens together.

        The fewer tokens a sequence waits with, the earlier it gets in: so nobody who is writing
        waits for somebody else's prompt. In the batch they stand by slot: llama.cpp computes
        only neighbouring streams together.
        """
        budget = self._batch_size
        batch: list[ScheduledTokens] = []
        for sequence in sorted(self.running, key=lambda s: s.pending_tokens):
            count = _chunk_size(sequence, budget)
            if count:
                batch.append(ScheduledTokens(sequence, count))
                budget -= count
        return sorted(batch, key=lambda chunk: chunk.sequence.slot)

    def remove_finished(self) -> list[Sequence]:
        """Takes out the sequences that have finished."""
        done = [s for s in self.running if s.finish is not None]
        if done:
            self.running = [s for s in self.running if s.finish is None]
        return done


def _chunk_size(sequence: Sequence, budget: int) -> int:
    """How many of its waiting tokens go into a batch with room for so many.

    A token alone is computed by other kernels than several of a sequence at once, and the
    results differ a little. So which tokens go in alone is settled by the sequence; room and
    neighbours never leave a single one over.
    """
    if sequence.one_token_per_step or sequence.pending_tokens == 1:
        return min(1, budget)
    if sequence.pending_tokens <= budget:
        return sequence.pending_tokens
    count = budget if sequence.pending_tokens > budget + 1 else budget - 1
    return count if count > 1 else 0
