"""A row's journey through the phases, for a terminal: what `sysgen show` prints."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import zip_longest
from typing import TYPE_CHECKING

from sysgen_local.records import Row, Turn, Verdict
from sysgen_local.report.colours import colour
from sysgen_local.store import Origin, Review

if TYPE_CHECKING:
    from rich.console import RenderableType


def story(
    row: Row, origin: Origin, review: Review | None = None, *, stale: bool = False
) -> Iterator[RenderableType]:
    """From the instruction to the new answer, in the order in which it happened. `stale`: the
    answer was written under another system message than the row now has."""
    from rich.rule import Rule
    from rich.text import Text

    yield Rule(Text(f"row {row.row}  {origin.path}, line {origin.line}"))
    if row.conversation.system:
        yield _panel("system message it came with", row.conversation.system, "dim")
    for turn in row.conversation.turns[: 1 if row.responded else None]:
        yield _panel(turn.role, turn.content, "dim")
    yield from _phrases(row)
    if row.verified and row.verified.system:
        yield _system(row)
    if review is not None and review.system is not None:
        yield _panel("system message as a person would have it", review.system, "bold magenta")
    if row.responded:
        yield from _answers(row)
    if stale:
        yield Text("the answer was written before the system message was edited", style="yellow")
    yield _end(row, review)


def _phrases(row: Row) -> Iterator[RenderableType]:
    from rich.panel import Panel
    from rich.table import Table
    from rich.text import Text

    if row.generated and row.generated.raw is not None:
        yield Panel(Text(row.generated.raw), title="what the model wrote", title_align="left")
    if not row.filtered:
        return
    table = Table(title="phrases", title_justify="left", show_edge=False, pad_edge=False)
    for name in ("tag", "phrase", "verdict", "good", "bad", "none"):
        table.add_column(name, justify="right" if name in ("good", "bad", "none") else "left")
    judged: tuple[Verdict, ...] = row.verified.verdicts if row.verified else ()
    for v in judged:
        p = (f"{v.good:.3f}", f"{v.bad:.3f}", f"{v.none:.3f}")
        table.add_row(
            v.tag, Text(v.text), v.label, *p, style=colour(v.tag) if v.label == "good" else "dim"
        )
    for phrase in () if judged else row.filtered.phrases:
        table.add_row(phrase.tag, Text(phrase.text), style=colour(phrase.tag))
    for gone in row.filtered.removed:
        table.add_row(Text(gone.tag), Text(gone.text), Text(f"filter: {gone.reason}"), style="dim")
    if table.row_count:
        yield table


def _system(row: Row) -> RenderableType:
    """The finished message, each phrase in its tag's colour."""
    from rich.panel import Panel
    from rich.text import Text

    assert row.verified is not None
    assert row.verified.system is not None
    text = Text(row.verified.system)
    for v in row.verified.verdicts:
        at = row.verified.system.find(v.text)
        if v.label == "good" and at >= 0:
            text.stylize(colour(v.tag), at, at + len(v.text))
    return Panel(text, title="system message", title_align="left", border_style="bold")


def _answers(row: Row) -> Iterator[RenderableType]:
    """Old and new side by side, turn by turn after the first; what others said across."""
    from rich.table import Table

    assert row.responded is not None
    for old, new in zip_longest(row.conversation.turns[1:], row.responded.turns[1:]):
        if old is not None and old == new:
            yield _panel(old.role, old.content, "dim")
            continue
        table = Table.grid(expand=True)
        table.add_column(ratio=1)
        table.add_column(ratio=1)
        table.add_row(
            _panel("old answer", _said(old), "dim"), _panel("new answer", _said(new), "green")
        )
        yield table


def _said(turn: Turn | None) -> str:
    return turn.content if turn is not None else "(none)"


def _end(row: Row, review: Review | None) -> RenderableType:
    from rich.text import Text

    person = f", {review.decision} by a person" if review is not None else ""
    results = {
        "generate": row.generated,
        "filter": row.filtered,
        "verify": row.verified,
        "respond": row.responded,
    }
    for phase, result in results.items():
        if result is not None and result.dropped:
            return Text(f"dropped in {phase}: {result.dropped}{person}", style="bold red")
    if row.responded:
        return Text(f"final{person}", style="bold green")
    waits = next(phase for phase, result in results.items() if result is None)
    return Text(f"pending: waits for {waits}{person}", style="yellow")


def _panel(title: str, text: str, style: str) -> RenderableType:
    from rich.panel import Panel
    from rich.text import Text

    return Panel(Text(text), title=title, title_align="left", border_style=style)
