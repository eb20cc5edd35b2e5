"""`sysgen export`: finished rows as a dataset."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from sysgen_local.cli import options as opt


@click.command()
@click.option("-o", "--output", type=opt.PATH, required=True, help="Where to: .jsonl or .parquet.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["messages", "sharegpt", "alpaca"]),
    default="messages",
    show_default=True,
    help="messages (OpenAI, TRL, Axolotl), sharegpt, or alpaca with a system column.",
)
@opt.database
def export(output: Path, form: Any, db: Path) -> None:
    """Write the finished rows, in the order of the input.

    \b
    Example:
      sysgen export -o train.parquet --format messages --db data.duckdb
    """
    from sysgen_local.export import check
    from sysgen_local.export import export as write
    from sysgen_local.store import Store

    check(output)
    with Store.open(db, create=False, read_only=True) as store:
        result = write(store, output, format=form)
    click.echo(f"{result.rows:,} rows written to {output}", err=True)
    if result.skipped:
        click.echo(f"{result.skipped:,} rows with function calls have no place in {form}", err=True)
