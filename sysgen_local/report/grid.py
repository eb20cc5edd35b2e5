"""Tables for the terminal, all alike."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text


def new_table(title: str, *columns: str) -> Table:
    """Columns whose names begin with > are numbers."""
    from rich.table import Table

    table = Table(title=title, title_justify="left", caption_justify="left")
    for name in columns:
        justify: Literal["left", "right"] = "right" if name.startswith(">") else "left"
        table.add_column(name.lstrip(">"), justify=justify, overflow="fold")
    return table


def plain(text: str) -> Text:
    """Without rich's markup: it came with the data."""
    from rich.text import Text

    return Text(text)
