"""An engine whose work is done by workers on a Ray cluster.

Ray places the workers, restarts those that die, and carries the calls. What is done here:
- Each worker has one call under way at a time. It takes a batch of new requests there and brings
  completions back. A worker holds more requests than it has slots, so that it has work while a
  batch travels.
- The requests of one row go to the worker that had its last one, because its KV cache holds the
  beginning of their prompts.
- Where a call fails, the worker has died or is out of reach. Its requests are handed out again, and
  what it may still answer is dropped.
- Where the number of workers is not given, it follows the nodes that join and leave.

The completions do not depend on the worker, nor on what else it does: see
`sysgen_local.engine.llama.kv_cache`.
"""

from __future__ import annotations

import pickle
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Any, NamedTuple

from sysgen_local.core.counted import counted
from sysgen_local.core.errors import SysgenError, UsageError
from sysgen_local.engine.cluster import connection
from sysgen_local.engine.cluster.loads import Loads
from sysgen_local.engine.cluster.member import Member, row_of
from sysgen_local.engine.cluster.shares import Share, shares
from sysgen_local.engine.cluster.worker import Opens, Ready, Reply, Worker
from sysgen_local.engine.options import Options
from sysgen_local.engine.request import Completion, Load, Request, Workers

SUSPECT = 2
"""A request that was with this many workers when they died may be what killed them. From then on a
worker has only one such request at a time, ..."""

DEATHS = 4
"""... and after this many deaths the request ends as `failed`."""

LOOK_EVERY = 2.0
"""Seconds between two looks at the nodes of the cluster."""

TICK = 0.2
"""Seconds after which a signal is noticed at the latest."""

PATIENCE = 10.0
"""Seconds without any worker after which a line says what is waited for."""


class _Event(NamedTuple):
    """A call that is over."""

    member: Member
    generation: int
    future: Future[Any]
    loads: bool


