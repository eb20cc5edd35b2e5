"""`sysgen status`, `stats` and `show`: look inside a store. While a run holds the file, `status`
and `stats` answer from its side file."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sysgen_local.cli import options as opt

if TYPE_CHECKING:
    from sysgen_local.records import Row
    from sysgen_local.store import Origin


FIRST = 10
"""How many rejects `stats` shows one by one."""


@click.command()
@opt.database
def status(db: Path) -> None:
    """One screen: where the work stands, and whether a run is going on."""
    state = _state(db)
    rows = state["rows"]
    click.echo(
        f"{db}: {rows['input']:,} rows = {rows['final']:,} final + {rows['dropped']:,} dropped + "
        f"{rows['rejected']:,} rejected + {rows['pending']:,} pending"
    )
    for phase, of in state["phases"].items():
        dropped = of["dropped"].values()
        line = f"  {phase:<9}{of['done']:>9,} done{sum(dropped):>9,} dropped"
        click.echo(line + (f"{of['running']:>6,} running" if of.get("running") else ""))
    if "pid" in state:
        from sysgen_local.report.live import clock

        speed = state["finished_in_this_run"] / max(state["seconds"], 1e-6) * 3600
        age = max(0.0, time.time() - state["at"])
        click.echo(
            f"running as process {state['pid']} for {clock(state['seconds'])}, "
            f"{speed:,.0f} rows/h (as of {age:.0f} s ago)"
        )
    elif rows["pending"]:
        click.echo(f"not running; `sysgen run --db {db}` takes it up again")


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Everything as JSON.")
@opt.database
def stats(as_json: bool, db: Path) -> None:
    """Rows by phase and reason, phrases by tag, verdicts, datasets. It always adds up."""
    state = _state(db)
    if as_json:
        click.echo(json.dumps(state, ensure_ascii=False, indent=2))
        return
    from rich.console import Console

    console = Console()
    for table in _tables(state):
        console.print(table)


@click.command()
@click.argument("row", type=click.IntRange(1))
@opt.database
def show(row: int, db: Path) -> None:
    """The story of ROW (its number in the store, from 1): from instruction to new answer."""
    from rich.console import Console

    from sysgen_local.errors import UsageError
    from sysgen_local.store import Store

    with Store.open(db, create=False, read_only=True) as store:
        found = store.row(row)
        origin = store.origin(row)
        if found is None or origin is None:
            usable = store.counts().input - store.counts().rejected
            raise UsageError(f"{db} has no row {row}", hint=f"its rows are 1 to {usable}")
    console = Console()
    for part in _story(found, origin):
        console.print(part)


def _state(db: Path) -> dict[str, Any]:
    """From the store, or from the side file of the run that holds it."""
    from sysgen_local.report.status import read_status
    from sysgen_local.store import LockedError, Store

    try:
        with Store.open(db, create=False, read_only=True) as store:
            rejects = [
                {"path": path, "line": r.line, "reason": r.reason, "detail": r.detail}
                for path, r in store.rejects(limit=FIRST)
            ]
            return {**store.stats(), "first_rejects": rejects}
    except LockedError:
        state = read_status(db)
        if state is None:
            raise
        return state


def _tables(state: dict[str, Any]) -> list[Any]:
    from rich.table import Table
    from rich.text import Text

    rows = Table(title="rows", title_justify="left")
    for name in state["rows"]:
        rows.add_column(name, justify="right")
    rows.add_row(*(f"{n:,}" for n in state["rows"].values()))
    phases = Table(title="phases", title_justify="left")
    for name in ("phase", "went on", "dropped", "why"):
        phases.add_column(name, justify="right" if name in ("went on", "dropped") else "left")
    for phase, of in state["phases"].items():
        reasons = ", ".join(f"{reason} {n:,}" for reason, n in of["dropped"].items())
        phases.add_row(phase, f"{of['kept']:,}", f"{sum(of['dropped'].values()):,}", reasons)
    if state.get("rejects"):
        reasons = ", ".join(f"{reason} {n:,}" for reason, n in state["rejects"].items())
        phases.add_row("(input)", "", f"{state['rows']['rejected']:,}", f"rejected: {reasons}")
    tables = [rows, phases]
    if (existing := state.get("existing_system")) and existing["rows"]:
        rows.caption = (
            f"{existing['rows']:,} came with a system message of their own, "
            f"{existing['kept']:,} of those were kept"
        )
    if state.get("tags"):
        from sysgen_local.report.live import colour

        tags = Table(title="rows with a phrase under each tag", title_justify="left")
        steps = list(next(iter(state["tags"].values())))
        tags.add_column("tag")
        for step in steps:
            tags.add_column(step, justify="right")
        for tag, of in state["tags"].items():
            tags.add_row(f"[{colour(tag)}]{tag}[/]", *(f"{of[step]:,}" for step in steps))
        tables.append(tags)
    if state.get("datasets"):
        datasets = Table(title="datasets", title_justify="left")
        first = next(iter(state["datasets"].values()))
        datasets.add_column("dataset")
        for name in first:
            datasets.add_column(name, justify="left" if name == "license" else "right")
        for name, of in state["datasets"].items():
            datasets.add_row(
                name, *(f"{v:,}" if isinstance(v, int) else v or "?" for v in of.values())
            )
        tables.append(datasets)
    if state.get("first_rejects"):
        first = Table(title=f"rejects (the first {FIRST} at most)", title_justify="left")
        for name in ("file", "line", "reason", "detail"):
            first.add_column(name, justify="right" if name == "line" else "left")
        for of in state["first_rejects"]:
            first.add_row(Text(of["path"]), str(of["line"]), of["reason"], Text(of["detail"]))
        tables.append(first)
    return tables


def _story(row: Row, origin: Origin) -> list[Any]:
    from rich.panel import Panel
    from rich.rule import Rule
    from rich.table import Table
    from rich.text import Text

    from sysgen_local.report.live import colour

    parts: list[Any] = [Rule(Text(f"row {row.row}  {origin.path}, line {origin.line}"))]
    for turn in row.conversation.turns:
        parts.append(
            Panel(Text(turn.content), title=turn.role, title_align="left", border_style="dim")
        )
    if row.conversation.system:
        parts.append(Text(f"system message it came with: {row.conversation.system}"))
    if row.generated and row.generated.dropped:
        parts.append(_dropped("generate", row.generated.dropped))
        if row.generated.raw:
            parts.append(Panel(Text(row.generated.raw), title="what the model wrote"))
    if row.filtered and not row.verified:
        for phrase in row.filtered.phrases:
            parts.append(Text(f"{phrase.tag:>11}  {phrase.text}", style=colour(phrase.tag)))
    if row.verified:
        table = Table(title="phrases", title_justify="left", show_edge=False)
        for name in ("tag", "phrase", "verdict", "good", "bad", "none"):
            table.add_column(name, justify="right" if name in ("good", "bad", "none") else "left")
        for v in row.verified.verdicts:
            style = colour(v.tag) if v.label == "good" else "dim"
            table.add_row(
                v.tag,
                Text(v.text),
                v.label,
                f"{v.good:.3f}",
                f"{v.bad:.3f}",
                f"{v.none:.3f}",
                style=style,
            )
        parts.append(table)
    if row.filtered:
        for gone in row.filtered.removed:
            parts.append(Text(f"filtered out ({gone.reason}): {gone.tag}: {gone.text}", "dim"))
        if row.filtered.dropped:
            parts.append(_dropped("filter", row.filtered.dropped))
    if row.verified and row.verified.dropped:
        parts.append(_dropped("verify", row.verified.dropped))
    if row.verified and row.verified.system:
        parts.append(
            Panel(
                Text(row.verified.system),
                title="system message",
                title_align="left",
                border_style="bold",
            )
        )
    if row.responded:
        for turn in row.responded.turns:
            if turn.role == "assistant":
                parts.append(
                    Panel(
                        Text(turn.content),
                        title="new answer",
                        title_align="left",
                        border_style="green",
                    )
                )
        if row.responded.dropped:
            parts.append(_dropped("respond", row.responded.dropped))
        else:
            parts.append(Text("final", style="bold green"))
    elif not any(r and r.dropped for r in (row.generated, row.filtered, row.verified)):
        parts.append(Text("pending", style="yellow"))
    return parts


def _dropped(phase: str, reason: str) -> Any:
    from rich.text import Text

    return Text(f"dropped in {phase}: {reason}", style="bold red")
