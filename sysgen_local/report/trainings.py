"""Trainings in the report: a table of what was trained on what, and the curves of the loss."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sysgen_local.report.grid import Table
from sysgen_local.training.folder import Point


@dataclass(frozen=True, slots=True)
class TrainingRecord:
    """A training under the name of its folder: its recipe (see `workflows.train`) and curve."""

    name: str
    recipe: Mapping[str, Any]
    points: Sequence[Point]


def training_table(records: Sequence[TrainingRecord]) -> Table:
    """One line for each training."""
    columns = ("training", "base", "rows", "variant", "trained", "epochs", "learning rate",
               "loss at first", "loss at last", "held-out loss")  # fmt: skip
    return Table("What was trained on what", columns, tuple(map(_line, records)), _notes(records))


def _line(record: TrainingRecord) -> tuple[str, ...]:
    recipe, schedule = record.recipe, record.recipe["schedule"]
    losses = [of.loss for of in record.points if of.loss is not None]
    few = max(1, len(losses) // 10)
    held_out = [of.held_out_loss for of in record.points if of.held_out_loss is not None]
    what = "every weight" if schedule["method"] == "full" else f"LoRA {schedule['rank']}"
    return (
        record.name, recipe["base"], f"{recipe['rows']:,}", recipe["variant"], what,
        f"{schedule['epochs']:g}", f"{schedule['learning_rate']:g}", _mean(losses[:few]),
        _mean(losses[-few:]), _mean(held_out[-1:]),
    )  # fmt: skip


def _mean(values: Sequence[float]) -> str:
    return f"{sum(values) / len(values):.3f}" if values else ""


def _notes(records: Sequence[TrainingRecord]) -> tuple[str, ...]:
    notes = [f"{of.name} has not finished" for of in records if not of.recipe.get("finished")]
    return ("The loss is in nats a learned token.", *notes)
