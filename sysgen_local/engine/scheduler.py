"""Who gets into the next batch: running sequences first, newcomers' prompts in what is left."""

from __future__ import annotations

from typing import NamedTuple

from sysgen_local.engine.sequence import Sequence


class Share(NamedTuple):
    """`length` waiting tokens of a sequence go into the batch; `whole` if that is all of them."""

    sequence: Sequence
    length: int

    @property
    def whole(self) -> bool:
        return self.length == self.sequence.waiting


TRICKLE = 8
"""Up to so many waiting tokens go in one at a time. llama.cpp computes sequences together only
as far as they are equally long: whatever is longer than its neighbours costs another pass over
the weights, which is as dear as about this many tokens among others."""


class Scheduler:
    def __init__(self, batch_size: int) -> None:
        self._batch_size = batch_size
        self.running: list[Sequence] = []

    def schedule(self) -> list[Share]:
        """Shares of the next batch, at most `batch_size` tokens together.

        The fewer tokens a sequence waits with, the earlier it gets in: so nobody who is writing
        waits for somebody else's prompt. In the batch they stand by slot: llama.cpp computes
        only neighbouring streams together.
        """
        room = self._batch_size
        batch: list[Share] = []
        writing = any(sequence.waiting == 1 for sequence in self.running)
        for sequence in sorted(self.running, key=lambda s: s.waiting):
            if room == 0:
                break
            trickles = writing and sequence.waiting <= TRICKLE
            count = 1 if trickles else min(room, sequence.waiting)
            batch.append(Share(sequence, count))
            room -= count
        return sorted(batch, key=lambda share: share.sequence.slot)

    def retire(self) -> list[Sequence]:
        """Takes out the sequences that have finished."""
        done = [s for s in self.running if s.finish is not None]
        if done:
            self.running = [s for s in self.running if s.finish is None]
        return done
