"""What a user may set of the engine. Imports nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Interval

BATCH = 512
"""The most tokens of a step, where nothing else is set; more in one pass gains nothing on a CPU."""


Lengths = tuple[tuple[int, int], ...]
"""Tokens, and the number of rows that take about so many; in ascending order of tokens."""


@dataclass(frozen=True, slots=True)
class Options:
    """What can be set by hand; None means chosen from model, memory and jobs.

    `slots` is how many requests are under way at a time; `wanted_slots` how many where there is
    memory for them; `context` is tokens a row may take;
    `longest` an estimate of the longest job's tokens, prompt and answer; `lengths`: those of all
    rows, where they are known; `least`: tokens that a slot has to hold, at the cost of slots;
    `late_rows`: rows that are left for such slots; `gpu_layers` -1 means all of them; `batch` is
    the most tokens of a step. `no_room`: what fits the context but not a slot ends as that;
    without, slots are the limit. `patience`: minutes to wait while no server answers.
    `memory_share`: the part of the free memory that the slots may count with. `overlap`: while half
    of the slots are decoded, what the others gave is sampled. `on_device`: the device chooses the
    most probable tokens, so that logits stay there. Both help only beside a GPU.

    `ray`: the work is done on this Ray cluster (HOST:PORT, `auto`, or `local` for one of this
    machine alone), by as many `workers`, each with `worker_cpus`, `worker_gpus` and
    `worker_resources` (NAME=AMOUNT[,...]) of its node.
    """

    slots: Annotated[int, Interval(ge=1, le=240)] | None = None
    wanted_slots: Annotated[int, Interval(ge=1, le=240)] | None = None
    context: Annotated[int, Interval(ge=64)] | None = None
    longest: int | None = None
    lengths: Lengths = ()
    least: int | None = None
    late_rows: int | None = None
    no_room: bool = False
    batch: Annotated[int, Interval(ge=32, le=16384)] | None = None
    flash: bool | None = None
    gpu_layers: Annotated[int, Interval(ge=-1)] | None = None
    patience: Annotated[float, Interval(ge=0)] | None = None
    threads: Annotated[int, Interval(ge=1)] | None = None
    memory_share: Annotated[float, Interval(gt=0, le=1)] = 1.0
    overlap: bool | None = None
    on_device: bool | None = None
    ray: str | None = None
    workers: Annotated[int, Interval(ge=1)] | None = None
    worker_cpus: Annotated[int, Interval(ge=1)] | None = None
    worker_gpus: Annotated[float, Interval(ge=0)] | None = None
    worker_resources: str | None = None
