"""Placeholders that stand for texts while a Jinja template is rendered.

What: a template is rendered over placeholders, and the result is cut at them afterwards.
Why: a text is never seen by the template, so nothing in it can act as template code, and the
result still tells which parts are text of a row and which belong to the template.
It also saves time: the result depends only on the order of placeholders, so it is rendered once
for each such order and reused for all rows.
A placeholder holds a random number, so that a text cannot contain it by accident or by intent.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator


class Placeholders:
    """The placeholders of one template or one rendering; each has an index, from 0."""

    def __init__(self) -> None:
        # Letters and digits only: Jinja's filters (trim, tojson, escape) leave them unchanged.
        self._nonce = secrets.token_hex(8)
        self._next = 0

    def new(self) -> str:
        """The placeholder of the next unused index."""
        self._next += 1
        return self.get(self._next - 1)

    def get(self, index: int) -> str:
        """The placeholder of this index."""
        return f"mark{self._nonce}n{index}e"

    def split(self, rendered: str) -> Iterator[str | int]:
        """The parts of a rendered template in order: text of the template as str, placeholders as
        their index. Raises ValueError where a placeholder was cut."""
        before, *marked = rendered.split(f"mark{self._nonce}n")
        if before:
            yield before
        for part in marked:
            index, _, after = part.partition("e")
            yield int(index)
            if after:
                yield after
