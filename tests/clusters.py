"""Ray clusters on this machine, and engines for their workers that answer from a script."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import psutil
import pytest
from places import ROOT

from sysgen_local.core.errors import SysgenError
from sysgen_local.engine.cluster.shares import Share
from sysgen_local.engine.options import Options
from sysgen_local.engine.request import Completion, Message, Request, Segment

DEADLY = "deadly"
"""The worker that works on a request with this text dies."""

BROKEN = "broken"
"""The engine that works on a request with this text fails."""


class SlowEngine:
    """Answers with the text of the request, one request every `pause` seconds, the last one first.
    `slots` requests at a time."""

    description = "scripted"

    def __init__(self, slots: int = 4, pause: float = 0.05) -> None:
        self.slot_tokens = 0
        self._slots = slots
        self._pause = pause
        self._cancelled = False

    def complete(self, requests: Iterable[Request | None]) -> Iterator[Completion]:
        source = iter(requests)
        running: list[Request] = []
        while not self._cancelled:
            while len(running) < self._slots and (request := next(source, None)) is not None:
                running.append(request)
            if not running:
                break
            time.sleep(self._pause)
            request = running.pop()
            text = request.messages[0].text
            if text == DEADLY:
                os._exit(1)
            if text == BROKEN:
                raise SysgenError("the weights are damaged")
            yield Completion(request.id, f"{text} {os.getpid()}", "stop", 3, 1)
        self._cancelled = False

    def cancel(self) -> None:
        self._cancelled = True

    def close(self) -> None: ...


def opens_scripted(share: Share) -> SlowEngine:
    return SlowEngine()


def request(number: int, text: str = "hello", part: int = 0) -> Request:
    return Request(f"{number}:{part}", "group", (Message("user", (Segment(text),)),))


def wait_for(condition: Callable[[], object], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it does not happen"
        time.sleep(0.05)


def ray_processes() -> set[int]:
    """The processes of Ray on this machine: those that it starts, and actors. Without two small
    ones that watch its other processes and end a minute after them, where a driver was killed."""
    found = set()
    for process in psutil.process_iter(["name", "cmdline", "status"]):
        words = " ".join(process.info["cmdline"] or ())
        ours = "raylet" in words or "gcs_server" in words or words.startswith("ray::")
        ours = ours and "DashboardAgent" not in words and "RuntimeEnvAgent" not in words
        if ours and process.info["status"] != psutil.STATUS_ZOMBIE:
            found.add(process.pid)
    return found


def put_helpers_on_path(patch: pytest.MonkeyPatch) -> None:
    """Workers of a cluster that is started now import the helpers of the tests."""
    patch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), str(ROOT / "tests")]))


def engine(opens: Any = opens_scripted, said: list[str] | None = None, **options: Any) -> Any:
    from sysgen_local.engine.cluster.engine import RayEngine

    given = {"ray": "local", "workers": 2, **options}
    return RayEngine(opens, Options(**given), (said if said is not None else []).append)


def all_ready(one: Any, number: int) -> None:
    """Waits until there are so many workers, all ready. An engine hears of it while it works."""
    asked = 1_000_000

    def ready() -> bool:
        nonlocal asked
        asked += 1
        list(one.complete([request(asked)]))
        return one.workers.ready == one.workers.all == number

    wait_for(ready)
