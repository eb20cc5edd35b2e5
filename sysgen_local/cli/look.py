"""`sysgen status`, `stats` and `show`: print what is in a store.

While a run is in progress, no other process can open its DuckDB file. Then `status` reads the side
file of the run, and the others read a copy of the store.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sysgen_local.cli import options as opt
from sysgen_local.cli import values
from sysgen_local.cli.stores import note_missing, reading
from sysgen_local.core import terminal
from sysgen_local.core.counted import counted
from sysgen_local.core.shard import described

if TYPE_CHECKING:
    from rich.console import Console

    from sysgen_local.core.records import Row
    from sysgen_local.store import Store

FIRST = 10
"""Number of rejected rows that `stats` lists, and that `show --rejected` prints by default."""


@click.command()
@click.option("-w", "--watch", is_flag=True, help="Print it anew every second until the run ends.")
@opt.as_json
@opt.database
def status(watch: bool, as_json: bool, db: Path) -> None:
    """Print how far the work is, and whether a run is in progress.

    It prints the numbers of rows in each phase, and what the run does at the moment. Use it to
    follow a run from another terminal. `sysgen stats` has all details.

    \b
    Examples:
      sysgen status --db data.duckdb
      sysgen status --watch --db data.duckdb
    """
    state = _progress(db)
    if as_json:
        _print_status(db, state)
        return
    console = terminal.console(highlight=False)
    if watch:
        with suppress(KeyboardInterrupt):  # it ends the watching alone
            _watch(db, state, console)
        state = _progress(db)
    click.echo("\n".join(_status(db, state)))


def _watch(db: Path, state: Mapping[str, Any], console: Console) -> None:
    """Shows the state until the run ends: anew every second on a terminal, elsewhere a line every
    ten seconds."""
    from rich.live import Live
    from rich.text import Text

    if not console.is_terminal:
        while "pid" in state:
            click.echo(_status(db, state)[-1])
            time.sleep(10)
            state = _progress(db)
        return
    with Live(console=console, auto_refresh=False, transient=True) as live:
        while "pid" in state:
            live.update(Text("\n".join(_status(db, state))), refresh=True)
            time.sleep(1)
            state = _progress(db)


def _print_status(db: Path, state: Mapping[str, Any]) -> None:
    from sysgen_local.cli import outputs

    running = None
    if "pid" in state:
        activity = state.get("activity")
        running = outputs.Running(
            pid=state["pid"],
            age=max(0.0, time.time() - state["at"]),
            seconds=state["seconds"],
            seconds_left=state["seconds_left"],
            rows_an_hour=state["rows_an_hour"],
            activity=activity["says"] if activity else None,
            workers=(activity or {}).get("workers"),
        )
    keys = outputs.PhaseCount.model_fields
    phases = {
        name: outputs.PhaseCount(**{key: of[key] for key in keys if key in of})
        for name, of in state["phases"].items()
    }
    outputs.print_json(
        outputs.Status(
            db=str(db),
            rows=state["rows"],
            shard=state.get("shard"),
            phases=phases,
            running=running,
        )
    )


def _status(db: Path, state: Mapping[str, Any]) -> list[str]:
    """The lines that `status` prints. The last one is about the run."""
    from sysgen_local.engine.request import Workers
    from sysgen_local.report.live import clock

    rows = state["rows"]
    lines = [
        f"{db}: {counted(rows['input'], 'row')} = {rows['final']:,} final + "
        f"{rows['dropped']:,} dropped + {rows['rejected']:,} rejected + {rows['pending']:,} pending"
    ]
    if shard := state.get("shard"):
        lines.append(described(shard))
    for phase, counts in state["phases"].items():
        dropped = counts["dropped"].values()
        line = f"  {phase:<9}{counts['done']:>9,} done{sum(dropped):>9,} dropped"
        lines.append(line + (f"{counts['running']:>6,} running" if counts.get("running") else ""))
    if "pid" in state:
        age = max(0.0, time.time() - state["at"])
        left = f", {clock(state['seconds_left'])} left" if state["seconds_left"] else ""
        if title := state.get("title"):
            lines.append(title)
        if activity := state.get("activity"):
            lines.append(f"now: {activity['says']}")
            if workers := activity.get("workers"):
                lines.append(str(Workers(**workers)))
        lines.append(
            f"running as process {state['pid']} for {clock(state['seconds'])}, "
            f"{state['rows_an_hour']:,.0f} rows/h{left} (as of {age:.0f} s ago)"
        )
    elif rows["pending"]:
        lines.append(f"not running; `sysgen run --db {db}` takes it up again")
    return lines


@click.command()
@opt.as_json
@click.option(
    "--compare",
    "other",
    type=values.DATABASE_FILE,
    metavar="FILE.duckdb",
    help="Show another store's shares beside those of this one.",
)
@click.option(
    "--paper",
    "beside_paper",
    is_flag=True,
    help="Show the paper's figures beside those of this store.",
)
@click.option(
    "--all",
    "whole",
    is_flag=True,
    help="Also print tables of tokens, tags, removed phrases, verdicts, checks, lengths, datasets "
    "and rejects. --compare and --paper print them too.",
)
@opt.sources
@opt.database
def stats(
    as_json: bool,
    other: Path | None,
    beside_paper: bool,
    whole: bool,
    sources: Sequence[str],
    db: Path,
) -> None:
    """Print statistics of a store, and advice on poor data.

    It prints the totals, what each phase passed, its tokens, the reasons for which rows were left
    out, and what is poor about the data and what to try, on one screen; with --all also tables. The
    rows that are final, dropped, rejected and pending always sum to the rows of the input. Decoded
    tokens are the prompt tokens that were not in the KV cache and had to be computed. Use it after
    a run; `sysgen show` then prints single rows, and `sysgen report` writes the statistics as a
    page.

    \b
    Examples:
      sysgen stats --db data.duckdb
      sysgen stats --db data.duckdb --all
      sysgen stats --db data.duckdb --paper
      sysgen stats --db qwen.duckdb --compare llama.duckdb
      sysgen stats --json | jq .rows
    """
    state = _state(db, sources)
    other_state = _state(other) if other else None
    if as_json:
        both = {**state, **({"other": other_state} if other_state else {})}
        click.echo(terminal.json_text(both, indent=2))
        return
    from sysgen_local.report.digest import digest
    from sysgen_local.report.tables import tables

    console = terminal.console(highlight=False)
    if not (whole or other or beside_paper):
        for line in digest(state, console.width):
            console.print(line, markup=False, soft_wrap=True)
        return
    for table in tables(state, other_state, beside_paper=beside_paper):
        console.print(table)


@click.command()
@click.argument("row", type=values.at_least(1), required=False)
@click.option("--sample", type=values.at_least(1), metavar="N", help="Show N random rows.")
@click.option(
    "--seed",
    type=values.SEED,
    default=0,
    metavar="N",
    help="Seed of --sample. Another seed draws other rows.  [default: 0]",
)
@click.option("--dropped", is_flag=True, help="Show rows that were dropped.")
@click.option("--phase", type=values.PHASE, help="Show rows that were dropped in this phase.")
@click.option("--tag", type=values.TAG, help="Show rows with a good phrase under this tag.")
@click.option(
    "--rejected",
    is_flag=True,
    help="Show rejected rows, which could not be used: file, line, reason and the text of the "
    "row. --where then uses the columns source, line, dataset, license, "
    "reason, detail, raw.",
)
@opt.where
@opt.as_json
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
    as_json: bool,
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
    from sysgen_local.store import RowQuery

    asked = sample or dropped or phase or tag or where or rejected
    if (row is None) == (not asked):
        raise click.UsageError("name a row's number, or say which rows: --sample, --dropped, ...")
    if rejected:
        if dropped or phase or tag:
            raise click.UsageError(
                "rejected rows came into no phase: --rejected goes with --sample and --where"
            )
        _show_rejected(db, where, sample, seed, as_json=as_json)
        return
    with reading(db) as store:
        note_missing(store, where)
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
            held = f"it holds {usable:,} of the rows" if (of := store.shard) else "its rows are"
            hint = f"{f'{of}: ' if of else ''}{held} 1 to {store.inputs().rows}"
            raise UsageError(f"{db} has no row {row}", hint=hint)
        if as_json:
            _print_rows(db, store, found)
            return
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


def _print_rows(db: Path, store: Store, found: Sequence[Row]) -> None:
    from sysgen_local.cli import outputs
    from sysgen_local.report.row_json import row_json
    from sysgen_local.report.row_state import row_state

    shown = []
    for row in found:
        origin, review = store.origin(row.row), store.reviewed(row.row)
        assert origin is not None
        state, phase, reason = row_state(row, store.phases)
        facts = {
            **row_json(row, origin),
            "state": state,
            "phase": phase,
            "reason": reason or None,
            "review": review.decision if review else None,
            "stale": store.stale(row.row),
        }
        shown.append(outputs.ShownRow(**facts))
    outputs.print_json(outputs.Shown(db=str(db), rows=shown, rejected=[]))


def _show_rejected(
    db: Path, where: str | None, sample: int | None, seed: int, *, as_json: bool
) -> None:
    from sysgen_local.report.row_view import reject_view

    with reading(db) as store:
        found = store.rejects(sample or FIRST, where=where, seed=seed if sample else None)
        total = store.count_rejects(where=where)
    if as_json:
        from sysgen_local.cli import outputs

        rejected = [
            outputs.RejectedRow(path=path, line=r.line, reason=r.reason, detail=r.detail, raw=r.raw)
            for path, r in found
        ]
        outputs.print_json(outputs.Shown(db=str(db), rows=[], rejected=rejected))
        return
    console = terminal.console()
    for path, reject in found:
        for part in reject_view(path, reject):
            console.print(part)
    such = " that meet --where" if where else ""
    click.echo(f"{len(found):,} of {total:,} rejected rows of {db}{such}", err=True)
    if len(found) < total:
        click.echo(f"all of them: sysgen export --rejects -o FILE.jsonl --db {db}", err=True)


def _state(db: Path, sources: Sequence[str] = ()) -> dict[str, Any]:
    """The statistics of a store."""
    from sysgen_local.evaluation.preference import summary

    with reading(db) as store:
        if sources:
            store.narrow(store.sources(sources))
        rejects = [
            {"path": path, "line": r.line, "reason": r.reason, "detail": r.detail}
            for path, r in store.rejects(limit=FIRST)
        ]
        judgements = summary(store.judgements())
        return {**store.stats(), "judgements": judgements, "first_rejects": rejects}


def _progress(db: Path) -> dict[str, Any]:
    """How far the work is: of a run that has the store open what its side file says, else what the
    store holds."""
    from sysgen_local.report.status import read_status
    from sysgen_local.store import LockedError, Store

    try:
        with Store.open(db, create=False, read_only=True, snapshot=False) as store:
            return store.stats()
    except LockedError as error:
        state = read_status(db)
        if state and state["pid"] == (error.pid or state["pid"]):
            return state
    return _state(db)  # a review, a judge or another program has the store open
