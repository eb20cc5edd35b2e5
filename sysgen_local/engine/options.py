"""What a user may set of the engine. Imports nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Interval

BATCH = 512
"""Tokens of a step; more in one pass gains nothing on a CPU."""


@dataclass(frozen=True, slots=True)
class Options:
    """What can be set by hand; None means chosen from model, memory and jobs.

    `slots` is how many requests are under way at a time; `context` is tokens a row may take;
    `longest` an estimate of the longest job's tokens, prompt and answer; `least`: tokens that a
    slot has to hold, at the cost of slots; `gpu_layers` -1 means all of them; `batch` is the most
    tokens of a step. `no_room`: what fits the context but not a slot ends as that; without, slots
    are the limit.
    """

    slots: Annotated[int, Interval(ge=1, le=240)] | None = None
    context: Annotated[int, Interval(ge=64)] | None = None
    longest: int | None = None
    least: int | None = None
    no_room: bool = False
    batch: Annotated[int, Interval(ge=32, le=16384)] = BATCH
    flash: bool | None = None
    gpu_layers: Annotated[int, Interval(ge=-1)] | None = None
    threads: Annotated[int, Interval(ge=1)] | None = None
