"""`sysgen status`, `stats` and `show`: print what is in a store.

While a run is in progress, no other process can open its DuckDB file. Then `status` and `stats`
read the side file of the run.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from sysgen_local.cli import options as opt
from sysgen_local.core import terminal

FIRST = 10
"""Number of rejected rows that `stats` lists, and that `show --rejected` prints by default."""


@click.command()
@opt.database
def status(db: Path) -> None:
    """Print how far the work is, and whether a run is in progress.

    It prints the numbers of rows in each phase on one screen. Use it to follow a run from another
    terminal. `sysgen stats` has all details.

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
    for phase, counts in state["phases"].items():
        dropped = counts["dropped"].values()
        line = f"  {phase:<9}{counts['done']:>9,} done{sum(dropped):>9,} dropped"
        click.echo(line + (f"{counts['running']:>6,} running" if counts.get("running") else ""))
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
@click.option("--json", "as_json", is_flag=True, help="Print all figures as JSON.")
@click.option(
    "--compare",
    "other",
    type=opt.PATH,
    metavar="FILE.duckdb",
    help="Show the shares of another store next to those of this one.",
)
@click.option(
    "--paper",
    "beside_paper",
    is_flag=True,
    help="Show the SysGen paper's figures next to those of this store.",
)
@opt.sources
@opt.database
def stats(
    as_json: bool, other: Path | None, beside_paper: bool, sources: Sequence[str], db: Path
) -> None:
    """Print statistics of a store, and advice on poor data.

    There are tables of the rows by phase and reason, the phrases by tag, the verdicts, the checks,
    the lengths and the datasets, and lines on what is poor about the data and what to try. The rows
    that are final, dropped, rejected and pending always sum to the rows of the input. Use it after
    a run; `sysgen show` then prints single rows, and `sysgen report` writes the statistics as a
    page.

    \b
    Examples:
      sysgen stats --db data.duckdb --paper
      sysgen stats --db qwen.duckdb --compare llama.duckdb
      sysgen stats --json | jq .rows
    """
    state = _state(db, sources)
    other_state = _state(other) if other else None
    if as_json:
        whole = {**state, **({"other": other_state} if other_state else {})}
        click.echo(terminal.json_text(whole, indent=2))
        return
    from sysgen_local.report.tables import tables

    console = terminal.console()
    for table in tables(state, other_state, beside_paper=beside_paper):
        console.print(table)


@click.command()
@click.argument("row", type=click.IntRange(1), required=False)
@click.option("--sample", type=click.IntRange(1), metavar="N", help="Show N random rows.")
@click.option(
    "--seed",
    type=int,
    default=0,
    metavar="N",
    help="Seed of --sample. Another seed draws other rows.  [default: 0]",
)
@click.option("--dropped", is_flag=True, help="Show rows that were dropped.")
@click.option("--phase", type=opt.PHASE, help="Show rows that were dropped in this phase.")
@click.option("--tag", type=opt.TAG, help="Show rows with a good phrase under this tag.")
@click.option(
    "--rejected",
    is_flag=True,
    help="Show rejected rows, that is, rows of the input that could not be used: file, line, "
    "reason and the text of the row. --where then uses the columns source, line, dataset, license, "
    "reason, detail, raw.",
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
    """Print the results of all phases for one row, or for several.

    ROW is the number of a row in the store, from 1. Or choose rows with --sample, --dropped,
    --where and the other options. For each row it prints the conversation, every phrase, verdict,
    check and probability, the new answers, the answers that were not taken, and why a phrase or the
    row was dropped. `sysgen review` shows rows in a browser, where you can change them.

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
        for shown in found:
            origin = store.origin(shown.row)
            assert origin is not None
            review, stale = store.reviewed(shown.row), store.stale(shown.row)
            for part in row_view(shown, origin, review, phases=phases, stale=stale):
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
    """The statistics of a store. If a run has the store open: those in the run's side file."""
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
        state = None if sources else read_status(db)  # it has no counts by source
        if state is None or (error.pid and state["pid"] != error.pid):
            raise  # the file is from an older run that was killed; another process has the store
        return state
