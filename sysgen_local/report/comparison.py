"""Prints rows as several models or prompt sets made them, side by side on a terminal.

The combinations run one after another. For the first ones, each row is printed in brief when it is
finished. With the last one, the row has all its columns and is printed in full.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import zip_longest
from typing import TYPE_CHECKING, NamedTuple

from sysgen_local.core.numbered import numbered
from sysgen_local.core.records import TAGS, Check, Row, Verdict
from sysgen_local.report.colours import colour
from sysgen_local.report.grid import Table
from sysgen_local.report.row_json import dropped_in
from sysgen_local.report.row_view import row_view
from sysgen_local.store import Origin

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.text import Text

NARROWEST = 44
"""Minimum width of a column in characters."""

ROOMY = 110
"""Width of the summary in characters, without the labels, with one line for each combination."""


class Column(NamedTuple):
    """The rows of one combination, and the seconds that its models worked."""

    label: str
    rows: tuple[Row, ...]
    seconds: float


class RowComparison:
    """Prints the rows when they are finished. `labels` are the columns in their order. With
    `beside` the columns are side by side if the console is wide enough."""

    def __init__(self, console: Console, labels: Sequence[str], *, beside: bool) -> None:
        self._console = console
        self._labels = labels
        self._beside = beside and console.width >= NARROWEST * len(labels)
        self._rows: dict[int, dict[str, Row]] = defaultdict(dict)
        self._begun: str | None = None

    def add(self, label: str, row: Row, origin: Origin) -> None:
        """Prints a row that is finished in one column. The rows of the last column come last."""
        cells = self._rows[row.row]
        cells[label] = row
        for part in self._parts(label, row, origin, cells):
            self._console.print(part)

    def _parts(
        self, label: str, row: Row, origin: Origin, cells: Mapping[str, Row]
    ) -> Iterator[RenderableType]:
        from rich.rule import Rule
        from rich.text import Text

        if len(self._labels) == 1:
            yield from row_view(row, origin)
            return
        if label == self._labels[-1]:
            yield from side_by_side(origin, cells, beside=self._beside)
            return
        if label != self._begun:
            self._begun = label
            yield Rule(Text(label, "bold"))
        yield short_view(row, origin)


def short_view(row: Row, origin: Origin) -> RenderableType:
    """The system message, and one line each for the instruction and the answer."""
    from rich.console import Group
    from rich.padding import Padding

    parts: list[RenderableType] = [
        _line(f"row {row.row}  {_place(origin)}", row.conversation.turns[0].content)
    ]
    if (system := _system(row)) is not None:
        parts.append(Padding(system, (0, 0, 0, 2)))
    answers = _answers(row)
    parts.append(Padding(_line(_end(row), answers[0] if answers else ""), (0, 0, 0, 2)))
    return Group(*parts)


def side_by_side(
    origin: Origin, cells: Mapping[str, Row], *, beside: bool
) -> Iterator[RenderableType]:
    """The row's original conversation once, then its result in each column."""
    from rich.console import Group
    from rich.panel import Panel
    from rich.rule import Rule
    from rich.table import Table as Grid
    from rich.text import Text

    row = next(iter(cells.values()))
    yield Rule(Text(f"row {row.row}  {_place(origin)}", "bold"))
    if row.conversation.system:
        yield _panel("system message it came with", row.conversation.system)
    for turn in row.conversation.turns:
        yield _panel("original answer" if turn.role == "assistant" else turn.role, turn.text)
    panels = [
        Panel(
            Group(*_column(row)), title=Text(label), title_align="left",
            border_style="red" if dropped_in(row) else "green",
        )
        for label, row in cells.items()
    ]  # fmt: skip
    if not beside:
        yield from panels
        return
    grid = Grid.grid(expand=True)
    for _ in panels:
        grid.add_column(ratio=1)
    grid.add_row(*panels)
    yield grid


def summary(columns: Sequence[Column], width: int) -> Table:
    """One line for each combination; if that is too wide, one column for each."""
    names = (
        "combination", "final", "dropped", "seconds a row", "rows/h", "tags used",
        "phrases a row", "filter removed", "agrees", "obeys",
    )  # fmt: skip
    lines = [_sums(column) for column in columns]
    if width < ROOMY + max(len(column.label) for column in columns):
        names, *lines = zip(names, *lines, strict=True)
    note = "rows/h is the least to expect: a long run has more rows in work at once"
    return Table(_ended(columns), names, tuple(lines), (note,))


def _ended(columns: Sequence[Column]) -> str:
    rows = len(columns[0].rows)
    return f"{rows:,} row{'' if rows == 1 else 's'}"


