"""The way from a browser to the page, with the token on no command line, where every user of the
machine could read it: the browser is given a file that only its owner can read, and that file
sends it on.
"""

from __future__ import annotations

import html
import os
import webbrowser
from contextlib import suppress
from pathlib import Path

_PAGE = """\
<!doctype html>
<meta charset="utf-8">
<meta name="referrer" content="no-referrer">
<meta http-equiv="refresh" content="0; url={address}">
<title>sysgen review</title>
<a href="{address}">To the page</a>
"""


class RedirectFile:
    """Beside the store, and not among temporary files: a browser in a sandbox cannot read those."""

    def __init__(self, path: Path, address: str) -> None:
        self._path = path
        self._address = address

    def open(self) -> bool:
        """Have a browser open the page; whether there was one, and a place for the file."""
        try:
            self._path.unlink(missing_ok=True)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
            with open(os.open(self._path, flags, 0o600), "w", encoding="utf-8") as file:
                file.write(_PAGE.format(address=html.escape(self._address)))
        except OSError:
            return False  # the address is on the terminal
        return webbrowser.open(self._path.absolute().as_uri())

    def close(self) -> None:
        """Remove the file; its address leads nowhere from now on."""
        with suppress(OSError):
            self._path.unlink()
