"""The preview of a run at a terminal: a few rows first, and what the others will take."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from sysgen_local.core import terminal
from sysgen_local.core.counted import counted, duration, rounded

if TYPE_CHECKING:
    from sysgen_local.core.records import Row
    from sysgen_local.report.comparison import RowComparison
    from sysgen_local.report.live import MessageView
    from sysgen_local.store import Counts, Origin
    from sysgen_local.workflows.preview import Outlook

MANY = 200
"""From more rows than this on, a run on a terminal offers a preview."""

SHOWN_FIRST = 5
"""Number of rows that it offers to show."""


class Preview:
    """Asks for the preview, prints its rows, and asks whether to go on.
    `wanted`: the number of rows as given; None where none was given."""

    def __init__(self, wanted: int | None, view: MessageView, *, offered: bool) -> None:
        """`view`: what shows the run. Rows are printed above it."""
        self._wanted = wanted
        self._view = view
        self._offered = offered and sys.stdin.isatty() and sys.stderr.isatty()
        self._comparison: RowComparison | None = None

    def rows(self, counts: Counts) -> int:
        """How many rows to show first, with these counts of the store."""
        if self._wanted is not None:
            return self._wanted
        begun = any(phase.done for phase in counts.phases.values())
        if begun or not self._offered or counts.pending <= MANY:
            return 0
        question = f"Show {SHOWN_FIRST} of these {counts.pending:,} rows first?"
        return SHOWN_FIRST if click.confirm(question, default=True, err=True) else 0

    def show(self, row: Row, origin: Origin) -> None:
        """Prints a row that is finished."""
        from sysgen_local.report.comparison import RowComparison
        from sysgen_local.report.live import Live

        if self._comparison is None:
            plain = terminal.console(sys.stderr, highlight=False)
            console = self._view.console if isinstance(self._view, Live) else plain
            self._comparison = RowComparison(console, [""], beside=False)
        self._comparison.add("", row, origin)

    def confirm(self, outlook: Outlook) -> bool:
        """Prints what the other rows will take, and asks whether to do them."""
        click.echo(
            f"preview: {outlook.final:,} final, {outlook.dropped:,} dropped\n{_forecast(outlook)}",
            err=True,
        )
        if not self._offered:
            return True
        return click.confirm("Go on?", default=outlook.final > 0, err=True)


def _forecast(outlook: Outlook) -> str:
    """What the other rows will take, in words."""
    rest = f"the other {counted(outlook.left, 'row')}"
    if outlook.seconds is None:
        return f"{rest}: no forecast, because the model answered nothing"
    return (
        f"{rest}: about {duration(outlook.seconds)} on this machine, if they are like these\n"
        f"{rounded(outlook.tokens_read or 0)} tokens to read, "
        f"{rounded(outlook.tokens_written or 0)} to write"
    )
