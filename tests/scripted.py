"""An engine that answers from a function instead of a model: for the pipeline's logic only."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from sysgen_local.engine.request import Completion, Request

Answer = Callable[[Request], Completion]


class ScriptedEngine:
    """Holds up to `slots` requests; the one taken in last is answered first, so that nothing
    may rely on order."""

    def __init__(
        self,
        answer: Answer,
        slots: int = 4,
        *,
        description: str = "scripted",
        slot_tokens: int = 0,
    ) -> None:
        self.description = description
        self.slot_tokens = slot_tokens
        self._answer = answer
        self._slots = slots
        self._cancelled = False
        self.seen: list[Request] = []

    def complete(self, requests: Iterable[Request | None]) -> Iterator[Completion]:
        source = iter(requests)
        running: list[Request] = []
        while not self._cancelled:
            while len(running) < self._slots and (request := next(source, None)) is not None:
                running.append(request)
                self.seen.append(request)
            if not running:
                return
            yield self._answer(running.pop())

    def cancel(self) -> None:
        self._cancelled = True

    def close(self) -> None:
        pass


def plain(request: Request) -> Completion:
    """A sensible answer to each phase's request."""
    from sysgen_local.engine.request import Choice, Json

    if isinstance(request.constraint, Json):
        text = (
            '[{"tag":"format","text":"Use a short list."},{"tag":"role","text":"You are a cook."}]'
        )
        return Completion(request.id, text, "stop", 10, 5, 0.1)
    if isinstance(request.constraint, Choice) and "yes" in request.constraint.labels:
        return Completion(request.id, "yes", "stop", 10, 0, 0.1, {"yes": 0.9, "no": 0.1})
    if isinstance(request.constraint, Choice):
        p = {"good": 0.9, "bad": 0.08, "none": 0.02}
        return Completion(request.id, "good", "stop", 10, 0, 0.1, p)
    return Completion(request.id, f"A new answer to {request.id}.", "stop", 10, 5, 0.1)


def run_scripted(store: Any, tasks: Iterable[Any]) -> None:
    """Runs the stages of these tasks over all that is due, with plain answers."""
    from sysgen_local.running.pipeline import Pipeline
    from sysgen_local.workflows.plan import progress_of

    stages = [task.stage for task in tasks]
    pipeline: Pipeline[Any, Any, Any] = Pipeline(store, stages, progress_of(store))
    pipeline.run(ScriptedEngine(plain))
