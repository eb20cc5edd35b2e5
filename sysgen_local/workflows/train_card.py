"""The card of a trained model: what it is made of, how, and what the licences ask."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sysgen_local import __version__
from sysgen_local.exporting import License
from sysgen_local.training.folder import Point


def model_card(
    name: str, recipe: Mapping[str, Any], points: Sequence[Point], files: Sequence[Path],
    licences: Mapping[str, License], found: Sequence[str],
) -> str:  # fmt: skip
    """The card in Markdown. `licences`: name of a dataset or model -> its licence. `found` is what
    was found out before and after the training, in sentences."""
    schedule = recipe["schedule"]
    losses = [of.loss for of in points if of.loss is not None]
    held_out = [of.held_out_loss for of in points if of.held_out_loss is not None]
    few = max(1, len(losses) // 10)
    what = "every weight" if schedule["method"] == "full" else (
        f"{schedule['method']} of rank {schedule['rank']}, alpha {schedule['alpha']:g}"
    )  # fmt: skip
    facts = [
        ("base", recipe["base"]),
        ("rows", f"{recipe['rows']:,}, variant {recipe['variant']}"),
        ("where", recipe["where"] or "all final rows"),
        ("trained", what),
        ("epochs", f"{schedule['epochs']:g}"),
        ("learning rate", f"{schedule['learning_rate']:g}"),
        ("rows of a step", f"{schedule['batch']:,}"),
        ("steps", f"{points[-1].step:,}" if points else "0"),
        ("tokens", f"{points[-1].tokens:,}" if points else "0"),
        ("precision", schedule["precision"]),
        ("seed", str(schedule["seed"])),
        ("loss of the first steps", _mean(losses[:few])),
        ("loss of the last steps", _mean(losses[-few:])),
        ("loss on held-out rows", _mean(held_out[-1:])),
    ]
    lines = [f"# {name}", "", f"Trained with sysgen-local {__version__}.", ""]
    lines += ["| | |", "|---|---|", *(f"| {key} | {_cell(value)} |" for key, value in facts), ""]
    lines += ["The loss is in nats a learned token. `data/README.md` describes the rows.", ""]
    lines += ["## What was checked", "", *(f"- {_cell(line)}" for line in found), ""]
    lines += [
        "## Files",
        "",
        *(f"- `{file.name}`: {file.stat().st_size:,} bytes" for file in files),
    ]
    lines += ["", "## Licences", "", "| of | licence | kind | asks of you |", "|---|---|---|---|"]
    lines += [
        f"| {_cell(of)} | {_cell(licence.id)} | {licence.kind} | {_cell(licence.asks)} |"
        for of, licence in licences.items()
    ]
    return "\n".join(lines) + "\n"


def _mean(values: Sequence[float]) -> str:
    return f"{sum(values) / len(values):.3f}" if values else "not measured"


def _cell(text: str) -> str:
    """Text that cannot end a cell of a table, or act as markup."""
    flat = " ".join(text.split())
    return flat.replace("|", "\\|").replace("<", "&lt;").replace("`", "'")
