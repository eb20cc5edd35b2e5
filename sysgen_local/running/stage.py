"""The protocols of a run: stages, the items that pass through them, and the work queue.

A stage does the work for one item as a generator: it yields requests, receives their completions
in the same order, and returns a result. A stage does not use llama.cpp, batches or SQL, so a test
can send it completions directly. The five phases are stages; so is everything else that asks a
model the same question about many items (a judge, a benchmark).

The protocols have three type variables: the names of the phases, the item (for example `Row`), and
the result.
"""

from __future__ import annotations

import hashlib
from collections.abc import Generator, Iterable, Iterator, Sequence
from typing import Any, Literal, Protocol, Self, TypeAlias, TypeVar

from sysgen_local.core.records import NOTHING, Cost
from sysgen_local.engine.request import UNANSWERED, Completion, Request


class StageResult(Protocol):
    """The result of one stage for one item. `dropped` is the reason if the item ends here."""

    @property
    def dropped(self) -> str | None: ...


class WorkItem(Protocol):
    """Something that passes through stages. Its number `row` never changes.

    `after` takes `Any` because a type variable cannot be bound by a generic protocol. `Pipeline`
    calls it only with a phase and a result of its own type variables.
    """

    @property
    def row(self) -> int: ...

    def after(self, phase: Any, result: Any) -> Self:
        """The same item with the result of one more stage."""
        ...


PhaseT_co = TypeVar("PhaseT_co", bound=str, covariant=True)
PhaseT_contra = TypeVar("PhaseT_contra", bound=str, contravariant=True)
ItemT_co = TypeVar("ItemT_co", bound=WorkItem, covariant=True)
ItemT_contra = TypeVar("ItemT_contra", bound=WorkItem, contravariant=True)
ResultT = TypeVar("ResultT", bound=StageResult)
ResultT_co = TypeVar("ResultT_co", bound=StageResult, covariant=True)
ResultT_contra = TypeVar("ResultT_contra", bound=StageResult, contravariant=True)

Work: TypeAlias = Generator[Sequence[Request], Sequence[Completion], ResultT]
"""The work for one item: yields requests, receives their completions, returns the result."""


class Stage(Protocol[PhaseT_co, ItemT_contra, ResultT_co]):
    """One step of a run: its name, its work, and the facts that its results depend on."""

    @property
    def phase(self) -> PhaseT_co: ...

    def work(self, row: ItemT_contra, /) -> Generator[
        Sequence[Request], Sequence[Completion], ResultT_co
    ]: ...  # fmt: skip

    def failed(self, why: str) -> ResultT_co:
        """The result for an item whose work raised an exception. `why` is one sentence."""
        ...

    def facts(self) -> dict[str, str]:
        """Everything a result depends on besides the item and the model. It goes into the
        recipe."""
        ...


class WorkQueue(Protocol[PhaseT_contra, ItemT_co, ResultT_contra]):
    """Gives stages their items and stores their results. `Store` is one."""

    def due(self, phase: PhaseT_contra) -> Iterator[ItemT_co]:
        """The items that wait for this phase, in ascending order. Results may be committed while
        the iterator is open."""
        ...

    def commit(self, results: Sequence[tuple[int, PhaseT_contra, ResultT_contra]]) -> None:
        """Writes (number of the item, phase, result) of any phases in one transaction."""
        ...


AnyStage: TypeAlias = Stage[Any, Any, StageResult]
"""A stage of a list in which stages of different items may stand."""

AnyWorkQueue: TypeAlias = WorkQueue[Any, Any, Any]
"""The queue for such a list."""


def seed_of(run_seed: int, row: int, phase: str, part: int = 0) -> int:
    """The sampler's seed for one request. It depends only on the run's seed, the row, the phase
    and the number of the request (`part`), not on the order of the work."""
    key = f"{run_seed}:{row}:{phase}:{part}".encode()
    return int.from_bytes(hashlib.blake2b(key, digest_size=8).digest(), "big")


def cost_of(completions: Iterable[Completion]) -> Cost:
    """The sum of their tokens and seconds. The decoded tokens are known where each of them knows
    its own. A request that ended before its prompt was counted has none."""
    cost = NOTHING
    for of in completions:
        decoded = of.tokens_decoded
        if decoded is None and of.finish in UNANSWERED and not of.tokens_in:
            decoded = 0
        cost = cost.plus(Cost(of.tokens_in, of.tokens_out, of.seconds, decoded))
    return cost


StageFailure = Literal["failed"]
STAGE_FAILED: StageFailure = "failed"
"""The reason for an item whose work raised an exception."""

EngineReason = Literal["too_long", "refused", "failed"]
"""Why the engine gives no answer to a request. See `sysgen_local.engine.request.Finish`. The
filter has a rule `too_long` as well: that one is about the length of a phrase."""


def unanswered(completion: Completion) -> tuple[EngineReason, str] | None:
    """(reason, what went wrong) of a request without an answer; None if it has an answer."""
    match completion.finish:
        case "too_long" | "refused" | "failed" as reason:
            return reason, completion.text
    return None
