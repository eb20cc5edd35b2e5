"""Tables of plain cells that can be shown in a terminal, in Markdown and on a page."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from rich.table import Table as RichTable
    from rich.text import Text


@dataclass(frozen=True, slots=True)
class Table:
    """A table of text cells. A terminal, Markdown and a page can show it."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = field(default=())

    def rich(self) -> RichTable:
        """The table for a terminal."""
        first, *others = self.columns
        table = new_table(self.title, first, *(f">{name}" for name in others))
        for row in self.rows:
            table.add_row(*map(literal, row))
        table.caption = "\n".join(self.notes) or None
        return table

    def markdown(self) -> str:
        """The table in Markdown. A vertical bar in a cell is escaped."""
        lines = [self.columns, tuple("--:" if i else ":--" for i in range(len(self.columns)))]
        lines += self.rows
        drawn = ["| " + " | ".join(c.replace("|", "\\|") for c in line) + " |" for line in lines]
        notes = [line for note in self.notes for line in ("", note)]
        return "\n".join([f"### {self.title}", "", *drawn, *notes])


def new_table(title: str, *columns: str) -> RichTable:
    """An empty table for a terminal. A column whose name begins with > is right-aligned
    (numbers)."""
    from rich.table import Table as RichTable

    table = RichTable(title=title, title_justify="left", caption_justify="left")
    for name in columns:
        justify: Literal["left", "right"] = "right" if name.startswith(">") else "left"
        table.add_column(name.lstrip(">"), justify=justify, overflow="fold")
    return table


def literal(text: str) -> Text:
    """Text of a dataset, in which rich must not interpret markup."""
    from rich.text import Text

    return Text(text)
