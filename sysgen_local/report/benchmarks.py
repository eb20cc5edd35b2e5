"""Benchmark scores as tables for a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import RenderableType


def sysbench_table(scores: Mapping[str, Any]) -> RenderableType:
    """CSR by type, ISR and SSR by group, and the rounds; in per cent, as the paper prints them."""
    from rich.console import Group
    from rich.table import Table

    csr = Table(title="CSR: criteria satisfied, %", title_justify="left")
    for name in scores["csr"]:
        csr.add_column(name, justify="right")
    csr.add_row(*(percent(value) for value in scores["csr"].values()))
    groups = ("total", "dependent", "parallel")
    turns = Table(title="ISR: turns passed; SSR: turns passed before the first that is not, %",
                  title_justify="left")  # fmt: skip
    for name in ("sessions", ">ISR", ">aligned", ">misaligned", ">SSR", ">ISR strict",
                 ">SSR strict"):  # fmt: skip
        turns.add_column(name.lstrip(">"), justify="right" if name[0] == ">" else "left")
    for group in groups:
        prefix = "" if group == "total" else f"{group}/"
        numbers = [
            scores["isr"][group],
            scores["isr"][f"{prefix}aligned"],
            scores["isr"][f"{prefix}misaligned"],
            scores["ssr"][group],
            scores["strict"]["isr"][group],
            scores["strict"]["ssr"][group],
        ]
        turns.add_row(group, *map(percent, numbers))
    rounds = Table(title="R: first turns all passed; T: that turn passed, %", title_justify="left")
    rounds.add_column("sessions")
    names = [name for name in scores["rounds"]["total"] if not name.startswith("mean")]
    for name in names:
        rounds.add_column(name, justify="right")
    for group in groups:
        rounds.add_row(group, *(percent(scores["rounds"][group][name]) for name in names))
    return Group(csr, turns, rounds)


def percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.1%}".rstrip("%")


def multifacet_table(scores: Mapping[str, Any]) -> RenderableType:
    """The averages by benchmark and over all; what the official code would make of them."""
    from rich.table import Table

    table = Table(title="Multifacet: mean of the instances' means, 1 to 5", title_justify="left")
    for name in ("benchmark", ">instances", ">rated", ">average"):
        table.add_column(name.lstrip(">"), justify="right" if name[0] == ">" else "left")
    for name, of in [*scores["benchmarks"].items(), ("all", scores)]:
        average = of["average_of_rated"]
        cells = [str(of[key]) for key in ("instances", "rated")]
        table.add_row(name, *cells, "-" if average is None else f"{average:.2f}")
    counts = scores["counts"]
    remarks = []
    if counts["unparsable"]:
        remarks.append(f"{counts['unparsable']} replies hold no score: the official code crashes")
    if counts["out_of_range"]:
        remarks.append(f"{counts['out_of_range']} scores are none of 1 to 5, and counted")
    table.caption = "; ".join(remarks) or None
    return table
