"""`sysgen review`: a person goes through finished rows, on a page that this machine serves."""

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
@click.option("--sample", type=click.IntRange(1), metavar="N", help="N rows by chance.")
@click.option("--seed", type=int, default=0, metavar="N", help="Another sample.  [default: 0]")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=0, metavar="N",
    help="Where the page listens, on 127.0.0.1 alone.  [default: a free one]",
)  # fmt: skip
@click.option("--open/--no-open", "show", default=True, help="Open the page in a browser.")
@opt.where
@opt.database
def review(
    sample: int | None, seed: int, port: int, show: bool, where: str | None, db: Path
) -> None:
    """Go through finished rows by keyboard: accept, reject, edit a phrase or its tag, undo.

    What is decided is kept at once, beside what the model did, and wins in `sysgen export`:
    rejected rows stay behind, edited ones leave with their new system message. `sysgen respond
    --edited` answers edited rows anew. Rows decided before are passed over. Ctrl-C ends it; until
    then no other command can open the store.

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
            _until_stopped(server, redirect if show and _has_screen() else None)
        session.close()
    decided = session.decided()
    click.echo(
        f"\n{decided.total():,} of {total:,} rows decided ({session.made:,} now): "
        f"{decided['accepted']:,} accepted, {decided['rejected']:,} rejected",
        err=True,
    )


def _until_stopped(server: ReviewServer, redirect: RedirectFile | None) -> None:
    """Ctrl-C or SIGTERM is how this is meant to end, so it is no interruption. With a redirect, a
    browser opens the page."""

    def stop(*_: object) -> None:
        # From a thread: `shutdown` waits for the loop that this handler interrupts.
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
    """Without one, a browser would be one for the terminal, and take it over."""
    return sys.platform == "darwin" or any(map(os.environ.get, ("DISPLAY", "WAYLAND_DISPLAY")))