def _sums(column: Column) -> tuple[str, ...]:
    rows = column.rows
    kept = [row for row in rows if not dropped_in(row)]
    good = [v for row in rows for v in _used(row)]
    reached = [row for row in rows if row.verified and row.verified.system]
    removed = sum(len(row.filtered.removed) for row in rows if row.filtered)
    passed = sum(len(row.filtered.phrases) for row in rows if row.filtered)
    agrees = [r.checked.agrees for r in rows if r.checked and r.checked.agrees is not None]
    obeys = [r.checked.obeys for r in rows if r.checked and r.checked.obeys is not None]
    each = column.seconds / len(rows)
    return (
        column.label,
        f"{len(kept):,}",
        f"{len(rows) - len(kept):,}",
        f"{each:,.1f}" if each >= 0.1 else f"{each:.3f}",
        f"{3600 / each:,.0f}" if each else "",
        f"{len({v.tag for v in good})} of {len(TAGS)}",
        f"{len(good) / len(reached):.1f}" if reached else "",
        f"{removed / (removed + passed):.0%}" if removed + passed else "",
        f"{sum(agrees)} of {len(agrees)}" if agrees else "",
        f"{sum(obeys) / len(obeys):.2f}" if obeys else "",
    )


def _column(row: Row) -> Iterator[RenderableType]:
    from rich.text import Text

    if row.generated and row.generated.raw is not None:
        yield Text("what the model wrote", "bold")
        yield Text(row.generated.raw)
    if (system := _system(row)) is not None:
        yield system
        tags = dict.fromkeys(v.tag for v in _used(row))
        yield Text(" ").join(Text(tag, colour(tag)) for tag in tags)
    for (why, tag, phrase), times in Counter(_left_out(row)).items():
        yield Text(f"- {why}{f' x{times}' if times > 1 else ''}  {tag}: {phrase}", "dim")
    for number, answer in enumerate(answers := _answers(row), 1):
        yield Text(f"\nnew answer{f' {number}' if len(answers) > 1 else ''}", "bold")
        yield Text(answer)
    yield Text("")
    for check in failed_checks(row):
        why = check.detail or f"p {check.p:.2f}"
        yield Text(f"- failed: {check.kind} {check.text} ({why})", "yellow")
    yield _end(row)


def failed_checks(row: Row) -> list[Check]:
    """The failed checks of the answers that were kept."""
    return [check for check in row.checked.checks if check.p < 0.5] if row.checked else []


def _system(row: Row) -> Text | None:
    """The system message with each phrase in the colour of its tag."""
    from rich.text import Text

    if row.verified is None or row.verified.system is None:
        return None
    text = Text(row.verified.system)
    end = 0
    for verdict in _used(row):
        at = row.verified.system.find(verdict.text, end)
        if at >= 0:
            end = at + len(verdict.text)
            text.stylize(colour(verdict.tag), at, end)
    return text


def _used(row: Row) -> list[Verdict]:
    """The phrases in the system message."""
    verified = row.verified
    if verified is None or verified.system is None:
        return []
    return [v for v in verified.verdicts if v.label == "good" and v.text in verified.system]


def _left_out(row: Row) -> Iterator[tuple[str, str, str]]:
    """(reason, tag, phrase) of the phrases that the filter, then the verdicts removed."""
    for removed in row.filtered.removed if row.filtered else ():
        yield f"filter: {removed.reason}", removed.tag, removed.text
    used = _used(row)
    for v in row.verified.verdicts if row.verified else ():
        if v not in used:
            yield f"{v.label} {getattr(v, v.label):.2f}", v.tag, v.text


def _answers(row: Row) -> list[str]:
    """The new answers, one for each turn that has one."""
    pairs = zip_longest(row.conversation.turns, row.answers)
    return [
        new.content
        for old, new in pairs
        if new is not None and new.role == "assistant" and (new != old or len(row.answers) == 2)
    ]


def _end(row: Row) -> Text:
    from rich.text import Text

    parts = []
    if row.checked is not None:
        if row.checked.agrees is not None:
            parts.append("agrees" if row.checked.agrees else "does not agree")
        if row.checked.obeys is not None:
            parts.append(f"obeys {row.checked.obeys:.2f}")
        if row.checked.tries > 1:
            parts.append(f"{row.checked.tries} tries")
    if ended := dropped_in(row):
        return Text(" · ".join([f"dropped in {ended[0]}: {ended[1]}", *parts]), "bold red")
    return Text(" · ".join(["final", *parts]), "bold green")


def _panel(title: str, text: str) -> RenderableType:
    from rich.panel import Panel
    from rich.text import Text

    return Panel(Text(text), title=title, title_align="left", border_style="dim")


def _line(head: str | Text, text: str) -> Text:
    """One line, cut at the edge of the console."""
    from rich.text import Text

    line = Text(overflow="ellipsis", no_wrap=True)
    return line.append(head, "dim" if isinstance(head, str) else None).append(f"  {_flat(text)}")


def _place(origin: Origin) -> str:
    return f"{origin.path}, {numbered(origin.path, origin.line)}"


def _flat(text: str) -> str:
    return " ".join(text.split())
