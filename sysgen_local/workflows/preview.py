"""A few rows through all phases before a long run, and what the rest will take.

The rows are those of the run itself. Their results are written to the store as any others, so that
a killed process loses nothing, and deleted again where the answer is no.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sysgen_local.core.records import TABLES, Phase, Result, Row
from sysgen_local.engine.options import Options
from sysgen_local.running import executor
from sysgen_local.running.executor import Task
from sysgen_local.running.progress import View
from sysgen_local.store import Origin, RowQuery, Store
from sysgen_local.workflows.plan import lengths_of, progress_of
from sysgen_local.workflows.redo import DeclinedError

OnRow = Callable[[Row, Origin], None]
"""Called for each row as soon as it is final or dropped."""


@dataclass(frozen=True, slots=True)
class Outlook:
    """What the previewed rows came to, and what the others will take, as far as so few can say.

    `final`, `dropped`: previewed rows. `left`: rows that are still to be done. `seconds`,
    `tokens_read` and `tokens_written` are of those; None where no model answered anything.
    """

    final: int
    dropped: int
    left: int
    seconds: float | None
    tokens_read: int | None
    tokens_written: int | None


class Sample:
    """The work queue of a preview: some rows of a store."""

    def __init__(self, store: Store, rows: int, seed: int, on_row: OnRow) -> None:
        found = store.find(RowQuery("pending", limit=rows, seed=seed))
        self._store = store
        self._rows = {row.row: row for row in found}
        self._committed: list[tuple[int, Phase]] = []
        self._phases = store.phases
        self._on_row = on_row
        self.final = self.dropped = 0

    def due(self, phase: Phase) -> Iterator[Row]:
        """The rows that wait for this phase. Their results of earlier phases are known."""
        for row in list(self._rows.values()):
            if self._next(row) == phase:
                yield row

    def commit(self, results: Sequence[tuple[int, Phase, Result]]) -> None:
        """Writes the results to the store, and reports the rows that have come to their end."""
        self._store.commit(results)
        for number, phase, result in results:
            self._committed.append((number, phase))
            row = self._rows[number] = self._rows[number].after(phase, result)
            if result.dropped is not None or phase == self._phases[-1]:
                self.dropped += result.dropped is not None
                self.final += result.dropped is None
                origin = self._store.origin(number)
                assert origin is not None
                self._on_row(row, origin)

    def set_recipe(self, phase: Phase, fingerprint: str, facts: Mapping[str, str]) -> None:
        """See `Store.set_recipe`: the calibration of the verdicts is part of a recipe."""
        self._store.set_recipe(phase, fingerprint, facts)

    def take_back(self) -> None:
        """Deletes the results from the store."""
        self._store.take_back(self._committed)

    def _next(self, row: Row) -> Phase | None:
        """The phase that the row waits for; None where it is final or dropped."""
        for phase in self._phases:
            result: Result | None = getattr(row, TABLES[phase])
            if result is None:
                return phase
            if result.dropped is not None:
                return None
        return None


def run(
    store: Store,
    tasks: Sequence[Task],
    rows: int,
    seed: int,
    views: Sequence[View],
    options: Options,
    *,
    on_row: OnRow,
    confirm_rest: Callable[[Outlook], bool],
    announce: Callable[[str], None] = lambda line: None,
) -> bool:
    """Takes so many rows, drawn at random, through the tasks. Where `confirm_rest` does not agree
    to do the others, their results are deleted and DeclinedError is raised. Returns False if it was
    interrupted. Raises as `executor.run`."""
    sample = Sample(store, rows, seed, on_row)
    progress = progress_of(store)
    options = replace(options, lengths=lengths_of(store))
    queue: Any = sample
    if not executor.run(tasks, queue, progress, views, options, announce=announce):
        return False
    seconds, read, written = progress.whole() or (None, None, None)
    outlook = Outlook(
        sample.final,
        sample.dropped,
        progress.pending,
        seconds,
        None if read is None else round(read),
        None if written is None else round(written),
    )
    if outlook.left and not confirm_rest(outlook):
        sample.take_back()
        raise DeclinedError("nothing of the preview is kept")
    return True
