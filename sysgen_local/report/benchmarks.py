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
