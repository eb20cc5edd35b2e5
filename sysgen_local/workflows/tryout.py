"""`sysgen try`: a few rows through all phases, for each combination of models and prompt sets.

A combination is planned and run like a real run, over the same rows, in a store in memory.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice, product
from pathlib import Path
from typing import Any

from sysgen_local.core.counted import counted
from sysgen_local.core.errors import UsageError
from sysgen_local.core.records import PHASES, Conversation, Phase, Reject, Result, Row, Source
from sysgen_local.core.settings import Reading, Settings
from sysgen_local.engine.options import Options
from sysgen_local.report.comparison import Column
from sysgen_local.report.row_json import row_json
from sysgen_local.running.executor import Task
from sysgen_local.running.progress import View
from sysgen_local.sources import (
    RecordCounter,
    SampledRows,
    draw,
    find_each,
    need_usable,
    parse_map,
    read,
    strictly,
)
from sysgen_local.store import Origin, Store
from sysgen_local.workflows import plan as job
from sysgen_local.workflows import recipe

LARGE = 100_000_000
"""Bytes of a file that takes seconds to read."""

OnRow = Callable[["Combination", Row, Origin], None]
"""Told of each row as soon as it is final or dropped."""


@dataclass(frozen=True, slots=True)
class Combination:
    """One column of the output: a model with a prompt set, and its tasks. Labels are unique."""

    label: str
    model: str
    prompts: str
    settings: Settings
    tasks: tuple[Task, ...]


def combinations(
    settings: Settings, models: Sequence[str] = (), prompt_sets: Sequence[str] = ()
) -> list[Combination]:
    """Every model with every prompt set; where none is named, the one that a run would take.

    Raises UsageError as `plan` does, and for a name that is given twice.
    """
    for what, names in (("model", models), ("prompt set", prompt_sets)):
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise UsageError(f"the {what} {twice} is named twice", hint="name each once")
    planned = []
    with Store.in_memory() as store:
        for model, prompts in product(
            models or (settings.model,), prompt_sets or (settings.prompts,)
        ):
            mine = replace(settings, model=model, prompts=prompts)
            planned.append((mine, tuple(job.plan(mine, store, PHASES))))
    called = [_model(tasks) for _, tasks in planned]
    sets = [tasks[0].facts["prompt_set"] for _, tasks in planned]
    short_models = _short(called, [str(mine.model) for mine, _ in planned])
    short_sets = _short([Path(name).name for name in sets], sets)
    found = []
    for i, (mine, tasks) in enumerate(planned):
        parts = [short_models[i]] if len(models) > 1 else []
        parts += [short_sets[i]] if len(prompt_sets) > 1 else []
        label = " · ".join(parts) or called[i]
        found.append(Combination(label, called[i], sets[i], mine, tasks))
    return found


def draw_rows(
    inputs: Sequence[str],
    rows: int,
    seed: int,
    reading: Reading | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> list[SampledRows]:
    """Rows sampled evenly over the inputs and their datasets. `say` gets a line for each file.

    Raises UsageError where no row can be used.
    """
    reading = reading or Reading()
    counters: list[RecordCounter] = []

    def records(source: Source) -> Iterator[Conversation | Reject]:
        counter = RecordCounter(source.path)
        counters.append(counter)
        if (size := Path(source.file).stat().st_size) > LARGE and reading.limit is None:
            say(f"{source.path}: {size / 1e6:,.0f} MB are read (--limit N: the first N rows)")
        found = islice(read(source, skip_system=bool(reading.skip_system), say=say), reading.limit)
        yield from counter.count(strictly(source.path, found) if reading.strict else found)
        why = (
            f", {counter.rejected:,} rejected ({counter.first_reject})" if counter.rejected else ""
        )
        say(f"{source.path}: {counted(counter.usable, 'row')}{why}")

    drawn = draw(_datasets(inputs, reading, say), rows, seed, records)
    need_usable(counters)
    usable = sum(counter.usable for counter in counters)
    taken = sum(len(of.rows) for of in drawn)
    say(f"{taken:,} of {usable:,} rows are tried, drawn with seed {seed}")
    return drawn


def run(
    combinations: Sequence[Combination],
    drawn: Sequence[SampledRows],
    views: Callable[[Combination], Sequence[View]],
    options: Options,
    *,
    on_row: OnRow,
    announce: Callable[[str], None] = lambda line: None,
) -> list[Column] | None:
    """Runs each combination over the sampled rows; None if it was interrupted."""
    columns = []
    for combination in combinations:
        column = _run(combination, drawn, views(combination), options, on_row, announce)
        if column is None:
            return None
        columns.append(column)
    return columns


def _run(
    combination: Combination,
    drawn: Sequence[SampledRows],
    views: Sequence[View],
    options: Options,
    on_row: OnRow,
    announce: Callable[[str], None],
) -> Column | None:
    watch = _Stopwatch()
    rows: list[Row] = []

    def ended(row: Row, origin: Origin) -> None:
        rows.append(row)
        on_row(combination, row, origin)

    def loaded(line: str) -> None:
        watch.start()
        announce(line)

    tasks = combination.tasks
    with _Watched.in_memory() as store:
        store.watch, store.on_end = watch, ended
        for source, conversations in drawn:
            store.ingest(source, conversations)
        recipe.set_recipes(tasks, store, check=combination.settings.check)
        finished = job.run(tasks, store, views, options, announce=loaded)
    return Column(combination.label, tuple(rows), watch.seconds) if finished else None


def _datasets(
    inputs: Sequence[str], reading: Reading, say: Callable[[str], None]
) -> list[list[Source]]:
    """The files of each dataset of each input; files with the same content count once."""
    mapping = parse_map(reading.mapping) if reading.mapping else None
    groups: dict[tuple[int, str], list[Source]] = {}
    seen = set()
    found = find_each(
        inputs,
        mapping=mapping,
        license=reading.license,
        split=reading.split,
        encoding=reading.encoding,
        say=say,
    )
    for number, sources in enumerate(found):
        for source in sources:
            if source.fingerprint not in seen:
                seen.add(source.fingerprint)
                groups.setdefault((number, source.dataset or source.path), []).append(source)
    return list(groups.values())


def _model(tasks: Sequence[Task]) -> str:
    return next(task.model.name for task in tasks if task.model is not None)


def _short(names: list[str], spelled: list[str]) -> list[str]:
    """The names; where two of them are equal, the spellings."""
    return names if len(set(names)) == len(set(spelled)) else spelled


class _Stopwatch:
    """The time in which a model worked: from its loading to the last commit."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._since = time.monotonic()

    def start(self) -> None:
        """The time since the last lap does not count."""
        self._since = time.monotonic()

    def lap(self) -> None:
        now = time.monotonic()
        self.seconds += now - self._since
        self._since = now


class _Watched(Store):
    """Calls `on_end` for each row that is final or dropped, after the commit."""

    watch: _Stopwatch
    on_end: Callable[[Row, Origin], None]

    def commit(self, results: Sequence[tuple[int, Phase, Result]]) -> None:
        super().commit(results)
        self.watch.lap()
        last = self.phases[-1]
        for number, phase, result in results:
            if result.dropped is not None or phase == last:
                row, origin = self.row(number), self.origin(number)
                assert row is not None
                assert origin is not None
                self.on_end(row, origin)


def as_dict(combination: Combination, row: Row, origin: Origin) -> dict[str, Any]:
    """What `--json` prints of a row."""
    return {
        "combination": combination.label,
        "model": combination.model,
        "prompts": combination.prompts,
        **row_json(row, origin),
    }
