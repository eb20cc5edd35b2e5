"""A private HTML file that redirects the browser to a page of a local server.

The address of the page has an access token. On a command line, every user of the machine could
read it. So the browser gets the path of this file, which only its owner can read.
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
<title>sysgen</title>
<a href="{address}">To the page</a>
"""


class RedirectFile:
    """It is beside the store, because a browser in a sandbox cannot read temporary files."""

    def __init__(self, path: Path, address: str) -> None:
        self._path = path
        self._address = address

    def open(self) -> bool:
        """Writes the file and opens it in a browser. False if there is no browser or the file
        cannot be written."""
        try:
            self._path.unlink(missing_ok=True)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
            with open(os.open(self._path, flags, 0o600), "w", encoding="utf-8") as file:
                file.write(_PAGE.format(address=html.escape(self._address)))
        except OSError:
            return False  # the user can take the address from the terminal
        return webbrowser.open(self._path.absolute().as_uri())

    def close(self) -> None:
        """Removes the file."""
        with suppress(OSError):
            self._path.unlink()
