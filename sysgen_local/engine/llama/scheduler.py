"""Who gets into the next batch: running sequences first, newcomers' prompts in what is left."""

from __future__ import annotations

from typing import NamedTuple

from sysgen_local.engine.llama.sequence import Sequence


class Share(NamedTuple):
    """`length` waiting tokens of a sequence go into the batch; `whole` if that is all of them."""

    sequence: Sequence
    length: int

    @property
    def whole(self) -> bool:
        return self.length == self.sequence.waiting


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
        for sequence in sorted(self.running, key=lambda s: s.waiting):
            count = _portion(sequence, room)
            if count:
                batch.append(Share(sequence, count))
                room -= count
        return sorted(batch, key=lambda share: share.sequence.slot)

    def retire(self) -> list[Sequence]:
        """Takes out the sequences that have finished."""
        done = [s for s in self.running if s.finish is not None]
        if done:
            self.running = [s for s in self.running if s.finish is None]
        return done


def _portion(sequence: Sequence, room: int) -> int:
    """How many of its waiting tokens go into a batch with room for so many.

    A token alone is computed by other kernels than several of a sequence at once, and the
    results differ a little. So which tokens go in alone is settled by the sequence; room and
    neighbours never leave a single one over.
    """
    if sequence.piecemeal or sequence.waiting == 1:
        return min(1, room)
    if sequence.waiting <= room:
        return sequence.waiting
    count = room if sequence.waiting > room + 1 else room - 1
    return count if count > 1 else 0
