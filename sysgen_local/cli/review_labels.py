"""The parts of `sysgen review` that are about labels: what people decide blind."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sysgen_local.cli.serving import announce, serve_until_signal
from sysgen_local.cli.stores import reading
from sysgen_local.core.counted import counted

if TYPE_CHECKING:
    from sysgen_local.store import Kind

KINDS: dict[str, tuple[Kind, ...]] = {
    "phrases": ("phrase",),
    "pairs": ("pair",),
    "both": ("phrase", "pair"),
}


def blind_review(
    db: Path,
    what: str,
    sample: int | None,
    reviewer: str,
    port: int,
    *,
    show: bool,
    as_json: bool,
) -> None:
    """Serves the page on which a person labels without seeing a verdict."""
    from sysgen_local.review.blind.server import BlindServer
    from sysgen_local.review.blind.session import MOST, BlindSession
    from sysgen_local.store import Store

    with Store.open(db, create=False) as store:
        session = BlindSession(store, reviewer, KINDS[what], sample or MOST)
        asked = session.asked
        with BlindServer(session, title=f"Blind review of {db.stem}", port=port) as server:
            file = db.with_name(f"{db.name}.review.html") if show else None
            serve_until_signal(server, file, announce=partial(announce, stderr=as_json))
        agreed = session.agreed()
        session.close()
    decided = session.decided
    click.echo(
        f"\n{decided:,} of {asked:,} decided by {reviewer}, {agreed:,} as the model did", err=True
    )
    click.echo(f"How far the judge can be trusted:\n  sysgen judge --trust --db {db}", err=True)
    if as_json:
        from sysgen_local.cli import outputs

        outputs.print_json(
            outputs.Labelled(
                db=str(db), reviewer=reviewer, asked=asked, decided=decided, agreed=agreed
            )
        )


def write_labels(db: Path, file: Path, *, as_json: bool) -> None:
    """Writes all labels of the store to a file."""
    from sysgen_local.review import label_file

    with reading(db) as store:
        number = label_file.export(store, file)
    click.echo(f"{counted(number, 'label')} written to {file}", err=True)
    if as_json:
        from sysgen_local.cli import outputs

        outputs.print_json(outputs.ExportedLabels(db=str(db), path=str(file), labels=number))


def add_labels(db: Path, file: Path, *, as_json: bool) -> None:
    """Adds the labels of a file to the store."""
    from sysgen_local.review import label_file
    from sysgen_local.store import Store

    with Store.open(db, create=False) as store:
        added = label_file.load(store, file)
    click.echo(
        f"{added.new:,} new, {added.changed:,} changed, {added.same:,} the same, {added.kept:,} "
        "kept, because the reviewer said something else later",
        err=True,
    )
    if added.waiting:
        click.echo(
            f"About phrases or answers that the store has no verdict on: "
            f"{counted(added.waiting, 'label')}",
            err=True,
        )
    if as_json:
        from sysgen_local.cli import outputs

        outputs.print_json(outputs.ImportedLabels(db=str(db), **added._asdict()))
