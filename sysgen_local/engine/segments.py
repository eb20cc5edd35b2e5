"""Row text through a Jinja template and back, without losing sight of what is row text.

A template is rendered over sentinels in place of the texts; afterwards the output is cut at the
sentinels. So whatever a row says, it is never parsed by the template, and stays known as row text.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator

from sysgen_local.engine.request import Segment


class Marks:
    """Sentinels of one rendering."""

    def __init__(self) -> None:
        # Letters and digits only: they pass Jinja's filters (trim, tojson, escape) unchanged.
        self._nonce = secrets.token_hex(8)
        self._texts: list[str] = []

    def mark(self, text: str) -> str:
        """A sentinel that stands for `text`."""
        self._texts.append(text)
        return self.at(len(self._texts) - 1)

    def at(self, index: int) -> str:
        """The sentinel of that index."""
        return f"mark{self._nonce}n{index}e"

    def pieces(self, rendered: str) -> Iterator[str | int]:
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

    def split(self, rendered: str) -> tuple[Segment, ...]:
        """Trusted template text and untrusted marked text, in order."""
        return tuple(
            Segment(piece) if isinstance(piece, str) else Segment(self._texts[piece], trusted=False)
            for piece in self.pieces(rendered)
        )
