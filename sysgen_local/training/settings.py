"""What can be set of a training, and what is chosen where it was not set."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Gt, Interval

from sysgen_local.core.counted import gigabytes
from sysgen_local.core.errors import ModelTooLargeError, UsageError
from sysgen_local.training.examples import WhenLong

Method = Literal["lora", "full", "qlora"]
"""lora: low-rank adapters beside the weights of attention and MLP. qlora: the same over weights in
four bits (bitsandbytes). full: every weight."""

Precision = Literal["float32", "bfloat16"]
Device = Literal["cpu", "cuda", "mps"]
PLACES: dict[Device, str] = {"cpu": "the CPU", "cuda": "the GPU", "mps": "the GPU"}

FULL_BELOW = 3e8
"""Parameters below which every weight is trained by default: an adapter saves little there."""

LONGEST = 2048
"""Tokens of an example by default, at most. Where all rows are shorter, it is their length."""

_ROUND = 64


@dataclass(frozen=True, slots=True)
class TrainSettings:
    """None means chosen by the size of the model, the rows and the memory.

    `batch`: examples of one step of the optimizer; `at_once`: how many of them are in memory at a
    time; `max_length`: tokens of an example; `warmup`: part of the steps in which the learning rate
    rises; `pack`: examples of a batch stand in one sequence without padding; `checkpoint_minutes`:
    time between checkpoints.
    """

    method: Method | None = None
    rank: Annotated[int, Interval(ge=1, le=1024)] | None = None
    alpha: Annotated[float, Gt(0)] | None = None
    epochs: Annotated[float, Gt(0)] | None = None
    learning_rate: Annotated[float, Gt(0)] | None = None
    warmup: Annotated[float, Interval(ge=0, le=1)] = 0.05
    weight_decay: Annotated[float, Interval(ge=0)] = 0.0
    batch: Annotated[int, Interval(ge=1)] | None = None
    at_once: Annotated[int, Interval(ge=1)] | None = None
    max_length: Annotated[int, Interval(ge=16)] | None = None
    when_long: WhenLong = "drop"
    precision: Precision | None = None
    pack: bool | None = None
    seed: Annotated[int, Interval(ge=0)] = 0
    checkpoint_minutes: Annotated[float, Interval(ge=0)] = 5.0


@dataclass(frozen=True, slots=True)
class ModelShape:
    """Sizes of a model. `context` is in tokens."""

    parameters: int
    layers: int
    width: int
    feed: int
    vocabulary: int
    context: int


@dataclass(frozen=True, slots=True)
class Machine:
    """Where the training runs. `free`: bytes of memory that are free on the device."""

    device: Device
    free: int
    bfloat16: bool


@dataclass(frozen=True, slots=True)
class Schedule:
    """What is trained and how, everything chosen."""

    method: Method
    rank: int | None
    alpha: float | None
    epochs: float
    learning_rate: float
    warmup: float
    weight_decay: float
    batch: int
    at_once: int
    precision: Precision
    checkpointing: bool
    seed: int
    checkpoint_minutes: float
    bytes_needed: int

    def steps(self, examples: int) -> int:
        """Steps of the optimizer over this many examples. The last step of an epoch may have fewer
        of them than `batch`."""
        return math.ceil(self.epochs * math.ceil(examples / self.batch))


def length_limit(settings: TrainSettings, shape: ModelShape) -> int:
    """The most tokens of an example."""
    return min(settings.max_length or LONGEST, shape.context)


def choose(
    settings: TrainSettings, shape: ModelShape, machine: Machine, examples: int, longest: int
) -> Schedule:
    """The schedule for this many examples, the longest of `longest` tokens.

    Raises ModelTooLargeError where it does not fit into the memory, and says what would;
    UsageError for an alpha without an adapter.
    """
    method = settings.method or ("full" if shape.parameters < FULL_BELOW else "lora")
    if method == "full" and settings.alpha is not None:
        raise UsageError(
            "alpha scales an adapter, and here every weight is trained",
            hint="leave it out, or give --lora R",
        )
    precision = settings.precision or ("bfloat16" if machine.bfloat16 else "float32")
    rank = None if method == "full" else settings.rank or 16
    batch = min(settings.batch or (16 if examples >= 500 else 8), examples)
    weights = weight_bytes(shape, method, precision, rank)
    at_once, checkpointing = _rows_at_once(settings, shape, machine, precision, batch, longest)
    need = weights + at_once * activation_bytes(shape, precision, longest, checkpointing)
    if need > machine.free:
        raise _too_large(shape, machine, method, precision, need, longest)
    return Schedule(
        method=method,
        rank=rank,
        alpha=None if rank is None else settings.alpha or 2.0 * rank,
        epochs=settings.epochs or _epochs(examples),
        learning_rate=settings.learning_rate or _learning_rate(shape, method),
        warmup=settings.warmup,
        weight_decay=settings.weight_decay,
        batch=batch,
        at_once=at_once,
        precision=precision,
        checkpointing=checkpointing,
        seed=settings.seed,
        checkpoint_minutes=settings.checkpoint_minutes,
        bytes_needed=need,
    )


def weight_bytes(shape: ModelShape, method: Method, precision: Precision, rank: int | None) -> int:
    """Memory of weights, gradients and the two moments of Adam, in bytes. Weights that are trained
    are kept in float32."""
    if method == "full":
        return 16 * shape.parameters
    per_layer = 4 * 2 * shape.width + 3 * (shape.width + shape.feed)
    adapter = 16 * shape.layers * per_layer * (rank or 0)
    if method == "qlora":
        return round(0.6 * shape.parameters) + adapter
    return (2 if precision == "bfloat16" else 4) * shape.parameters + adapter


def activation_bytes(
    shape: ModelShape, precision: Precision, tokens: int, checkpointing: bool
) -> int:
    """Memory of what the backward pass needs of one example, in bytes: the inputs of all matrix
    products and norms. With checkpointing only the inputs of layers are kept, and those of one
    layer are computed again."""
    unit = 2 if precision == "bfloat16" else 4
    layer = (10 * shape.width + 4 * shape.feed) * unit
    kept = shape.layers * shape.width * unit + layer if checkpointing else shape.layers * layer
    return tokens * (kept + 2 * 4 * min(shape.vocabulary, 16_384))


def _rows_at_once(
    settings: TrainSettings, shape: ModelShape, machine: Machine, precision: Precision, batch: int,
    longest: int,
) -> tuple[int, bool]:  # fmt: skip
    """How many examples are in memory at a time, and whether activations are computed again."""
    method = settings.method or ("full" if shape.parameters < FULL_BELOW else "lora")
    weights = weight_bytes(shape, method, precision, settings.rank or 16)
    free = machine.free - weights
    for checkpointing in (False, True):
        one = activation_bytes(shape, precision, longest, checkpointing)
        if settings.at_once:
            if settings.at_once * one <= free:
                return _part(batch, settings.at_once), checkpointing
        elif one <= free:
            most = 8 if machine.device == "cpu" else 64
            fitting = max(1, min(batch, int(free * 0.8 // one), most))
            return _part(batch, fitting), checkpointing
    return _part(batch, settings.at_once or 1), True


def _part(batch: int, most: int) -> int:
    """The largest divisor of a batch up to `most`: only whole parts make a step of `batch` rows."""
    return next(n for n in range(min(most, batch), 0, -1) if batch % n == 0)


def _epochs(examples: int) -> float:
    return 3.0 if examples < 2_000 else 2.0 if examples < 20_000 else 1.0


def _learning_rate(shape: ModelShape, method: Method) -> float:
    """Smaller models take larger steps; adapters take about ten times those of all weights."""
    small, middle = shape.parameters < 5e8, shape.parameters < 4e9
    if method == "full":
        return 5e-5 if small else 2e-5 if middle else 1e-5
    return 5e-4 if small else 2e-4 if middle else 1e-4


def _too_large(
    shape: ModelShape, machine: Machine, method: Method, precision: Precision, need: int,
    longest: int,
) -> ModelTooLargeError:  # fmt: skip
    one = activation_bytes(shape, precision, longest, checkpointing=True)
    lora = weight_bytes(shape, "lora", precision, 16) + one
    ways = []
    if method == "full" and lora <= machine.free:
        ways.append(f"--lora 16 needs {gigabytes(lora)}")
    if method != "qlora" and machine.device == "cuda":
        qlora = weight_bytes(shape, "qlora", precision, 16) + one
        if qlora <= machine.free:
            ways.append(f"--qlora 16 needs {gigabytes(qlora)}")
    per_parameter = weight_bytes(shape, "lora", precision, 0) / shape.parameters
    largest = machine.free * 0.8 / per_parameter / 1e9
    ways.append(f"a base of at most {largest:.1f} billion parameters fits as LoRA")
    return ModelTooLargeError(
        f"training needs {gigabytes(need)} of memory on {PLACES[machine.device]}, and "
        f"{gigabytes(machine.free)} are free",
        hint="; ".join(ways),
    )
