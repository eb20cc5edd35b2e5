"""`sysgen train`: a model that is trained on the rows of a store, and written back as GGUF.

The folder of a training holds everything: the rows (`data/`), the recipe, checkpoints, the curve,
the adapter, the GGUFs and a card. The same call takes up a training that was stopped, and refuses a
folder with another one.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sysgen_local.core.counted import counted, gigabytes
from sysgen_local.core.errors import SysgenError, UsageError
from sysgen_local.core.files import write
from sysgen_local.engine.llama import chat_profile
from sysgen_local.exporting import (
    License,
    license_of,
    licenses,
    public_condition,
    public_lineage,
    source_names,
)
from sysgen_local.running.executor import handling_signals
from sysgen_local.store import Store
from sysgen_local.training import torch_model, trainer
from sysgen_local.training.examples import Encoded
from sysgen_local.training.folder import (
    BASE,
    CARD,
    CHECKPOINTS,
    DATA,
    RECIPE,
    Point,
    explained,
    holds_something,
    locked,
    read_curve,
    read_recipe,
    scratch,
)
from sysgen_local.training.gguf_weights import Quantisation
from sysgen_local.training.settings import (
    PLACES,
    Machine,
    Schedule,
    TrainSettings,
    choose,
    length_limit,
)
from sysgen_local.workflows.options import Given
from sysgen_local.workflows.train_base import Base, find_base
from sysgen_local.workflows.train_card import model_card
from sysgen_local.workflows.train_gguf import saved_name, write_gguf
from sysgen_local.workflows.train_rows import TrainData, TrainRows, require_permission, write_rows

Say = Callable[[str], None]

MOST_PACKED = 4096
"""Tokens of a sequence of several rows by default, at most: attention computes all pairs of them,
also those of different rows, which it then masks."""

COMPARED = 256
"""Tokens over which torch and llama.cpp are compared before the first step."""

_OF_MACHINE = ("bytes_needed", "at_once", "checkpointing", "checkpoint_minutes")
"""Fields of a schedule that may differ when a training is taken up again."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A training, and everything that was found out before its first step. `found` says it in
    lines. `licences`: name of a dataset or model -> its licence."""

    folder: Path
    base: Base
    rows: TrainRows
    schedule: Schedule
    machine: Machine
    pack: bool | None
    facts: dict[str, Any]
    licences: dict[str, License]
    found: list[str]

    @property
    def sample(self) -> list[int]:
        """The tokens over which torch and llama.cpp are compared."""
        longest = max(self.rows.training.examples, key=lambda example: len(example.tokens))
        return [int(token) for token in longest.tokens[:COMPARED]]


@dataclass(frozen=True, slots=True)
class TrainResult:
    """`files` are the GGUFs that were written. `finished` is False where it was stopped; the same
    call takes it up again."""

    folder: Path
    finished: bool
    points: Sequence[Point]
    files: list[Path] = field(default_factory=list)

    @property
    def loss(self) -> float | None:
        """The mean loss of the last tenth of the steps."""
        losses = [of.loss for of in self.points if of.loss is not None]
        last = losses[-max(1, len(losses) // 10) :]
        return sum(last) / len(last) if last else None

    @property
    def held_out_loss(self) -> float | None:
        """The last loss on held-out rows."""
        found = [of.held_out_loss for of in self.points if of.held_out_loss is not None]
        return found[-1] if found else None


def train(
    store: Store,
    base: str,
    folder: str | Path,
    *,
    gguf: Sequence[Quantisation] = (),
    say: Say = lambda line: None,
    watch: Callable[[Point], None] = lambda point: None,
    **options: Any,
) -> TrainResult:
    """Trains a model on the finished rows of the store. `base` is a GGUF by any name, a folder in
    the form of transformers, or OWNER/NAME on a hub.

    `options` are fields of `TrainData` and `TrainSettings`. `gguf`: write the trained model in
    these quantisations too; of a full training it is at least f16. `say` is given what was found
    out, `watch` every step.

    Raises UsageError for rows, a base or a folder that cannot be used, ModelTooLargeError where the
    training does not fit into memory, SysgenError where torch and llama.cpp do not agree.
    """
    data, settings = training_options(**options)
    prepared = prepare(store, base, Path(folder).expanduser(), data, settings, say)
    return carry_out(prepared, gguf, say, watch)


def training_options(**options: Any) -> tuple[TrainData, TrainSettings]:
    """The options of `train` by name as the two objects that carry them. Raises UsageError for a
    value that will not do, TypeError for an option that there is not."""
    given = Given(options)
    found = given.take(TrainData), given.take(TrainSettings)
    given.end("train")
    return found


def carry_out(
    prepared: Prepared,
    gguf: Sequence[Quantisation] = (),
    say: Say = lambda line: None,
    watch: Callable[[Point], None] = lambda point: None,
) -> TrainResult:
    """Trains what was prepared, or takes it up again, and writes GGUFs and card. The arguments and
    errors are those of `train`. It needs no store, so other programs can write to it meanwhile."""
    folder = prepared.folder
    with explained(folder), locked(folder):
        return _carry_out(prepared, gguf, say, watch)


def _carry_out(
    prepared: Prepared, gguf: Sequence[Quantisation], say: Say, watch: Callable[[Point], None]
) -> TrainResult:
    folder, found = prepared.folder, [*prepared.found]

    def note(line: str) -> None:
        found.append(line)
        say(line)

    logits = None
    before = read_recipe(folder)
    if before.get("finished", False):
        found[:] = before["found"]
        say(f"{folder} holds this training, and it has finished")
        points: Sequence[Point] = read_curve(folder)
    else:
        with torch_model.offline():
            trained, logits = _fit(prepared, note, watch)
        points = trained.points
        if not trained.finished:
            return TrainResult(folder, False, points)
    files = []
    base, method = prepared.base, prepared.schedule.method
    for model, adapter in write_gguf(folder, base.gguf, base.name, method, gguf):
        if logits is not None:
            note(_compare(logits, model, prepared.sample, adapter))
        files.append(adapter or model)
    # Not before the files are whole and compared: a kill until here costs the time since the last
    # checkpoint, and a model that was refused is not taken for a finished one.
    _write_recipe(folder, prepared.facts, found=found)
    shutil.rmtree(folder / CHECKPOINTS, ignore_errors=True)
    there = sorted(folder.glob("*.gguf"))
    card = model_card(
        folder.absolute().name, prepared.facts, points, there, prepared.licences, found
    )
    write(folder / CARD, card)
    return TrainResult(folder, True, points, files)


def prepare(
    store: Store, base: str, folder: Path, data: TrainData, settings: TrainSettings, say: Say
) -> Prepared:
    """Writes the rows, turns them into tokens, and chooses the schedule. Everything that can be
    wrong without loading the weights is found here. Raises as `train`."""
    torch_model.require_libraries()
    lines: list[str] = []

    def note(line: str) -> None:
        lines.append(line)
        say(line)

    with explained(folder), scratch(folder) as new:
        found = find_base(base, folder, new, note)
        require_permission(data, found)
        shape = found.shape
        limit = length_limit(settings, shape)
        (new / DATA).mkdir()
        rows = write_rows(store, new / DATA, data, found.gguf, limit, settings.when_long, note)
        machine = torch_model.machine()
        training = rows.training
        schedule = choose(settings, shape, machine, len(training.examples), training.longest)
        if schedule.method == "qlora" and not found.is_converted:
            raise UsageError(
                f"--qlora loads weights in four bits, and those of {found.name} come from a GGUF",
                hint="name the model in the form of transformers, or take --lora",
            )
        facts = {
            "base": found.name,
            "base_file": found.identity,
            "chat": json.loads(chat_profile.recipe_json(found.gguf)),
            "variant": data.variant,
            "where": data.where and public_condition(data.where, source_names(store.files())),
            "held_out": data.held_out,
            "test": data.test,
            "rows": training.trained,
            "data": rows.digests,
            "max_length": limit,
            "when_long": settings.when_long,
            "schedule": {k: v for k, v in asdict(schedule).items() if k not in _OF_MACHINE},
        }
        _claim(folder, facts)
        shutil.copytree(new / DATA, folder / DATA, dirs_exist_ok=True)
        if found.gguf.parent == new:
            found = replace(found, gguf=found.gguf.rename(folder / BASE))
    note(_says(schedule, machine, training))
    licences = licenses(store.stats(), public_lineage(store.lineage(), store.files()))
    licences[found.name] = license_of(found.license)
    return Prepared(folder, found, rows, schedule, machine, settings.pack, facts, licences, lines)


def _says(schedule: Schedule, machine: Machine, training: Encoded) -> str:
    """The schedule in one line."""
    what = (
        "every weight" if schedule.method == "full" else f"{schedule.method}, rank {schedule.rank}"
    )
    steps = schedule.steps(len(training.examples))
    epochs = "1 epoch" if schedule.epochs == 1 else f"{schedule.epochs:g} epochs"
    return (
        f"training {what}, {epochs}, {counted(steps, 'step')} of "
        f"{counted(schedule.batch, 'example')}, learning rate {schedule.learning_rate:g}, "
        f"{schedule.precision} on {PLACES[machine.device]}, about "
        f"{gigabytes(schedule.bytes_needed)} of memory"
    )


def _claim(folder: Path, facts: Mapping[str, Any]) -> None:
    """Makes the folder that of this training. Raises UsageError where it holds something else."""
    before = read_recipe(folder)
    if before:
        now = json.loads(json.dumps(facts))
        differing = [name for name, value in now.items() if before.get(name) != value]
        if differing:
            raise UsageError(
                f"{folder} holds another training: it differs in {', '.join(differing)}",
                hint="name another folder with -o, or delete this one",
            )
        return
    if holds_something(folder):
        raise UsageError(
            f"{folder} is not empty, and holds no training", hint="name another folder with -o"
        )
    folder.mkdir(parents=True, exist_ok=True)
    _write_recipe(folder, facts)


def _write_recipe(
    folder: Path, facts: Mapping[str, Any], found: Sequence[str] | None = None
) -> None:
    """Writes the recipe. `found`: what was found out in a training that has finished."""
    state = {"finished": found is not None, "found": [*(found or ())]}
    write(folder / RECIPE, json.dumps({**facts, **state}, indent=1))


def _fit(
    prepared: Prepared, say: Say, watch: Callable[[Point], None]
) -> tuple[trainer.Trained, NDArray[np.float32] | None]:
    """Loads the base, compares it with llama.cpp, trains it, and saves it for transformers. The
    second value are the logits of the trained model for `Prepared.sample`."""
    schedule, device, folder = prepared.schedule, prepared.machine.device, prepared.folder
    with handling_signals() as interruption:
        model, tokenizer = torch_model.load(prepared.base.source, schedule, device)
        before = torch_model.logits(model, prepared.sample)
        say(_compare(before, prepared.base.gguf, prepared.sample))
        pack = _pack(prepared, model, say)
        if not prepared.base.is_converted:  # else the config of the adapter names a folder here
            model.name_or_path = prepared.base.name
        if schedule.method != "full":
            model = torch_model.with_adapter(model, schedule)
        rows = prepared.rows
        trained = trainer.run(
            model, tokenizer, rows.training.examples, rows.held_out.examples, schedule, folder,
            device, pack=pack, watch=watch, stopping=lambda: interruption.requested,
        )  # fmt: skip
    if not trained.finished:
        return trained, None
    torch_model.save(model, tokenizer, folder / saved_name(schedule.method))
    return trained, torch_model.logits(model, prepared.sample)


def _compare(
    logits: NDArray[np.float32], gguf: Path, tokens: Sequence[int], adapter: Path | None = None
) -> str:
    """Compares the logits of torch with those of llama.cpp, and says how far they agree.

    Raises SysgenError where they are those of different models.
    """
    if not np.isfinite(logits).all():
        raise SysgenError(
            "the model computes no finite numbers in torch: the training diverged, or the base "
            "has such weights",
            hint="a smaller --learning-rate, and another folder",
        )
    of = torch_model.agreement(logits, torch_model.llama_logits(gguf, tokens, adapter))
    name = (adapter or gguf).name
    says = (
        f"torch and llama.cpp agree on {name}: divergence {of.divergence:.4f} nats over "
        f"{counted(of.tokens, 'token')}, the same first choice for {of.same_first:.0%}"
    )
    if not of.divergence < torch_model.MOST_DIVERGENCE:
        raise SysgenError(
            f"torch and llama.cpp compute different models of {name}: divergence "
            f"{of.divergence:.2f} nats over {counted(of.tokens, 'token')}",
            hint="the architecture has a variant that transformers reads otherwise from a GGUF; "
            "train another base, or the original of this one with the tools in docs/trainers.md",
        )
    return says


def _pack(prepared: Prepared, model: Any, say: Say) -> bool:
    """Whether the examples of a batch stand in one sequence: where attention keeps them apart.
    Raises UsageError where that was asked for and it does not."""
    tokens = prepared.schedule.at_once * prepared.rows.training.longest
    if prepared.pack is False or (prepared.pack is None and tokens > MOST_PACKED):
        return False
    shortest = sorted(prepared.rows.training.examples, key=lambda of: len(of.tokens))[:2]
    apart = len(shortest) > 1 and torch_model.keeps_rows_apart(model, *shortest)
    if prepared.pack and not apart:
        raise UsageError(
            "rows in one sequence would see each other in this model's attention",
            hint="leave --pack off: rows are padded then",
        )
    say(
        "rows of a batch stand in one sequence without padding: attention keeps them apart"
        if apart
        else "rows of a batch are padded"
    )
    return apart
