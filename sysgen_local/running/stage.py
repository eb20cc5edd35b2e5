"""What a stage is: the work for one row, as a generator of requests.

`work` yields requests, is sent their completions in the same order, and returns the result. It
knows nothing of llama.cpp, batches or SQL, so a test sends it completions by hand. The phases
are stages, and so is whatever else asks a model something for each of many rows.
"""

from __future__ import annotations

import hashlib
from collections.abc import Generator, Iterable, Iterator, Sequence
from typing import Any, Protocol, Self

from sysgen_local.core.records import Cost
from sysgen_local.engine.request import UNANSWERED, Completion, Request


class Outcome(Protocol):
    """What a stage makes of a row. `dropped` is the reason where the row ends here."""

    @property
    def dropped(self) -> str | None: ...


class Item(Protocol):
    """Something on its way through stages, with a number that never changes."""

    @property
    def row(self) -> int: ...

    def after(self, phase: Any, result: Any) -> Self:
        """The same, one stage further."""
        ...


Work = Generator[Sequence[Request], Sequence[Completion], Outcome]


class Stage(Protocol):
    """Its name, the work for a row, and what its results depend on."""

    @property
    def phase(self) -> Any: ...

    def work(self, row: Any) -> Work: ...

    def failed(self, why: str) -> Outcome:
        """What becomes of a row whose work broke off, `why` in a sentence."""
        ...

    def facts(self) -> dict[str, str]:
        """Everything a result depends on besides the row and the model: the recipe."""
        ...


class Board(Protocol):
    """Where stages find their rows and leave their results: the `Store`, or one like it."""

    def due(self, phase: Any) -> Iterator[Item]:
        """Rows this stage has to do, ascending. Results may be committed meanwhile."""
        ...

    def commit(self, results: Any) -> None:
        """Writes (row, phase, result) of any stages in one transaction."""
        ...


def seed_of(run_seed: int, row: int, phase: str, part: int = 0) -> int:
    """A request's own random stream: depends on the run's seed and the row, on nothing else."""
    key = f"{run_seed}:{row}:{phase}:{part}".encode()
    return int.from_bytes(hashlib.blake2b(key, digest_size=8).digest(), "big")


def cost_of(completions: Iterable[Completion]) -> Cost:
    read = written = 0
    seconds = 0.0
    for completion in completions:
        read += completion.tokens_in
        written += completion.tokens_out
        seconds += completion.seconds
    return Cost(read, written, seconds)


def unanswered(completion: Completion) -> tuple[str, str] | None:
    """The reason for which a request has no answer, and what went wrong; None where it has one."""
    if completion.finish not in UNANSWERED:
        return None
    return completion.finish, completion.text
