"""Tables: those of the terminal, all alike, and those that a page and Markdown show as well."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from rich.table import Table as RichTable
    from rich.text import Text


@dataclass(frozen=True, slots=True)
class Table:
    """Plain cells, so that a terminal, Markdown and a page can each draw them."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = field(default=())

    def rich(self) -> RichTable:
        """For a terminal."""
        first, *others = self.columns
        table = new_table(self.title, first, *(f">{name}" for name in others))
        for row in self.rows:
            table.add_row(*map(plain, row))
        table.caption = "\n".join(self.notes) or None
        return table

    def markdown(self) -> str:
        """As Markdown takes it; a bar in a name is escaped."""
        lines = [self.columns, tuple("--:" if i else ":--" for i in range(len(self.columns)))]
        lines += self.rows
        drawn = ["| " + " | ".join(c.replace("|", "\\|") for c in line) + " |" for line in lines]
        notes = [line for note in self.notes for line in ("", note)]
        return "\n".join([f"### {self.title}", "", *drawn, *notes])


def new_table(title: str, *columns: str) -> RichTable:
    """Columns whose names begin with > are numbers."""
    from rich.table import Table as RichTable

    table = RichTable(title=title, title_justify="left", caption_justify="left")
    for name in columns:
        justify: Literal["left", "right"] = "right" if name.startswith(">") else "left"
        table.add_column(name.lstrip(">"), justify=justify, overflow="fold")
    return table


def plain(text: str) -> Text:
    """Without rich's markup: it came with the data."""
    from rich.text import Text

    return Text(text)
