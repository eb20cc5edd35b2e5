"""Tables of plain cells that can be shown in a terminal, in Markdown and on a page."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
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
    (numbers). Where the table does not fit, it is drawn without vertical lines, and no number
    and no word of a heading is broken as long as each column of text keeps `_TEXT` characters."""
    table = _fitted_type()(title=title, title_justify="left", caption_justify="left")
    for name in columns:
        justify: Literal["left", "right"] = "right" if name.startswith(">") else "left"
        table.add_column(name.lstrip(">"), justify=justify, overflow="fold")
    return table


_TEXT = 12
"""Smallest useful width of a column of text, in characters."""
_HEADING = 6
"""A heading with more characters has a line for each of its words where the table is narrow."""


@cache
def _fitted_type() -> type[RichTable]:
    from rich import box
    from rich.console import Console, ConsoleOptions, RenderResult
    from rich.table import Table as RichTable

    class FittedTable(RichTable):
        def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
            if self._whole_width(console) > options.max_width:
                self._narrow(console, options.max_width)
            yield from super().__rich_console__(console, options)

        def _whole_width(self, console: Console) -> int:
            """The width without any line broken."""
            unlimited = console.options.update(max_width=10_000)
            return console.measure(self, options=unlimited).maximum

        def _narrow(self, console: Console, width: int) -> None:
            self.box, self.show_edge, self.pad_edge = box.SIMPLE_HEAD, False, False
            self.padding = (0, 1, 0, 0)
            numbers = [column for column in self.columns if column.justify == "right"]
            for column in numbers:
                if len(heading := str(column.header)) > _HEADING:
                    column.header = heading.replace(" ", "\n")
            texts = [column for column in self.columns if column.justify != "right"]
            saved = [column.max_width for column in texts]
            for column in texts:
                column.max_width = _TEXT
            fits = self._whole_width(console) <= width
            for column, most in zip(texts, saved, strict=True):
                column.max_width = most
            for column in numbers:
                column.no_wrap = fits
            if not fits:  # else rich makes the table wider than the terminal, and cuts it off
                for column in texts:
                    column.min_width = None

    return FittedTable


def literal(text: str) -> Text:
    """Text of a dataset, in which rich must not interpret markup."""
    from rich.text import Text

    return Text(text)


def percent(share: float | None) -> str:
    """A share in per cent with one decimal, without the sign."""
    return "-" if share is None else f"{share:.1%}".rstrip("%")


def percents(low: float | None, high: float | None) -> str:
    """An interval of a share in per cent, as [21.9, 61.3]; "" if it is not known."""
    return "" if low is None or high is None else f"[{percent(low)}, {percent(high)}]"
