"""What a run does at this moment: it loads a model, reads prompts, writes answers."""

from __future__ import annotations

from typing import Literal, NamedTuple

from sysgen_local.core.counted import counted
from sysgen_local.engine.request import Load, Workers

Step = Literal["starting", "loading", "calibrating", "working"]
"""`calibrating`: before the first row, the model is asked about phrases that are known to be good
or bad."""


class Activity(NamedTuple):
    """The step of a run, for how many seconds it has lasted, and what the engine has in its slots.

    `prefix`: (decoded, of how many) tokens of a prompt's beginning that many rows share. `reading`:
    (requests, tokens decoded, of how many) of prompts. `writing`: (requests, tokens so far) of
    answers. `waiting`: requests at a server, which does not say what it has done of them.
    `workers`: those of a cluster. `str()` gives a line to print, without them."""

    step: Step
    model: str = ""
    seconds: float = 0.0
    prefix: tuple[int, int] | None = None
    reading: tuple[int, int, int] = (0, 0, 0)
    writing: tuple[int, int] = (0, 0)
    waiting: int = 0
    workers: Workers | None = None

    def with_load(self, load: Load) -> Activity:
        """The activity with what the engine reports."""
        unread = [one for one in load.flights if one.read < one.prompt]
        begun = [one for one in load.flights if one.read >= one.prompt]
        return self._replace(
            prefix=load.prefix,
            reading=(len(unread), sum(f.read for f in unread), sum(f.prompt for f in unread)),
            writing=(len(begun), sum(f.written for f in begun)),
            waiting=0,
            workers=load.workers,
        )

    def __str__(self) -> str:
        if self.step == "starting":
            return "starting"
        if self.step == "loading":
            return f"loading {self.model}, {self.seconds:,.0f} s so far"
        parts = []
        if self.prefix:
            parts.append("reading what all prompts share, {:,} of {:,} tokens".format(*self.prefix))
        requests, read, whole = self.reading
        if requests:
            parts.append(f"reading {counted(requests, 'prompt')}, {read:,} of {whole:,} tokens")
        requests, written = self.writing
        if requests:
            parts.append(f"writing {counted(requests, 'answer')}, {written:,} tokens so far")
        if self.waiting:
            parts.append(f"{counted(self.waiting, 'request')} at {self.model}")
        if self.step == "calibrating":
            parts.insert(0, "calibrating the verdicts")
        return " · ".join(parts) or "between two steps"
