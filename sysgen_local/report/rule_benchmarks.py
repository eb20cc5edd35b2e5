"""Tables of the scores of IFEval, Multi-IF and IHEval for a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain
from typing import TYPE_CHECKING, Any

from sysgen_local.report.benchmarks import with_interval
from sysgen_local.report.grid import new_table, percent

if TYPE_CHECKING:
    from rich.console import RenderableType

_LEVELS = {
    "prompts: all instructions followed": ("prompt_level", "prompts"),
    "instructions followed": ("inst_level", "instructions"),
}


def ifeval_table(scores: Mapping[str, Any]) -> RenderableType:
    """The four accuracies in per cent, and how many instructions of each kind were followed."""
    from rich.console import Group

    counts = scores["counts"]
    columns = ("accuracy", ">of", ">strict", ">95 %", ">loose", ">95 %")
    table = new_table("IFEval, %", *columns)
    for says, (level, whole) in _LEVELS.items():
        names = [f"{level}_{kind}_acc" for kind in ("strict", "loose")]
        cells = chain.from_iterable(with_interval(scores, name) for name in names)
        table.add_row(says, f"{counts[whole]:,}", *cells)
    if counts["empty"]:
        table.caption = f"{counts['empty']:,} answers are without a word, and follow nothing"
    return Group(table, _kinds(scores["kinds"]))


def multi_if_table(scores: Mapping[str, Any]) -> RenderableType:
    """The mean accuracy of each turn by language, and the four accuracies of all languages."""
    from rich.console import Group

    turns = scores["turns"]
    names = [f">turn {number}" for number in turns]
    languages = dict.fromkeys(name for of in turns.values() for name in of)
    table = new_table("Multi-IF: mean of the four accuracies, %", "language", *names)
    for language in sorted(languages, key=lambda name: (name == "all_languages", name)):
        found = [of.get(language) for of in turns.values()]
        cells = [percent(of["overall"]) if of else "-" for of in found]
        table.add_row(language.replace("_", " "), *cells)
    four = new_table("All languages, %", "accuracy", *names)
    for says, (level, _) in _LEVELS.items():
        for kind in ("strict", "loose"):
            shares = [percent(of["all_languages"][f"{level}_{kind}_acc"]) for of in turns.values()]
            four.add_row(f"{says}, {kind}", *shares)
    return Group(table, four, _kinds(scores["kinds"]))


def iheval_table(scores: Mapping[str, Any]) -> RenderableType:
    """The score of each task in each setting, and their means."""
    from rich.console import Group

    settings = ("reference", "aligned", "conflict")
    table = new_table("IHEval, %", "task", *(f">{setting}" for setting in settings))
    for task, of in scores["tasks"].items():
        cells = [percent(of[s]["average"]) if s in of else "-" for s in settings]
        table.add_row(task, *cells)
    overall = scores["overall"]
    table.add_row("mean of the tasks", *(percent(overall[setting]) for setting in settings))
    gaps = [percent(overall[f"{setting}_minus_reference"]) for setting in settings[1:]]
    table.add_row("minus reference", "", *gaps)
    return Group(table, _kinds(scores["kinds"])) if scores["kinds"] else table


def _kinds(kinds: Mapping[str, Mapping[str, Any]]) -> RenderableType:
    table = new_table("By kind of instruction, %", "instruction", ">of", ">strict", ">loose")
    for name, n in kinds.items():
        shares = [percent(n[kind] / n["of"]) for kind in ("strict", "loose")]
        table.add_row(name, f"{n['of']:,}", *shares)
    table.caption = "the rules have the faults of the authors' rules: --json names them by kind"
    return table
