"""`sysgen testset`: a test set of a store's held-out rows."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sysgen_local.cli import options as opt
from sysgen_local.cli import values
from sysgen_local.cli.stores import note_missing, reading

if TYPE_CHECKING:
    from sysgen_local.evaluation.benchmarks.own import ItemKind


def _given(kinds: tuple[ItemKind, ...]) -> dict[str, Any]:
    """The kinds as an argument, where some were given."""
    return {"kinds": kinds} if kinds else {}


class _Share(click.FloatRange):
    def __init__(self) -> None:
        super().__init__(0, 1, min_open=True)


@click.command()
@click.option(
    "-o", "--output", type=values.file(".jsonl"), required=True, help="File to write (.jsonl)."
)
@opt.options(
    [
        click.option(
            "--held-out",
            type=_Share(),
            default=0.3,
            show_default=True,
            metavar="SHARE",
            help="Look at the last SHARE of the rows by the hash of `export --split`. Train on the "
            "rows before it.",
        ),
        click.option(
            "--limit",
            type=values.at_least(1),
            metavar="N",
            help="Write at most N items, those at the end of the share.",
        ),
        click.option(
            "--kind",
            "kinds",
            type=click.Choice(["obey", "plain", "conflict", "distract", "turns"]),
            multiple=True,
            help="Write only items of this kind.",
            metavar="KIND",
        ),
        opt.where,
        opt.quiet,
        opt.as_json,
    ]
)
def testset(
    output: Path,
    db: Path,
    held_out: float,
    limit: int | None,
    where: str | None,
    kinds: tuple[ItemKind, ...],
    quiet: bool,
    as_json: bool,
) -> None:
    """Write a test set of held-out rows that rules can grade.

    An obey item has the row's system message, and checks of each phrase that a rule can test, such
    as a number of sentences. A plain item has no system message, and an original answer with a
    result that a rule can compare. In a conflict item the user asks for the opposite of a demand,
    in a distract item for something else too; both name the obey item without it. A turns item has
    all turns of the user. `sysgen evaluate own` asks a model and grades its answers. Rows need no
    new answer, only a system message (phases 1 to 3). Near-duplicates of the other rows are left
    out. Train on the rows before the share: `sysgen export --split train=0.7`, or `sysgen train
    --test 0.3`.

    \b
    Examples:
      sysgen testset --db data.duckdb -o test.jsonl
      sysgen testset --db data.duckdb -o test.jsonl --held-out 0.1 --limit 500 --where "turns = 1"
      sysgen testset --db data.duckdb -o test.jsonl --kind obey --kind conflict
    """
    from sysgen_local.workflows.testset import write_testset

    with reading(db) as store:
        note_missing(store, where)
        done = write_testset(
            store, output, held_out=held_out, limit=limit, where=where, **_given(kinds)
        )
    if not quiet:
        for line in done.lines():
            click.echo(line, err=True)
    if as_json:
        from sysgen_local.cli import outputs

        outputs.print_json(
            outputs.TestSet(
                path=str(done.path),
                held_out=done.held_out,
                looked_at=done.looked_at,
                items=dict(done.items),
                checks={kind: dict(of) for kind, of in done.checks.items()},
                left_out={kind: dict(of) for kind, of in done.left_out.items()},
            )
        )
