"""What a stage is: the work for one row, as a generator of requests.

`work` yields requests, is sent their completions in the same order, and returns the result. It
knows nothing of llama.cpp, batches or SQL, so a test sends it completions by hand.
"""

from __future__ import annotations

import hashlib
from collections.abc import Generator, Iterable, Sequence
from typing import Protocol

from sysgen_local.engine.request import Completion, Request
from sysgen_local.records import Cost, Phase, Result, Row

Work = Generator[Sequence[Request], Sequence[Completion], Result]


class Stage(Protocol):
    """One phase: its name, the work for a row, and what its results depend on."""

    @property
    def phase(self) -> Phase: ...

    def work(self, row: Row) -> Work: ...

    def facts(self) -> dict[str, str]:
        """Everything a result depends on besides the row and the model: the recipe."""
        ...


def seed_of(run_seed: int, row: int, phase: Phase, part: int = 0) -> int:
    """A request's own random stream: depends on the run's seed and the row, on nothing else."""
    key = f"{run_seed}:{row}:{phase}:{part}".encode()
    return int.from_bytes(hashlib.blake2b(key, digest_size=8).digest(), "big")


def cost_of(completions: Iterable[Completion]) -> Cost:
    total = Cost()
    for c in completions:
        total += Cost(c.tokens_in, c.tokens_out, c.seconds)
    return total
