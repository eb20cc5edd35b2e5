"""The worker: one engine in an actor of Ray, asked by the driver in batches.

Batches are pickled here and not by Ray: Ray's pickler takes several times as long for the many
small named tuples of a request.
"""

from __future__ import annotations

import os
import pickle
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from queue import Empty, SimpleQueue
from typing import Any, NamedTuple

import sysgen_local
from sysgen_local.core.errors import SysgenError, UsageError
from sysgen_local.engine.cluster.shares import Share
from sysgen_local.engine.request import Completion, Engine, Load, Request, Telling

WAIT = 0.5
"""Seconds after which a call returns without a completion."""

LOAD_EVERY = 0.5
"""Seconds between two reports of the load."""

SLOTS = 8
"""Slots of an engine that does not report them."""

Opens = Callable[[Share], Engine]
"""Opens the engine on the worker's node. Raises SysgenError. It is pickled."""


class Failure(NamedTuple):
    """An error that the user can understand, as plain data."""

    message: str
    hint: str | None
    is_usage: bool

    @classmethod
    def of(cls, error: Exception) -> Failure:
        if isinstance(error, SysgenError):
            return cls(error.message, error.hint, isinstance(error, UsageError))
        return cls(f"{type(error).__name__}: {error}", None, False)

    def error(self, node: str) -> SysgenError:
        """The error again, with the node in front."""
        kind = UsageError if self.is_usage else SysgenError
        return kind(f"worker on {node}: {self.message}", hint=self.hint)


class Ready(NamedTuple):
    """What a worker reports when its model is loaded. `failure`: why it could not be loaded."""

    node: str
    node_id: str
    pid: int
    description: str
    slots: int
    slot_tokens: int
    versions: tuple[str, str]
    failure: Failure | None = None


class Reply(NamedTuple):
    """What was done since the last call. `load` is None where it was reported a moment ago."""

    completions: list[Completion]
    load: Load | None
    failure: Failure | None


def versions() -> tuple[str, str]:
    """The versions of sysgen-local and of Python where this is called."""
    return sysgen_local.__version__, f"{sys.version_info.major}.{sys.version_info.minor}"


class Worker:
    """The class of the actors. Its engine works in a thread of its own, so that a call never waits
    for a step of the model, and the model never for a call."""

    def __init__(self, opens: Opens, share: Share) -> None:
        self._opens = opens
        self._share = share
        self._ready: Ready | None = None
        self._engine: Engine | None = None
        self._generation = -1
        self._waiting: deque[Request] = deque()
        self._arrived = threading.Event()
        self._with_engine: dict[str, Request] = {}
        self._working = threading.Lock()
        self._dropping = False
        self._done: SimpleQueue[Completion | None] = SimpleQueue()
        self._failure: Failure | None = None
        self._load_at = 0.0

    def load(self) -> Ready:
        """Opens the engine, once. Ray calls it again on an actor that was restarted."""
        if self._ready is None:
            self._ready = self._load()
        return self._ready

    def exchange(self, generation: int, batch: bytes) -> bytes:
        """Takes pickled requests, and returns a pickled `Reply` as soon as a request is done, or
        after `WAIT` seconds. With another `generation` than before, all earlier requests are
        dropped."""
        if generation != self._generation:
            self._drop()
            self._generation = generation
        requests: Sequence[Request] = pickle.loads(batch)  # noqa: S301 - from the driver
        self._waiting.extend(requests)
        self._arrived.set()
        done: list[Completion] = []
        try:
            found = self._done.get(timeout=WAIT)
            while True:
                if found is not None:
                    done.append(found)
                found = self._done.get_nowait()
        except Empty:
            pass
        return pickle.dumps(Reply(done, self._load_now(), self._failure), pickle.HIGHEST_PROTOCOL)

    def _load(self) -> Ready:
        ray: Any = import_module("ray")
        node = ray.util.get_node_ip_address(), ray.get_runtime_context().get_node_id()
        about = *node, os.getpid()
        try:
            engine = self._engine = self._opens(self._share)
        except Exception as error:
            return Ready(*about, "", 0, 0, versions(), Failure.of(error))
        threading.Thread(target=self._work, args=(engine,), name="engine", daemon=True).start()
        slots = engine.load().slots if isinstance(engine, Telling) else SLOTS
        slot_tokens = getattr(engine, "slot_tokens", 0)
        return Ready(*about, engine.description, slots, slot_tokens, versions())

    def _work(self, engine: Engine) -> None:
        """The thread of the engine. An engine ends when it has nothing to do; it begins again with
        the next request."""
        try:
            while True:
                self._arrived.wait()
                self._arrived.clear()
                while self._waiting:
                    with self._working:
                        for completion in engine.complete(self._source()):
                            self._with_engine.pop(completion.id, None)
                            self._done.put(completion)
                        if not self._dropping:
                            # A `cancel` that came too late for what it was meant for.
                            self._waiting.extend(self._with_engine.values())
                        self._with_engine.clear()
        except Exception as error:
            self._failure = Failure.of(error)
            self._done.put(None)

    def _source(self) -> Iterator[Request | None]:
        while True:
            try:
                request = self._waiting.popleft()
            except IndexError:
                yield None
            else:
                self._with_engine[request.id] = request
                yield request

    def _drop(self) -> None:
        """Drops all requests and what was done of them."""
        if self._engine is not None and (self._waiting or self._with_engine):
            self._dropping = True
            self._waiting.clear()
            self._engine.cancel()
            with self._working:  # after the step that is under way
                self._dropping = False
        while True:
            try:
                self._done.get_nowait()
            except Empty:
                return

    def _load_now(self) -> Load | None:
        now = time.monotonic()
        if now - self._load_at < LOAD_EVERY or not isinstance(self._engine, Telling):
            return None
        self._load_at = now
        return self._engine.load()
