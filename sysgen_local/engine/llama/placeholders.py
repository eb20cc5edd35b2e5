"""Row text through a Jinja template and back, without losing sight of what is row text.

A template is rendered over sentinels in place of the texts; afterwards the output is cut at the
sentinels. So whatever a row says, it is never parsed by the template, and stays known as row text.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator


class Placeholders:
    """Sentinels of one rendering."""

    def __init__(self) -> None:
        # Letters and digits only: they pass Jinja's filters (trim, tojson, escape) unchanged.
        self._nonce = secrets.token_hex(8)
        self._next = 0

    def new(self) -> str:
        """The sentinel of the next index, from 0."""
        self._next += 1
        return self.get(self._next - 1)

    def get(self, index: int) -> str:
        """The sentinel of that index."""
        return f"mark{self._nonce}n{index}e"

    def split(self, rendered: str) -> Iterator[str | int]:
        """The template's own text, and for every sentinel the index of its text, in order.
        Raises ValueError where a sentinel was cut."""
        before, *marked = rendered.split(f"mark{self._nonce}n")
        if before:
            yield before
        for part in marked:
            index, _, after = part.partition("e")
            yield int(index)
            if after:
                yield after
