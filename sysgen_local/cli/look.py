"""Commands that look into a store. While a run is going on, DuckDB lets nobody else in: `status`
and `stats` answer from its side file."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from sysgen_local.cli import options as opt
from sysgen_local.core import terminal

FIRST = 10
"""How many rejects `stats` shows one by one, and `show --rejected` unless --sample says."""


@click.command()
@opt.database
def status(db: Path) -> None:
    """One screen: where the work stands, and whether a run is going on.

    \b
    Example:
      watch sysgen status --db data.duckdb
    """
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

        age = max(0.0, time.time() - state["at"])
        left = f", {clock(state['seconds_left'])} left" if state["seconds_left"] else ""
        click.echo(
            f"running as process {state['pid']} for {clock(state['seconds'])}, "
            f"{state['rows_an_hour']:,.0f} rows/h{left} (as of {age:.0f} s ago)"
        )
    elif rows["pending"]:
        click.echo(f"not running; `sysgen run --db {db}` takes it up again")


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Everything as JSON.")
@click.option(
    "--compare",
    "other",
    type=opt.PATH,
    metavar="FILE.duckdb",
    help="Another store's shares beside.",
)
@click.option("--paper", "beside_paper", is_flag=True, help="The SysGen paper's figures beside.")
@opt.sources
@opt.database
def stats(
    as_json: bool, other: Path | None, beside_paper: bool, sources: Sequence[str], db: Path
) -> None:
    """Rows by phase and reason, phrases by tag, verdicts, checks, lengths, datasets, and what is
    poor, with what to try. It always adds up.

    \b
    Examples:
      sysgen stats --db data.duckdb --paper
      sysgen stats --db qwen.duckdb --compare llama.duckdb
      sysgen stats --json | jq .rows
    """
    state = _state(db, sources)
    beside = _state(other) if other else None
    if as_json:
        whole = {**state, **({"other": beside} if beside else {})}
        click.echo(terminal.json_text(whole, indent=2))
        return
    from sysgen_local.report.tables import tables

    console = terminal.console()
    for table in tables(state, beside, beside_paper=beside_paper):
        console.print(table)


@click.command()
@click.argument("row", type=click.IntRange(1), required=False)
@click.option("--sample", type=click.IntRange(1), metavar="N", help="N rows by chance.")
@click.option("--seed", type=int, default=0, metavar="N", help="Another sample.  [default: 0]")
@click.option("--dropped", is_flag=True, help="Rows that were dropped.")
@click.option("--phase", type=opt.PHASE, help="Rows that were dropped in this phase.")
@click.option("--tag", type=opt.TAG, help="Rows with a good phrase under this tag.")
@click.option(
    "--rejected",
    is_flag=True,
    help="Rows of the input that could not be used: file, line, reason and their own text. --where "
    "is over source, line, dataset, license, reason, detail, raw then.",
)
@opt.where
@opt.database
def show(
    row: int | None,
    sample: int | None,
    seed: int,
    dropped: bool,
    rejected: bool,
    phase: Any,
    tag: str | None,
    where: str | None,
    db: Path,
) -> None:
    """The story of ROW (its number in the store, from 1), or of some rows: from instruction to
    new answer, with every phrase, verdict, check and probability, the answers that were not
    taken, and what was dropped and why.

    \b
    Examples:
      sysgen show 2
      sysgen show --sample 3 --tag tool
      sysgen show --dropped --phase check
      sysgen show --where "p_good < 0.6 AND len(instruction) > 200"
      sysgen show --where "obeys < 0.7 OR tries > 2"
      sysgen show --rejected --where "reason = 'bad_json'"
    """
    from sysgen_local.core.errors import UsageError
    from sysgen_local.report.row_view import row_view
    from sysgen_local.store import RowQuery, Store

    asked = sample or dropped or phase or tag or where or rejected
    if (row is None) == (not asked):
        raise click.UsageError("name a row's number, or say which rows: --sample, --dropped, ...")
    if rejected:
        if dropped or phase or tag:
            raise click.UsageError(
                "rejected rows came into no phase: --rejected goes with --sample and --where"
            )
        _show_rejected(db, where, sample, seed)
        return
    with Store.open(db, create=False, read_only=True) as store:
        if row is not None:
            found = [one] if (one := store.row(row)) else []
        else:
            found = store.find(
                RowQuery(
                    state="dropped" if dropped or phase else None,
                    phase=phase,
                    tag=tag,
                    where=where,
                    limit=sample or 5,
                    seed=seed if sample else None,
                )
            )
        usable = store.counts().input - store.counts().rejected
        if row is not None and not found:
            raise UsageError(f"{db} has no row {row}", hint=f"its rows are 1 to {usable}")
        console = terminal.console()
        phases = store.phases
        for one in found:
            origin = store.origin(one.row)
            assert origin is not None
            review, stale = store.reviewed(one.row), store.stale(one.row)
            for part in row_view(one, origin, review, phases=phases, stale=stale):
                console.print(part)
    if not found:
        click.echo(f"no such row among the {usable:,} of {db}", err=True)


def _show_rejected(db: Path, where: str | None, sample: int | None, seed: int) -> None:
    from sysgen_local.report.row_view import reject_view
    from sysgen_local.store import Store

    with Store.open(db, create=False, read_only=True) as store:
        found = store.rejects(sample or FIRST, where=where, seed=seed if sample else None)
        total = store.count_rejects(where=where)
    console = terminal.console()
    for path, reject in found:
        for part in reject_view(path, reject):
            console.print(part)
    such = " that meet --where" if where else ""
    click.echo(f"{len(found):,} of {total:,} rejected rows of {db}{such}", err=True)
    if len(found) < total:
        click.echo(f"all of them: sysgen export --rejects -o FILE.jsonl --db {db}", err=True)


def _state(db: Path, sources: Sequence[str] = ()) -> dict[str, Any]:
    """From the store, or from the side file of the run that holds it."""
    from sysgen_local.evaluation.preference import summary
    from sysgen_local.report.status import read_status
    from sysgen_local.store import LockedError, Store

    try:
        with Store.open(db, create=False, read_only=True) as store:
            if sources:
                store.narrow(store.sources(sources))
            rejects = [
                {"path": path, "line": r.line, "reason": r.reason, "detail": r.detail}
                for path, r in store.rejects(limit=FIRST)
            ]
            judgements = summary(store.judgements())
            return {**store.stats(), "judgements": judgements, "first_rejects": rejects}
    except LockedError as error:
        state = None if sources else read_status(db)  # which tells of all
        if state is None or (error.pid and state["pid"] != error.pid):
            raise  # somebody else has it: what a killed run left behind says nothing of that
        return state