class RayEngine:
    """Hands requests out to workers, each with the engine that `opens` opens on its node.

    Raises UsageError where the cluster cannot be used. The workers load the model meanwhile: what
    is asked of the engine first waits for one of them, until `cancel`, and raises SysgenError or
    UsageError where none can load it.
    """

    def __init__(
        self, opens: Opens, options: Options, say: Callable[[str], None] = lambda line: None
    ) -> None:
        assert options.ray is not None
        self._ray = connection.connect(options.ray)
        self._opens = opens
        self._options = options
        self._say = say
        self._events: SimpleQueue[_Event] = SimpleQueue()
        self._members: list[Member] = []
        self._homes: dict[str, Member] = {}
        self._again: deque[Request] = deque()
        self._suspects: deque[Request] = deque()
        self._deaths: Counter[str] = Counter()
        self._loads = Loads()
        self._cancelled = False
        self._grows = options.workers is None
        self._look_at = 0.0
        self._start_workers()

    @property
    def description(self) -> str:
        """See `Engine.description`. Waits for the first worker, and raises where there is none."""
        self._wait_for_first()
        described = [member.ready.description for member in self._members if member.ready]
        return ", each with ".join([str(self.workers), *described[:1]])

    @property
    def slot_tokens(self) -> int:
        """Tokens that a slot of every worker holds; 0 where it was cancelled before one was ready.
        Waits as `description`."""
        self._wait_for_first()
        return min((m.ready.slot_tokens for m in self._members if m.ready), default=0)

    @property
    def workers(self) -> Workers:
        """The workers that are ready, and their nodes."""
        ready = [member.ready for member in list(self._members) if member.ready]
        return Workers(len(ready), len(self._members), len({of.node_id for of in ready}))

    def load(self) -> Load:
        """See `Telling.load`."""
        return self._loads.sum(self.workers)

    def complete(self, requests: Iterable[Request | None]) -> Iterator[Completion]:
        """See `Engine.complete`. Raises SysgenError where no worker is left, or an engine fails."""
        source = iter(requests)
        self._wait_for_first()
        try:
            while not self._cancelled:
                is_dry = self._hand_out(source)
                for member in self._members:
                    if member.held and not member.calling:
                        self._exchange(member)
                waiting = self._again or self._suspects
                if is_dry and not waiting and not any(m.held for m in self._members):
                    return
                yield from self._receive()
        finally:
            self._cancelled = False
            self._again.clear()
            self._suspects.clear()
            self._deaths.clear()
            for member in self._members:
                if member.held:
                    member.drop()

    def cancel(self) -> None:
        """See `Engine.cancel`."""
        self._cancelled = True

    def close(self) -> None:
        """Ends the workers. The connection to Ray stays, for the next engine."""
        for member in self._members:
            with suppress(self._ray.exceptions.RayError):
                self._ray.kill(member.actor)

    def _hand_out(self, source: Iterator[Request | None]) -> bool:
        """Gives requests to workers while one has room, those of lost workers first. Returns
        whether the source had none at the moment."""
        ready = [member for member in self._members if member.ready]
        for member in ready:
            if self._suspects and member.suspect is None and member.room() > 0:
                request = self._suspects.popleft()
                member.suspect = request.id
                member.take(request)
        room = sum(max(0, member.room()) for member in ready)
        while room > 0:
            found = self._again.popleft() if self._again else next(source, None)
            if found is None:
                return True
            member = self._home(found, ready)
            room -= member.room() > 0
            member.take(found)
        return False

    def _home(self, request: Request, ready: Sequence[Member]) -> Member:
        """The worker of the request's row, if it is there and has not twice as many requests as
        slots, else the one with the most room."""
        row = row_of(request.id)
        home = self._homes.get(row)
        if home is None or not home.ready or len(home.held) >= 2 * home.slots:
            home = self._homes[row] = max(ready, key=Member.room)
        return home

    def _forget_homes(self, member: Member) -> None:
        """Forgets the worker's rows that had their last answer before as many others as it has
        slots: their slots have other rows by now."""
        while len(member.rested) > member.slots:
            row, _ = member.rested.popitem(last=False)
            if self._homes.get(row) is member:
                del self._homes[row]

    def _exchange(self, member: Member) -> None:
        batch, member.outbox = member.outbox, []
        member.calling = True
        data = pickle.dumps(batch, pickle.HIGHEST_PROTOCOL)
        call = member.actor.exchange.remote(member.generation, data)
        self._listen(call, member)

    def _listen(self, call: Any, member: Member, *, loads: bool = False) -> None:
        generation = member.generation

        def ended(future: Future[Any]) -> None:
            self._events.put(_Event(member, generation, future, loads))

        call.future().add_done_callback(ended)

    def _receive(self) -> Iterator[Completion]:
        """Waits up to `TICK` seconds for calls to end, and yields what they bring."""
        self._look_at_nodes()
        try:
            event = self._events.get(timeout=TICK)
            while True:
                yield from self._after(event)
                event = self._events.get_nowait()
        except Empty:
            return

    def _after(self, event: _Event) -> Iterator[Completion]:
        """What follows from a call that is over."""
        member, generation, future, loads = event
        if member not in self._members or generation != member.generation:
            return
        if (error := future.exception()) is not None:
            if isinstance(error, self._ray.exceptions.RayTaskError):
                raise SysgenError(f"a worker failed: {error}") from error
            yield from self._lost(member, error, is_dead=loads)
            return
        if loads:
            self._loaded(member, future.result())
            return
        member.calling = False
        reply: Reply = pickle.loads(future.result())  # noqa: S301 - from our own worker
        if reply.load is not None:
            self._loads.add(member, reply.load, self.workers.ready)
        for completion in reply.completions:
            if member.done(completion.id):
                self._deaths.pop(completion.id, None)
                yield completion
        self._forget_homes(member)
        if reply.failure is not None and member.ready is not None:
            raise reply.failure.error(member.ready.node)

    def _loaded(self, member: Member, ready: Ready) -> None:
        """A worker reports that its model is loaded, or why not."""
        try:
            connection.require_same(ready.node, ready.versions)
            if ready.failure is not None:
                raise ready.failure.error(ready.node)
        except SysgenError as error:
            self._give_up(member, error)
        else:
            member.ready = ready

    def _lost(self, member: Member, error: BaseException, *, is_dead: bool) -> Iterator[Completion]:
        """A call to a worker failed. Its requests are handed out again; Ray restarts it. `is_dead`:
        Ray has given it up."""
        held, ready, member.ready = member.drop(), member.ready, None
        self._loads.drop(member)
        if is_dead:
            self._give_up(member, connection.cannot_start("a worker", str(error)))
        else:
            where = f" on {ready.node}" if ready else ""
            self._say(f"a worker{where} is lost: {counted(len(held), 'request')} handed out again")
            self._load(member)
        for request in held:
            self._deaths[request.id] += 1
            if self._deaths[request.id] < SUSPECT:
                self._again.append(request)
            elif self._deaths[request.id] < DEATHS:
                self._suspects.append(request)
            else:
                why = f"{DEATHS} workers died while they worked on it"
                yield Completion(request.id, why, "failed")

    def _give_up(self, member: Member, error: SysgenError) -> None:
        """Goes on without this worker. Raises the error where no other is left."""
        self._end(member)
        if not self._members:
            raise error
        self._grows = False  # the next worker there would fail too
        self._say(str(error))

    def _start_workers(self) -> None:
        """Starts the workers that there is room for and that are not there yet."""
        wanted = shares(connection.resources(self._ray), self._options)
        self._end_surplus(wanted)
        wanted.subtract(member.share for member in self._members)
        for share, number in wanted.items():
            actors = self._ray.remote(Worker).options(
                num_cpus=share.cpus,
                num_gpus=share.gpus,
                resources=dict(share.others) or None,
                max_restarts=-1,
            )
            for _ in range(number):
                member = Member(actors.remote(self._opens, share), share)
                self._members.append(member)
                self._load(member)

    def _end_surplus(self, wanted: Mapping[Share, int]) -> None:
        """Ends lost workers for which Ray has no node any more."""
        ready = Counter(member.share for member in self._members if member.ready)
        for member in list(self._members):
            if not member.ready and ready[member.share] >= wanted.get(member.share, 0):
                self._end(member)

    def _end(self, member: Member) -> None:
        self._members.remove(member)
        with suppress(self._ray.exceptions.RayError):
            self._ray.kill(member.actor)

    def _load(self, member: Member) -> None:
        # Ray repeats this call, and no other, until the worker is there.
        call = member.actor.load.options(max_task_retries=-1).remote()
        self._listen(call, member, loads=True)

    def _look_at_nodes(self) -> None:
        """Starts workers on nodes that have joined."""
        if self._grows and time.monotonic() >= self._look_at:
            self._look_at = time.monotonic() + LOOK_EVERY
            self._start_workers()

    def _wait_for_first(self) -> None:
        """Waits until a worker has loaded its model, or `cancel` was called."""
        said_at = time.monotonic() + PATIENCE
        while not self._cancelled and not any(member.ready for member in self._members):
            if not self._members:
                raise UsageError(
                    "the Ray cluster has no room for a worker",
                    hint="--worker-cpus, --worker-gpus and --worker-resources say what one takes",
                )
            if time.monotonic() >= said_at:
                said_at = float("inf")
                share = self._members[0].share
                self._say(
                    f"waiting for {counted(len(self._members), 'worker')} to be placed by Ray and "
                    f"to load the model: each takes {share.cpus:g} CPUs and {share.gpus:g} GPUs"
                )
            for _ in self._receive():
                raise AssertionError("nothing was asked yet")
