"""A row with the results of all phases, for a terminal: the output of `sysgen show`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import zip_longest
from typing import TYPE_CHECKING, Literal

from sysgen_local.core.counted import decision_word
from sysgen_local.core.numbered import numbered
from sysgen_local.core.records import REPAIRS, TABLES, Phase, Reject, Row, Turn, Verdict
from sysgen_local.report.colours import colour
from sysgen_local.report.row_state import attempt_summary, checks_of, checks_summary, row_state
from sysgen_local.store import Origin, Review

if TYPE_CHECKING:
    from rich.console import RenderableType


def row_view(
    row: Row,
    origin: Origin,
    review: Review | None = None,
    *,
    phases: Sequence[Phase] | None = None,
    stale: bool = False,
) -> Iterator[RenderableType]:
    """From the instruction to the new answer, in the order of the phases. `phases` are those of the
    store (see `row_state`). `stale`: the answer was written under another system message than the
    row has now."""
    from rich.rule import Rule
    from rich.text import Text

    yield Rule(Text(f"row {row.row}  {origin.path}, {numbered(origin.path, origin.line)}"))
    if row.conversation.system:
        yield _panel("system message it came with", row.conversation.system, "dim")
    for repair in row.conversation.repairs:
        yield _panel(f"mended: it {REPAIRS.get(repair.kind, repair.kind)}", repair.text, "dim")
    for turn in row.conversation.turns[: 1 if row.responded else None]:
        yield from _turn(turn)
    if row.conversation.result is not None:
        yield _panel("result it came with", row.conversation.result, "dim")
    yield from _phrases(row)
    if row.verified and row.verified.system:
        yield _system(row)
    if review is not None and review.system is not None:
        title = "system message edited by a person"
        if review.outdated:
            title += ", in place of an earlier one"
        yield _panel(title, review.system, "bold magenta")
    if row.responded:
        yield from _answers(row)
    if review is not None:
        yield from _edited_answers(row, review)
    if review is not None and review.note:
        yield _panel("note" + _by(review), review.note, "dim")
    if stale:
        yield Text("the answer was written before the system message was edited", style="yellow")
    yield _end(row, review, phases)


def reject_view(path: str, reject: Reject) -> Iterator[RenderableType]:
    """A rejected row: its place, the reason, and its text."""
    from rich.rule import Rule
    from rich.text import Text

    yield Rule(Text(f"{path}, {numbered(path, reject.line)}"))
    yield Text(f"{reject.reason}: {reject.detail}" if reject.detail else reject.reason, "bold red")
    if reject.raw:
        yield _panel("the row", reject.raw, "dim")
    else:
        yield Text("its text was not kept", "dim")


def _turn(turn: Turn) -> Iterator[RenderableType]:
    """A turn of the input. Its reasoning and the text beside a call come first."""
    if turn.thought:
        yield _panel("thought", turn.thought, "dim")
    if turn.words:
        yield _panel("said beside the call", turn.words, "dim")
    yield _panel(turn.role, turn.content, "dim")


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
    for removed in row.filtered.removed:
        table.add_row(
            Text(removed.tag), Text(removed.text), Text(f"filter: {removed.reason}"), style="dim"
        )
    if table.row_count:
        yield table


def _system(row: Row) -> RenderableType:
    """The system message with each phrase in the colour of its tag."""
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
    """The turns after the first. An old and a new answer are side by side, other turns have the
    full width. The checks of an answer follow it."""
    from rich.table import Table

    turn = 0
    for old, new in zip_longest(row.conversation.turns[1:], row.answers[1:]):
        answer = new is not None and new.role == "assistant"
        turn += answer
        if old is not None and old == new:
            yield from _turn(old)
            if answer:
                yield from _checks(row, turn)
            continue
        if old is not None and old.thought:
            yield _panel("thought before the old answer", old.thought, "dim")
        table = Table.grid(expand=True)
        table.add_column(ratio=1, overflow="fold")
        table.add_column(ratio=1, overflow="fold")
        table.add_row(
            _panel("old answer", _content(old), "dim"), _panel("new answer", _content(new), "green")
        )
        yield table
        if answer:
            yield from _checks(row, turn)


def _checks(row: Row, turn: int) -> Iterator[RenderableType]:
    from rich.table import Table
    from rich.text import Text

    checks, attempts = checks_of(row, turn)
    if checks:
        table = Table(title="checks", title_justify="left", show_edge=False, pad_edge=False)
        for name in ("check", "looked for", "by", "p", "found"):
            justify: Literal["left", "right"] = "right" if name == "p" else "left"
            table.add_column(name, justify=justify, overflow="fold")
        for c in checks:
            style = "" if c.p >= 0.5 else "red"
            missed = "wanted: " if c.kind == "phrase" and c.by == "rule" and c.p < 0.5 else ""
            cells = (Text(c.text), c.by, f"{c.p:.3f}", Text(f"{missed}{c.detail}"))
            table.add_row(c.kind, *cells, style=style)
        yield table
    for attempt in attempts:
        yield _panel(
            attempt_summary(attempt), attempt.content, "dim red" if attempt.fault else "dim"
        )


def _content(turn: Turn | None) -> str:
    return turn.content if turn is not None else "(none)"


def _end(row: Row, review: Review | None, phases: Sequence[Phase] | None) -> RenderableType:
    from rich.text import Text

    person = ""
    if review is not None and review.decision is not None:
        person = f", {decision_word(review.decision)}{_by(review)}"
        person += " who saw an earlier answer" if review.earlier else ""
    state, phase, reason = row_state(row, phases)
    checks = f" ({found})" if (found := checks_summary(row.checked)) else ""
    if state == "dropped":
        assert phase is not None
        why = getattr(row, TABLES[phase]).why
        detail = f": {why}" if why else ""
        return Text(f"dropped in {phase}: {reason}{detail}{checks}{person}", style="bold red")
    if state == "final":
        return Text(f"final{checks}{person}", style="bold green")
    return Text(f"pending: waits for {phase}{person}", style="yellow")


def _edited_answers(row: Row, review: Review) -> Iterator[RenderableType]:
    """The answers that a person wrote in place of the model's."""
    title = "answer edited by a person" + (", in place of an earlier one" if review.earlier else "")
    own = [turn.content for turn in row.answers if turn.role == "assistant"]
    for edited, model in zip_longest(review.answers or (), own):
        if edited is not None and edited != model:
            yield _panel(title, edited, "bold magenta")


def _by(review: Review) -> str:
    return f" by {review.reviewer or 'a person'}"


def _panel(title: str, text: str, style: str) -> RenderableType:
    from rich.panel import Panel
    from rich.text import Text

    return Panel(Text(text), title=title, title_align="left", border_style=style)
