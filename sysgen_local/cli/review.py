"""`sysgen review`: a person accepts, rejects and edits finished rows, on a local web page."""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sysgen_local.cli import options as opt

if TYPE_CHECKING:
    from sysgen_local.review.redirect_file import RedirectFile
    from sysgen_local.review.server import ReviewServer


@click.command()
@click.option("--sample", type=click.IntRange(1), metavar="N", help="Review N random rows.")
@click.option(
    "--seed",
    type=int,
    default=0,
    metavar="N",
    help="Seed of --sample. Another seed draws other rows.  [default: 0]",
)
@click.option(
    "--port", type=click.IntRange(0, 65535), default=0, metavar="N",
    help="Port of the page, on 127.0.0.1 only.  [default: a free one]",
)  # fmt: skip
@click.option("--open/--no-open", "show", default=True, help="Open the page in a browser.")
@opt.where
@opt.database
def review(
    sample: int | None, seed: int, port: int, show: bool, where: str | None, db: Path
) -> None:
    """Accept, reject and edit finished rows in a browser.

    On the page you accept or reject a row, edit a phrase or its tag, or undo, all by keyboard.
    Every decision is written to the store immediately, next to the results of the model, which it
    does not change. `sysgen export` leaves out rejected rows and writes edited rows with their new
    system message. `sysgen respond --edited` then writes new answers for the edited rows. Rows with
    a decision are not shown again. Ctrl-C ends the review. Until then, no other command can open
    the store.

    \b
    Examples:
      sysgen review --db data.duckdb
      sysgen review --sample 50 --where "p_good < 0.7"
      sysgen review --no-open --port 8765    # elsewhere: ssh -L 8765:127.0.0.1:8765 HOST
    """
    from sysgen_local.core.errors import UsageError
    from sysgen_local.review.redirect_file import RedirectFile
    from sysgen_local.review.server import ReviewServer
    from sysgen_local.review.session import Session
    from sysgen_local.store import RowQuery, Store

    with Store.open(db, create=False) as store:
        query = RowQuery("final", where=where, limit=sample, seed=seed if sample else None)
        session = Session(store, query)
        total = len(session.rows)
        if not total:
            raise UsageError(
                f"{db} has no finished row to review{' that meets --where' if where else ''}",
                hint=f"`sysgen stats --db {db}` shows where its rows stand",
            )
        with ReviewServer(session, title=f"Review of {db.stem}", port=port) as server:
            redirect = RedirectFile(db.with_name(f"{db.name}.review.html"), server.address)
            _serve_until_signal(server, redirect if show and _has_screen() else None)
        session.close()
    decided = session.decided()
    click.echo(
        f"\n{decided.total():,} of {total:,} rows decided ({session.made:,} now): "
        f"{decided['accepted']:,} accepted, {decided['rejected']:,} rejected",
        err=True,
    )


def _serve_until_signal(server: ReviewServer, redirect: RedirectFile | None) -> None:
    """Serves the page until Ctrl-C or SIGTERM, which are the normal end and not an error. With a
    redirect file, the page is opened in a browser."""

    def stop(*_: object) -> None:
        # In another thread: `shutdown` waits for the loop that runs in this thread.
        threading.Thread(target=server.shutdown, daemon=True).start()

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        click.echo(f"{server.address}   (Ctrl-C ends it)")
        if redirect is not None:
            threading.Thread(target=redirect.open, daemon=True).start()
        server.serve_forever(poll_interval=0.1)
    finally:
        if redirect is not None:
            redirect.close()
        for number, handler in before.items():
            signal.signal(number, handler)


def _has_screen() -> bool:
    """Whether a graphical browser can open. Without a screen, a text browser could open and take
    over the terminal."""
    return sys.platform == "darwin" or any(map(os.environ.get, ("DISPLAY", "WAYLAND_DISPLAY")))
