"""An engine over one server or several that serve the same model.

Each request has a thread of its own. It gets a server from the pool, which knows how many requests
each server gets at a time (`governor`). A request that fails because of a server is asked again,
from another server where there is one.

How an error of one request is told from an error of the server:
- A request that fails is asked again, because the server may be busy.
- Where it still fails, a probe is sent: a short request of the same kind with no text of a row.
- If the server answers the probe, only this request fails, and the run goes on.
- If it does not, the server is at fault.

While no server answers, the engine waits, for `patience` seconds at most. Then the last error ends
the run, which can be continued later.
"""

from __future__ import annotations

import logging
import queue
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from threading import Thread
from weakref import WeakSet

from sysgen_local.core.extras import needs
from sysgen_local.core.server import Server
from sysgen_local.engine.openai import errors
from sysgen_local.engine.openai.pool import Member, Pool, StoppedError
from sysgen_local.engine.request import Completion, Request

PATIENCE = 3600.0
"""Seconds that the engine waits while no server answers, unless the user gives another time."""

TRIES_BEFORE_PROBE = 3
"""How often a request is asked before a probe checks whether the server answers others."""

RETRY_PAUSE = 0.1
"""The first pause of a request between two tries, in seconds; later ones are longer. Servers have
pauses of their own."""

LONGEST_RETRY_PAUSE = 2.0

CLOSE_TIMEOUT = 2.0
"""Seconds that running requests get to end when the engine is closed."""


class ServerEngine:
    """Sends requests to the servers of a model."""

    def __init__(
        self,
        server: Server,
        *,
        slots: int | None = None,
        patience: float | None = None,
        say: Callable[[str], None] = lambda line: None,
    ) -> None:
        """`slots`: the largest number of requests that each server gets at a time; else what the
        server says it can do, or as many as it answers without complaint. `say` is called with a
        line of text about the servers. Raises UsageError or SysgenError where no server can be
        used."""
        with needs("server", "a model behind an address"):
            import stamina

        logging.getLogger("stamina").addHandler(logging.NullHandler())  # the pool reports errors
        self._retrying = stamina.retry_context
        wait = PATIENCE if patience is None else patience
        self._pool = Pool(server, slots=slots, patience=wait, say=say)
        self._cancelled = False
        self._threads: WeakSet[Thread] = WeakSet()
        try:
            self._pool.prepare()
        except BaseException:
            self.close()
            raise

    @property
    def weights(self) -> str:
        """What identifies the model, without an address."""
        return self._pool.weights

    @property
    def description(self) -> str:
        """See `Engine.description`."""
        return self._pool.description

    def complete(self, requests: Iterable[Request | None]) -> Iterator[Completion]:
        """See `Engine.complete`."""
        source = iter(requests)
        self._pool.resume()
        done: queue.SimpleQueue[Completion | BaseException] = queue.SimpleQueue()
        running = 0

        def ask(request: Request) -> None:
            try:
                done.put(self._answer(request))
            except BaseException as error:
                done.put(error)

        try:
            while not self._cancelled:
                while running < self._pool.capacity and (request := next(source, None)) is not None:
                    # Daemon threads instead of a thread pool: Python waits for a pool's threads
                    # at exit, so Ctrl-C would take as long as the slowest answer.
                    thread = Thread(target=ask, args=(request,), name="server", daemon=True)
                    thread.start()
                    self._threads.add(thread)
                    running += 1
                if not running:
                    return
                try:
                    found = done.get(timeout=0.5)  # so that a signal can be handled
                except queue.Empty:
                    continue
                running -= 1
                if isinstance(found, BaseException):
                    if self._cancelled:  # `cancel` also ends a pause with the last error
                        return
                    raise found
                yield found
        finally:
            self._cancelled = False

    def cancel(self) -> None:
        """See `Engine.cancel`."""
        self._cancelled = True
        self._pool.stop()

    def close(self) -> None:
        """Waits for running requests for up to CLOSE_TIMEOUT seconds, then closes the clients."""
        # A thread that connects while a client closes would leave that connection open.
        self._pool.stop()
        until = time.monotonic() + CLOSE_TIMEOUT
        for thread in list(self._threads):
            thread.join(max(0.0, until - time.monotonic()))
        self._pool.close()

    def _answer(self, request: Request) -> Completion:
        """The completion of one request. Where only this request fails, the completion says why.
        Raises UsageError or SysgenError where the servers are at fault."""
        started = time.perf_counter()
        tries = _Tries(self._pool, request)
        for attempt in self._retrying(
            on=tries.again, attempts=None, timeout=None,
            wait_initial=RETRY_PAUSE, wait_max=LONGEST_RETRY_PAUSE,
        ):  # fmt: skip
            with attempt:
                found = tries.once()
        return replace(found, seconds=time.perf_counter() - started)


class _AskAnotherError(Exception):
    """A server is of no use any more, and there are others."""


class _Tries:
    """The tries of one request."""

    def __init__(self, pool: Pool, request: Request) -> None:
        self._pool = pool
        self._request = request
        self._kind = type(request.constraint) if request.constraint else None
        self._failed: list[Member] = []
        """The servers that failed to answer it, the last one at the end."""
        self._others_are_answered = False

    def once(self) -> Completion:
        """Asks one server. Raises what the client raises where the request is to be asked again,
        SysgenError where the servers are at fault, StoppedError where the engine is stopped."""
        member = self._pool.take(self._failed)
        if control := member.client.can.forbidden_in(self._request):
            self._pool.give_back(member)
            why = f"the row holds {control}, which this server reads as a control token"
            return Completion(self._request.id, why, "refused")
        sent_at = time.monotonic()
        try:
            found = member.client.ask(self._request)
        except Exception as error:
            return self._after(member, sent_at, error)
        except BaseException:
            self._pool.give_back(member)
            raise
        member.client.answered_kinds.add(self._kind)
        self._pool.succeeded(member)
        return found

    def again(self, error: Exception) -> bool:
        """Whether the request is asked again after this error."""
        if isinstance(error, _AskAnotherError):
            return True
        return errors.is_retryable(error) and not isinstance(error, StoppedError)

    def _after(self, member: Member, sent_at: float, error: Exception) -> Completion:
        """What becomes of the request after an error: its completion, or an exception."""
        client = member.client
        failure = client.error(error)
        if errors.is_refusal(error):
            self._pool.succeeded(member)
            if errors.is_context_overflow(error):
                return Completion(self._request.id, "", "too_long")
            known = self._kind in client.answered_kinds
            if known or client.answers_probe(self._request, error):
                return Completion(self._request.id, failure.message, "refused")
            raise failure from error
        if errors.affects_every_request(error):
            self._pool.failed(member, sent_at, error)
            if self._pool.has_another(member):
                raise _AskAnotherError from error
            raise failure from error
        if self._others_are_answered and errors.may_be_request_specific(error):
            self._pool.succeeded(member)
            return Completion(self._request.id, failure.message, "failed")
        self._failed.append(member)
        own = errors.may_be_request_specific(error) and len(self._failed) >= TRIES_BEFORE_PROBE
        if own and client.answers_probe(self._request, error):
            # One more try: the server may have recovered before the probe.
            self._others_are_answered = True
            self._pool.succeeded(member)
            raise error
        self._pool.failed(member, sent_at, error)
        raise error
