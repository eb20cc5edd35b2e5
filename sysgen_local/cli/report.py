"""`sysgen report`: writes an HTML page about a store."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sysgen_local.cli import options as opt
from sysgen_local.cli import values
from sysgen_local.cli.stores import reading

if TYPE_CHECKING:
    from sysgen_local.report.grid import Table


@click.command()
@click.option(
    "-o",
    "--output",
    type=values.file(".html", ".htm"),
    required=True,
    help="File to write (.html).",
)
@click.option("--title", help="Title of the page.  [default: the store's name]")
@click.option(
    "--evaluation",
    type=values.DATABASE_FILE,
    help="Show benchmark scores too. FILE is the --db of `sysgen evaluate` or `study`.",
)
@click.option(
    "--training",
    "trainings",
    type=values.FOLDER,
    multiple=True,
    help="Show the curves of this folder of `sysgen train` too. Give the option several times for "
    "several.",
)
@opt.sources
@opt.quiet
@opt.as_json
@opt.database
def report(
    output: Path,
    title: str | None,
    evaluation: Path | None,
    trainings: Sequence[Path],
    sources: Sequence[str],
    quiet: bool,
    as_json: bool,
    db: Path,
) -> None:
    """Write an HTML page about a store.

    The page is one file and opens without a network. It shows the counts of rows by phase (funnel),
    tags, verdicts, checks, lengths, speed, licences, and rows that you can search and filter, with
    the words marked that differ between the old and the new answer. Use it after a run, to look at
    the results or to give them to somebody: it names files and their hashes, and no folders.

    \b
    Examples:
      sysgen report -o report.html --db data.duckdb
      sysgen report -o report.html --db data.duckdb --training my-model --evaluation eval.duckdb
    """
    from sysgen_local.core.files import check_folder, write
    from sysgen_local.workflows.report import report as whole

    check_folder(output)
    with reading(db) as store:
        if sources:
            store.narrow(store.sources(sources))
        found = _evaluation(evaluation) if evaluation else []
        text = whole(store, title=title or db.stem, benchmarks=found, trainings=trainings)
    write(output, text)
    size = output.stat().st_size
    if not quiet:
        click.echo(f"{output}: {size:,} bytes", err=True)
    if as_json:
        from sysgen_local.cli import outputs

        outputs.print_json(outputs.Page(path=str(output), bytes=size))


def _evaluation(path: Path) -> list[Table]:
    from sysgen_local.report.benchmarks import section
    from sysgen_local.store.evaluation import Evaluation

    with Evaluation.open(path, create=False, read_only=True) as store:
        return section(store)
