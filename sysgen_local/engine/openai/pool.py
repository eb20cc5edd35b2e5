"""The servers of an engine: which one gets the next request, and which ones are out."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from threading import Condition, Lock

from sysgen_local.core.errors import SysgenError, UsageError
from sysgen_local.core.server import Server
from sysgen_local.engine.openai import errors, identity
from sysgen_local.engine.openai.client import Client
from sysgen_local.engine.openai.governor import Governor

START = 3.0
"""Seconds in which a server must be reached at the start."""


class StoppedError(Exception):
    """The engine was stopped while a request waited for a server."""


@dataclass(slots=True, eq=False)
class Member:
    """A server of the pool. `ready`: it was looked at since it was lost the last time. `why`: the
    last error, while it is out. `said`: what was printed of it."""

    client: Client
    governor: Governor
    ready: bool = False
    why: SysgenError | None = None
    preparing: Lock = field(default_factory=Lock)
    said: str = ""


class Pool:
    """The servers of one model. Its methods may be called by several threads."""

    def __init__(
        self,
        server: Server,
        *,
        slots: int | None,
        patience: float,
        say: Callable[[str], None],
    ) -> None:
        self._say = say
        self._slots = slots
        self._patience = patience
        self._changed = Condition()
        self._stopped = False
        self._out_since: float | None = None
        """Since when no server gets a request."""
        self.weights = server.weights
        self.members = [
            Member(Client(address, say), Governor.of(slots, patience))
            for address in server.addresses
        ]

    @property
    def description(self) -> str:
        """The model and its servers, in one line."""
        where = ", ".join(
            f"{member.client.url} ({member.governor.limit:.0f} requests at a time)"
            if member.ready
            else f"{member.client.url} (does not answer)"
            for member in self.members
        )
        return f"{identity.name(self.weights)} at {where}"

    @property
    def capacity(self) -> int:
        """How many requests are to be under way, as the servers are now."""
        with self._changed:
            usable = [m.governor for m in self.members if not m.governor.is_out]
            return sum(max(1, int(governor.limit)) for governor in usable) or 1

    def prepare(self) -> None:
        """Looks at all servers. Those that cannot be reached, and those that are busy where another
        one can be used, are out for now. Raises the first error where none can be used, and for a
        server with another model, a wrong key or another fault that stays."""
        until = time.monotonic() + self._patience
        busy = [member for member in self.members if self._look_at(member, 0.0)]
        for member in busy:
            left = until - time.monotonic()
            if left > 0 and not any(m.ready for m in self.members):
                self._look_at(member, left)
        lost = [member for member in self.members if not member.ready]
        if len(lost) == len(self.members):
            assert lost[0].why is not None
            raise lost[0].why
        now = time.monotonic()
        for member in lost:
            member.governor.running += 1
            member.governor.lost(now)
            self._say_lost(member)

    def take(self, failed: Sequence[Member]) -> Member:
        """A server for a request, which is counted as running there. It waits for one; a server
        that has failed to answer the request comes last, and one that was out and may be tried
        again first. Raises StoppedError, and the last error
        where no server has answered for too long."""
        while True:
            member = self._choose(failed)
            if member.ready:
                return member
            with member.preparing:
                if not member.ready:
                    try:
                        self._prepare(member)
                    except Exception as error:
                        self.failed(member, time.monotonic(), error)
                        if isinstance(error, UsageError) and not self.has_another(member):
                            raise
                        continue
            return member

    def has_another(self, member: Member) -> bool:
        """Whether another server gets requests."""
        return any(m is not member and not m.governor.is_out for m in self.members)

    def succeeded(self, member: Member) -> None:
        """A request was answered, or failed for a reason of its own."""
        back = ""
        with self._changed:
            member.governor.succeeded()
            self._out_since = None
            # An answer that was under way ends no pause, which the server may have asked for.
            if member.governor.paused_until <= time.monotonic():
                back, member.said, member.why = member.said, "", None
            self._changed.notify_all()
        if back:
            self._say(f"{member.client.url} answers again")

    def give_back(self, member: Member) -> None:
        """A request ends without a result."""
        with self._changed:
            member.governor.dropped()
            self._changed.notify_all()

    def failed(self, member: Member, sent_at: float, error: Exception) -> None:
        """A request failed because of the server."""
        now = time.monotonic()
        with self._changed:
            member.why = member.client.error(error)
            if errors.is_unreachable(error) or errors.affects_every_request(error):
                member.governor.lost(now)
                member.ready = False  # it may come back with another model
            else:
                member.governor.failed(sent_at, now, errors.retry_after(error))
            self._changed.notify_all()
        self._say_lost(member)

    def stop(self) -> None:
        """Ends all waiting."""
        # No lock: a signal handler of the thread that holds it may call this.
        self._stopped = True

    def resume(self) -> None:
        """Requests are asked again after `stop`."""
        self._stopped = False
        self._out_since = None

    def close(self) -> None:
        for member in self.members:
            member.client.close()

    def _look_at(self, member: Member, patience: float) -> bool:
        """Whether a server is still busy after these seconds. Raises UsageError for a fault that
        stays."""
        try:
            self._prepare_when_loaded(member, patience)
        except Exception as error:
            member.why = member.client.error(error)
            if isinstance(member.why, UsageError):
                raise member.why from error
            return errors.is_busy(error) and not errors.is_unreachable(error)
        return False

    def _prepare_when_loaded(self, member: Member, patience: float) -> None:
        """Waits for a server that says it is busy: llama-server does while it loads the model. One
        that cannot be reached is asked a few times only."""
        import stamina

        started = time.monotonic()

        def again(error: Exception) -> bool:
            waited = time.monotonic() - started
            if errors.is_unreachable(error):
                return waited < START
            return errors.is_busy(error) and waited < patience

        for attempt in stamina.retry_context(
            on=again, attempts=None, timeout=None, wait_initial=0.5, wait_max=10.0
        ):
            with attempt:
                try:
                    self._prepare(member)
                except Exception as error:
                    member.why = member.client.error(error)
                    if patience > 0 and errors.is_busy(error) and not member.said:
                        member.said = member.why.message
                        self._say(f"{member.why.message}; it is waited for")
                    raise

    def _prepare(self, member: Member) -> None:
        first = not member.client.weights
        self.weights = member.client.prepare(self.weights)
        if first and member.client.parallel and not self._slots:
            member.governor.allow(member.client.parallel)
        member.ready = True

    def _choose(self, failed: Sequence[Member]) -> Member:
        with self._changed:
            while True:
                if self._stopped:
                    raise StoppedError
                now = time.monotonic()
                self._give_up_if_late(now)
                open_now = [m for m in self.members if m.governor.admits(now)]
                if open_now:
                    member = min(
                        open_now,
                        key=lambda m: (failed.count(m), not m.governor.is_out, -m.governor.room),
                    )
                    member.governor.sent()
                    return member
                self._changed.wait(self._seconds_until_one_opens(now))

    def _give_up_if_late(self, now: float) -> None:
        """Raises the last error where no server has answered for longer than the patience lasts, or
        none will be asked before it ends."""
        silent = [
            m for m in self.members
            if m.why is not None and (m.governor.is_out or m.governor.paused_until > now)
        ]  # fmt: skip
        if len(silent) < len(self.members):
            return
        if self._out_since is None:
            self._out_since = now
        first = min(silent, key=lambda m: m.governor.paused_until)
        if max(now, first.governor.paused_until) - self._out_since > self._patience:
            assert first.why is not None
            raise first.why

    def _seconds_until_one_opens(self, now: float) -> float:
        """How long to wait; `stop` is noticed within half a second."""
        opens = min(member.governor.paused_until for member in self.members)
        return min(0.5, max(0.01, opens - now))

    def _say_lost(self, member: Member) -> None:
        """Prints once why a server gets no requests, and again where the reason changes."""
        now = time.monotonic()
        with self._changed:
            pause = member.governor.paused_until - now
            if member.why is None or not (member.governor.is_out or pause > 5):
                return
            if member.said == member.why.message:
                return
            member.said = member.why.message
        others = self.has_another(member)
        then = "its requests go to the others" if others else f"asked again in {pause:.0f} s"
        self._say(f"{member.why.message}; {then}")


def look(server: Server) -> Server:
    """The server with the names of its models and with what identifies the weights, from the lists
    of models alone. Servers that cannot be reached are left as they are where another one answers.

    Raises UsageError where they serve different models, and the first error where none answers.
    """
    weights, addresses, failures = server.weights, [], []
    for address in server.addresses:
        client = Client(address)
        try:
            weights = client.identify(weights)
            addresses.append(replace(address, model=client.model))
        except Exception as error:
            failure = client.error(error)
            if isinstance(failure, UsageError):
                raise failure from error
            failures.append(failure)
            addresses.append(address)
        finally:
            client.close()
    if len(failures) == len(addresses):
        raise failures[0]
    return replace(server, addresses=tuple(addresses), weights=weights)
