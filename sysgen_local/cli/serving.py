"""Serving a page from a command: until Ctrl-C, with a browser where there is a screen."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sysgen_local.cli.options import Command

if TYPE_CHECKING:
    from sysgen_local.serving.local_server import LocalServer

port = click.option(
    "--port", type=click.IntRange(0, 65535), default=0, metavar="N",
    help="Port of the page, on 127.0.0.1 only.  [default: a free one]",
)  # fmt: skip
show = click.option(
    "--open/--no-open", "show", default=True, help="Open the page in a browser."
)  # fmt: skip


def page_options(command: Command) -> Command:
    """Adds the options of every command that serves a page."""
    return port(show(command))


def announce(address: str, *, stderr: bool = False) -> None:
    """Prints the address of the page."""
    click.echo(f"{address}   (Ctrl-C ends it)", err=stderr)


def serve_until_signal(
    server: LocalServer,
    file: Path | None,
    *,
    end: Callable[[], None] = lambda: None,
    announce: Callable[[str], None] = announce,
) -> None:
    """Serves the page until Ctrl-C or SIGTERM, which are the normal end and not an error.

    `file` is where the private file is written that leads a browser to the page; None opens none.
    At each signal `end` is called, and the page is served until it returns. `announce` is called
    with the address once the page can be opened.
    """
    from sysgen_local.serving.redirect_file import RedirectFile

    def finish() -> None:
        end()
        server.shutdown()

    def stop(*_: object) -> None:
        # In another thread: `shutdown` waits for the loop that runs in this thread.
        threading.Thread(target=finish, daemon=True).start()

    redirect = RedirectFile(file, server.address) if file and _has_screen() else None
    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        announce(server.address)
        if redirect is not None:
            threading.Thread(target=redirect.open, daemon=True).start()
        server.serve_forever(poll_interval=0.1)
    finally:
        if redirect is not None:
            redirect.close()
        for number, handler in before.items():
            signal.signal(number, handler)


def login_name() -> str:
    """The name of the user; "unknown" where the system has none."""
    import getpass

    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # KeyError, ImportError: before Python 3.13
        return "unknown"


def _has_screen() -> bool:
    """Whether a graphical browser can open. Without a screen, a text browser could open and take
    over the terminal."""
    return sys.platform == "darwin" or any(map(os.environ.get, ("DISPLAY", "WAYLAND_DISPLAY")))
