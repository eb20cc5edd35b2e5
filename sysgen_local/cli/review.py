"""`sysgen review`: a person accepts, rejects and edits finished rows, on a local web page."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import click

from sysgen_local.cli import options as opt
from sysgen_local.cli import values
from sysgen_local.cli.review_labels import add_labels, blind_review, write_labels
from sysgen_local.cli.serving import announce, login_name, page_options, serve_until_signal
from sysgen_local.cli.stores import note_missing, reading
from sysgen_local.core.counted import counted


@click.command()
@click.option("--sample", type=values.at_least(1), metavar="N", help="Review N random rows.")
@click.option(
    "--seed",
    type=values.SEED,
    default=0,
    metavar="N",
    help="Seed of --sample. Another seed draws other rows.  [default: 0]",
)
@click.option(
    "--unsure",
    is_flag=True,
    help="Review only unsure rows: one phrase has a p(good) below 0.7, a check of the answer has a "
    "probability below 0.7, or the checks could say nothing about the answer. The page has a "
    "switch for the same.",
)
@click.option(
    "--reviewer",
    metavar="NAME",
    help="Name that is stored with every decision.  [default: the login name]",
)
@click.option(
    "--blind",
    type=click.Choice(["phrases", "pairs", "both"]),
    is_flag=False,
    flag_value="both",
    metavar="[phrases|pairs]",
    help="Label phrases and pairs of answers before you see the model's verdict, for `sysgen judge "
    "--trust`. Half of them are drawn by chance, half are those on which the model was least sure. "
    "With --sample, N of each; else 100.",
)
@page_options
@click.option(
    "--export",
    "exported",
    type=values.file(".jsonl"),
    metavar="FILE.jsonl",
    help="Write all decisions, edits and notes to this file, and open no page.",
)
@click.option(
    "--import",
    "imported",
    type=values.file(".jsonl"),
    metavar="FILE.jsonl",
    help="Add the decisions of such a file to the store, all or none, and open no page. A row is "
    "known by its conversation. Where the store has a newer decision, that one stays.",
)
@click.option(
    "--overwrite",
    is_flag=True,
    help="With --import: where the store has another decision, take the one of the file.",
)
@click.option(
    "--export-labels",
    type=values.file(".csv", ".jsonl"),
    metavar="FILE",
    help="Write all labels of --blind to this file.",
)
@click.option(
    "--import-labels",
    type=values.file(".csv", ".jsonl"),
    metavar="FILE",
    help="Add the labels of such a file, all or none. The later word of one reviewer about a "
    "thing counts.",
)
@opt.where
@opt.as_json
@opt.database
def review(
    sample: int | None,
    seed: int,
    unsure: bool,
    reviewer: str | None,
    blind: str | None,
    port: int,
    show: bool,
    exported: Path | None,
    imported: Path | None,
    overwrite: bool,
    export_labels: Path | None,
    import_labels: Path | None,
    where: str | None,
    as_json: bool,
    db: Path,
) -> None:
    """Accept, decline and edit finished rows in a browser.

    On the page you accept or decline a row, edit a phrase, its tag or the answer, write a note,
    search, or undo, all by keyboard. Every decision is written to the store immediately, next to
    the results of the model, which it does not change. `sysgen export` leaves out declined rows and
    writes edited rows as you edited them. `sysgen respond --edited` then writes new answers for the
    rows whose system message you edited, but not where you edited the answer. Rows with a decision
    are not shown again. Ctrl-C ends the review. Until then, other commands can read the store, but
    not write to it.

    --blind asks whether single phrases are good, and which of two answers is better. It shows the
    verdict of the model only after you have decided.

    \b
    Examples:
      sysgen review --db data.duckdb
      sysgen review --unsure --reviewer ann
      sysgen review --sample 50 --where "p_good < 0.7"
      sysgen review --no-open --port 8765    # elsewhere: ssh -L 8765:127.0.0.1:8765 HOST
      sysgen review --blind --reviewer ann
      sysgen review --export-labels labels.csv
      sysgen review --export decisions.jsonl
      sysgen review --db copy.duckdb --import decisions.jsonl
    """
    from sysgen_local.core.errors import UsageError
    from sysgen_local.review.server import ReviewServer
    from sysgen_local.review.session import Session
    from sysgen_local.store import RowQuery, Store

    labels = {
        "--blind": blind, "--export-labels": export_labels, "--import-labels": import_labels
    }  # fmt: skip
    if which := next((name for name, value in labels.items() if value), None):
        given = {
            "--unsure": unsure, "--where": where, "--seed": seed, "--export": exported,
            "--import": imported, "--overwrite": overwrite,
            "--sample": sample and not blind, **labels, which: None,
        }  # fmt: skip
        if name := next((name for name, value in given.items() if value), None):
            raise UsageError(f"{which} cannot go with {name}", hint="leave one of the two off")
        if export_labels:
            write_labels(db, export_labels, as_json=as_json)
            return
        if import_labels:
            add_labels(db, import_labels, as_json=as_json)
            return
        assert blind is not None
        blind_review(db, blind, sample, reviewer or login_name(), port, show=show, as_json=as_json)
        return
    if overwrite and not imported:
        raise UsageError("--overwrite is for --import", hint="leave it off, or add --import FILE")
    if exported or imported:
        given = {
            "--sample": sample, "--unsure": unsure, "--where": where,
            "--export": exported and imported,
        }  # fmt: skip
        if name := next((name for name, value in given.items() if value), None):
            which = "--import" if imported else "--export"
            raise UsageError(
                f"{which} is for all decisions and cannot go with {name}", hint="leave one off"
            )
        if exported:
            _export_decisions(db, exported, as_json=as_json)
        if imported:
            _import_decisions(db, imported, overwrite=overwrite, as_json=as_json)
        return
    with Store.open(db, create=False) as store:
        query = RowQuery(
            "final", where=where, limit=sample, seed=seed if sample else None, unsure=unsure
        )
        session = Session(store, query, reviewer or login_name())
        total = len(session.rows)
        if not total:
            note_missing(store, where)
            meets = " and ".join(
                [*["is unsure"] * unsure, *["meets --where"] * (where is not None)]
            )
            raise UsageError(
                f"{db} has no finished row to review{meets and f' that {meets}'}",
                hint=f"`sysgen stats --db {db}` shows where its rows stand",
            )
        with ReviewServer(session, title=f"Review of {db.stem}", port=port) as server:
            file = db.with_name(f"{db.name}.review.html") if show else None
            serve_until_signal(server, file, announce=partial(announce, stderr=as_json))
        commands = session.ending().commands(db)
        session.close()
    decided = session.decided()
    click.echo(
        f"\n{decided.total():,} of {total:,} rows decided ({session.made:,} now): "
        f"{decided['accepted']:,} accepted, {decided['rejected']:,} declined",
        err=True,
    )
    for purpose, command in commands:
        click.echo(f"{purpose}:\n  {command}", err=True)
    if as_json:
        from sysgen_local.cli import outputs

        outputs.print_json(
            outputs.Reviewed(
                db=str(db),
                rows=total,
                decided=decided.total(),
                now=session.made,
                accepted=decided["accepted"],
                rejected=decided["rejected"],
            )
        )


def _export_decisions(db: Path, file: Path, *, as_json: bool) -> None:
    """Writes all decisions of the store to a file."""
    from sysgen_local.review import decision_file

    with reading(db) as store:
        number = decision_file.export(store, file)
    click.echo(f"{counted(number, 'decision')} written to {file}", err=True)
    if as_json:
        from sysgen_local.cli import outputs

        outputs.print_json(outputs.ExportedDecisions(db=str(db), path=str(file), decisions=number))


def _import_decisions(db: Path, file: Path, *, overwrite: bool, as_json: bool) -> None:
    """Adds the decisions of a file to the store."""
    from sysgen_local.review import decision_file
    from sysgen_local.store import Store

    with Store.open(db, create=False) as store:
        merged = decision_file.load(store, file, overwrite=overwrite)
    click.echo(
        f"{merged.new:,} new, {merged.changed:,} changed, {merged.same:,} the same, "
        f"{merged.kept:,} kept as the store has them",
        err=True,
    )
    if merged.kept:
        click.echo(
            "Kept: the store has a newer decision, or one about its present answer "
            "(--overwrite takes those of the file)",
            err=True,
        )
    if merged.waiting:
        click.echo(
            f"About other answers than the rows have now: {counted(merged.waiting, 'decision')}, "
            "valid once a row has that answer",
            err=True,
        )
    if as_json:
        from sysgen_local.cli import outputs

        outputs.print_json(
            outputs.ImportedDecisions(
                db=str(db),
                new=merged.new,
                changed=merged.changed,
                same=merged.same,
                kept=merged.kept,
                waiting=merged.waiting,
            )
        )
