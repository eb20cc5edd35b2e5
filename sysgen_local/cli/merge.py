"""`sysgen merge`: several stores into one."""

from __future__ import annotations

from pathlib import Path

import click

from sysgen_local.cli import options as opt
from sysgen_local.cli import values
from sysgen_local.core.shard import described


@click.command()
@click.argument(
    "stores", type=values.DATABASE_FILE, nargs=-1, required=True, metavar="STORE.duckdb..."
)
@click.option(
    "-o",
    "--output",
    type=values.DATABASE_FILE,
    required=True,
    help="The new store: a file that is not there yet.",
)
@click.option(
    "--partial",
    is_flag=True,
    help="Merge shards although some are missing. The result can be merged with the others later.",
)
@click.option("--replace", is_flag=True, help="Replace the store at -o if there is one.")
@opt.quiet
@opt.as_json
def merge(
    stores: tuple[Path, ...],
    output: Path,
    partial: bool,
    replace: bool,
    quiet: bool,
    as_json: bool,
) -> None:
    """Merge stores into one, with all results, reviews and verdicts.

    The STOREs are the shards of a dataset (`sysgen run --shard I/N`), or stores of different inputs
    that were made with the same model and options. They are only read. Rows of shards keep their
    numbers, so the result is the store that a single run would have made. Rows of other stores are
    numbered in the order of the STOREs. Rows that are not done stay pending, and `sysgen run --db`
    continues them.

    Nothing is written if the stores do not belong together: if a shard is missing or there twice,
    if a phase was done with different options, or if two stores hold different results for a row.

    \b
    Examples:
      sysgen merge shard-*.duckdb -o all.duckdb
      sysgen merge ann.duckdb ben.duckdb -o all.duckdb
      sysgen merge shard-1.duckdb shard-3.duckdb --partial -o some.duckdb
    """
    from sysgen_local.workflows.merge import merge as merge_stores

    def say(line: str) -> None:
        if not quiet:
            click.echo(line, err=True)

    done = merge_stores(stores, output, partial=partial, replace=replace, say=say)
    say(f"{done.counts}  ({output})")
    if done.shard is not None:
        say(f"only {described(done.shard)}")
    if done.counts.pending:
        say(f"`sysgen run --db {output}` does the pending rows")
    if as_json:
        from sysgen_local.cli import outputs

        outputs.print_json(
            outputs.Merged(
                db=str(output),
                stores=[str(path) for path in stores],
                rows=outputs.Rows(**done.counts.rows()),
                shard=outputs.Shard(**done.shard) if done.shard else None,
            )
        )
