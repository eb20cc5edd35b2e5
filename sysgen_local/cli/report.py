"""`sysgen report`: writes an HTML page about a store."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sysgen_local.cli import options as opt

if TYPE_CHECKING:
    from sysgen_local.report.grid import Table


@click.command()
@click.option("-o", "--output", type=opt.PATH, required=True, help="HTML file to write (.html).")
@click.option("--title", help="Title of the page.  [default: the store's name]")
@click.option(
    "--evaluation",
    type=opt.PATH,
    help="Show the scores of benchmarks too. FILE is the --db of `sysgen evaluate` or `study`.",
)
@opt.sources
@opt.database
def report(
    output: Path, title: str | None, evaluation: Path | None, sources: Sequence[str], db: Path
) -> None:
    """Write an HTML page about a store.

    The page is one file and opens without a network. It shows the counts of rows by phase (funnel),
    tags, verdicts, checks, lengths, speed, licences, and rows that you can search and filter. Use
    it after a run, to look at the results or to give them to somebody.

    \b
    Example:
      sysgen report -o report.html --db data.duckdb
    """
    from sysgen_local.core.errors import UsageError
    from sysgen_local.core.files import write
    from sysgen_local.evaluation.preference import summary
    from sysgen_local.exporting import licenses
    from sysgen_local.report.page import page
    from sysgen_local.store import Store

    if not output.parent.is_dir():
        raise UsageError(f"The folder {output.parent} does not exist", hint="make it first")
    with Store.open(db, create=False, read_only=True) as store:
        if sources:
            store.narrow(store.sources(sources))
        every = licenses(store.stats(), store.lineage())
        asks = [(name, of.id, of.asks) for name, of in every.items()]
        judgements = summary(store.judgements())
        found = _evaluation(evaluation) if evaluation else []
        text = page(
            store,
            title=title or db.stem,
            licences=asks,
            judgements=judgements,
            benchmarks=found,
        )
    write(output, text)
    click.echo(f"{output}: {output.stat().st_size:,} bytes", err=True)


def _evaluation(path: Path) -> list[Table]:
    from sysgen_local.report.benchmarks import section
    from sysgen_local.store.evaluation import Evaluation

    with Evaluation.open(path, create=False, read_only=True) as store:
        return section(store)
