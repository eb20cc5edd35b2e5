"""The main job: read inputs into a store, run phases over its rows, write the finished ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

from sysgen_local.core.advice import Finding
from sysgen_local.core.errors import SysgenError, UsageError
from sysgen_local.core.records import PHASES, Conversation, Phase, Reject, Source
from sysgen_local.core.settings import Reading, Settings
from sysgen_local.engine.options import Options
from sysgen_local.exporting import Exported, check_output, export
from sysgen_local.report.bar import Bar
from sysgen_local.report.status import StatusFile
from sysgen_local.running import executor
from sysgen_local.running.progress import View
from sysgen_local.running.updates import Callback, Update
from sysgen_local.sources import RecordCounter, find, need_usable, parse_map, read, strictly
from sysgen_local.store import Counts, GrownError, Losses, Store
from sysgen_local.workflows import plan as planning
from sysgen_local.workflows import recipe
from sysgen_local.workflows.options import Given, one_of
from sysgen_local.workflows.spool import Input, named

Say = Callable[[str], None]

DEMONSTRATION = (
    "model: builtin, a small demonstration model without knowledge "
    "(--model NAME for a real one; `sysgen models list`)"
)
"""Said where no model was named."""


AS_IS = Reading()
"""Without options."""


class DeclinedError(SysgenError):
    """Whoever was asked did not want the redo: nothing was deleted."""


@dataclass(frozen=True, slots=True)
class RunResult:
    """What a run came to. `counts` are of the whole store. `finished` is False where it was
    interrupted: the same call takes it up again. `sources` are the numbers of the inputs that were
    named, `others` how many final rows the store holds beside theirs. `advice` says what is poor
    about the data; `written` is the file, where one was asked for."""

    finished: bool
    counts: Counts
    sources: list[int]
    others: int
    advice: list[Finding]
    written: Exported | None


def run(
    store: Store,
    inputs: Input | Sequence[Input] = (),
    *,
    phases: Sequence[Phase] = PHASES,
    redo: Phase | None = None,
    retry_failed: bool = False,
    edited: bool = False,
    output: str | Path | None = None,
    on_progress: Callable[[Update], None] | None = None,
    views: Sequence[View] | None = None,
    say: Say = lambda line: None,
    confirm: Callable[[Losses], bool] = lambda losses: True,
    confirm_appended: Callable[[GrownError], bool] | None = None,
    command: str = "",
    **options: Any,
) -> RunResult:
    """Reads the inputs into the store and takes every row through the phases.

    `phases` are done, in their order. `inputs`: paths, hf:// addresses, dicts, a
    `datasets.Dataset`, a table of pandas, polars or Arrow. What the store holds already is not
    read again; without inputs the run goes on with that.

    `redo` forgets what this phase and all later ones did, once `confirm` has agreed to what is
    lost. `retry_failed` asks again where something went wrong with a request; `edited` answers
    rows anew whose system message a person edited. `output` (.jsonl or .parquet) gets the finished
    rows of these inputs.

    `on_progress` is called about once a second, in a thread of its own; without it a progress bar
    is shown, or what `views` are given. `say` is given lines of text about inputs, model and
    memory; `confirm_appended` is asked whether to read the new rows of a file that grew. `command`
    is noted in the store as what was run.

    `options` are the fields of `core.settings.Settings` (model, prompts, seed, temperature, ...),
    `core.settings.Reading` (mapping, limit, split, ...) and `engine.options.Options` (slots,
    context, gpu_layers, ...).

    Raises UsageError for what cannot be used (RecipeError where the store was made in another
    way), SysgenError where the work fails, TypeError for an option that there is not. Ctrl-C ends
    it in good order in the main thread: `finished` is False then.
    """
    if not isinstance(store, Store):
        raise TypeError(f"a store is what `open` returns, and this is a {type(store).__name__}")
    if store.read_only:
        raise UsageError(f"{store.path} was opened read-only", hint="open it without read_only")
    phases = (phases,) if isinstance(phases, str) else tuple(phases)  # type: ignore[assignment]
    for phase in phases:
        one_of("phases", phase, PHASES)
    if redo is not None:
        one_of("redo", redo, PHASES)
    given = Given(options)
    settings, reading, machine = given.take(Settings), given.take(Reading), given.take(Options)
    given.end("run")
    output = Path(output).expanduser() if output is not None else None
    if output is not None:
        check_output(output)  # now rather than after hours of work
    tasks = planning.plan(settings, store, phases, redo, context=machine.context)
    if settings.model is None and any(t.model and t.model.name == "builtin" for t in tasks):
        say(DEMONSTRATION)
    for line in planning.missing_prompts(tasks):
        say(line)
    recipe.planned_recipes(tasks, store, redo=redo, check=settings.check)  # before anything is read
    sources = ingest(store, inputs, reading, say=say, confirm_appended=confirm_appended)
    planning.require_rows(store)
    recipes = recipe.planned_recipes(tasks, store, redo=redo, check=settings.check)
    if redo:
        executor.require_models(tasks)
        # Nothing is left that could refuse the command: only now is anything deleted.
        losses = store.losses(redo)
        if losses and not confirm(losses):
            raise DeclinedError("nothing was deleted")
    store.prepare(recipes, redo=redo)
    if retry_failed:
        say(f"{store.forget_failed(phases):,} rows that failed are tried again")
    if edited:
        say(f"{store.reopen():,} rows with an edited system message are answered anew")
    finished = _worked(store, tasks, settings, machine, _views(views, on_progress), say, command)
    counts, advice = store.counts(), store.advice()
    with store.narrowed(sources):
        written = export(store, output)[0] if output else None
        others = counts.final - store.counts().final
    return RunResult(finished, counts, sources, others, advice, written)


def open(  # noqa: A001 - read as sysgen.open
    path: str | Path, *, create: bool = True, read_only: bool = False
) -> Store:
    """The store in a DuckDB file, which is made where it is missing; use it in a `with` statement.

    Raises UsageError where there is no file and none is to be made, and for a file that is no
    store; LockedError where another process has it open.
    """
    return Store.open(Path(path).expanduser(), create=create, read_only=read_only)


def generate(store: Store, inputs: Input | Sequence[Input] = (), **options: Any) -> RunResult:
    """Phase 1 alone: the model writes phrases under eight tags. Options and errors as `run`."""
    return run(store, inputs, phases=("generate",), **options)


def filter(  # noqa: A001 - read as sysgen.filter
    store: Store, inputs: Input | Sequence[Input] = (), **options: Any
) -> RunResult:
    """Phase 2 alone: phrases are cleaned and put in order. Options and errors as `run`."""
    return run(store, inputs, phases=("filter",), **options)


def verify(store: Store, inputs: Input | Sequence[Input] = (), **options: Any) -> RunResult:
    """Phase 3 alone: each phrase is judged; the system message is made of the good ones. Options
    and errors as `run`."""
    return run(store, inputs, phases=("verify",), **options)


def respond(store: Store, inputs: Input | Sequence[Input] = (), **options: Any) -> RunResult:
    """Phase 4 alone: rows are answered anew under their system messages. Options and errors as
    `run`."""
    return run(store, inputs, phases=("respond",), **options)


def check(store: Store, inputs: Input | Sequence[Input] = (), **options: Any) -> RunResult:
    """Phase 5 alone: new answers must keep what the original had right, and obey. Options and
    errors as `run`."""
    return run(store, inputs, phases=("check",), **options)


def _views(
    views: Sequence[View] | None, on_progress: Callable[[Update], None] | None
) -> Sequence[View]:
    if views is not None:
        return views
    return [Callback(on_progress) if on_progress else Bar()]


def _worked(
    store: Store,
    tasks: Sequence[executor.Task],
    settings: Settings,
    machine: Options,
    views: Sequence[View],
    say: Say,
    command: str,
) -> bool:
    """Runs the tasks, with a note in the store of how that ended."""
    number = store.start_run(
        command=command,
        model=next((task.model.name for task in tasks if task.model), None),
        seed=settings.seed,
    )
    finished = False
    try:
        # What a row may take is the tasks' own: `plan` has looked whether the option concerns them.
        finished = planning.run(
            tasks, store, [StatusFile(store.path), *views], replace(machine, context=None),
            announce=say,
        )  # fmt: skip
    finally:
        store.end_run(number, "done" if finished else "interrupted")
    return finished


def ingest(
    store: Store,
    inputs: Input | Sequence[Input],
    reading: Reading = AS_IS,
    *,
    say: Say = lambda line: None,
    confirm_appended: Callable[[GrownError], bool] | None = None,
) -> list[int]:
    """Reads inputs into the store; what was read before is not read again. Returns the sources'
    numbers. Of a file that grew `confirm_appended` says whether to read the new rows, unless
    `reading.appended` does.

    Raises UsageError for what cannot be read and where no row can be used.
    """
    sources = list(_found(inputs, reading, say))
    counters = []
    numbers = []
    for source in sources:
        counter = RecordCounter(source.path)
        before = store.find_source(source)
        new = _ingest(store, source, counter, reading, say, confirm_appended)
        number, path = store.find_source(source) or (0, source.path)
        if before and path != source.path and not new and number not in numbers:
            say(f"{source.path}: the same content as {path}, which is here already")
        numbers.append(number)
        if new:
            counters.append(counter)
            why = f"`sysgen stats --db {store.path}` shows why"
            rejected = f", {counter.rejected:,} rejected ({why})" if counter.rejected else ""
            more = f", {new:,} new" if new < counter.usable + counter.rejected else ""
            say(f"{source.path}: {counter.usable:,} rows{more}{rejected}")
    if counters:
        need_usable(counters)
    if sources and not store.counts().input:
        raise UsageError(f"{sources[0].path} is empty: there is no row in it")
    return sorted(set(numbers))


def _found(inputs: Input | Sequence[Input], reading: Reading, say: Say) -> Iterator[Source]:
    """The files behind the inputs. Rows given as objects are called by their content."""
    given = dict(named(inputs))
    sources = find(
        list(given),
        mapping=parse_map(reading.mapping) if reading.mapping else None,
        license=reading.license,
        split=reading.split,
        encoding=reading.encoding,
        say=say,
    )
    for source in sources:
        made = given.get(source.file, False)
        yield replace(source, path=f"rows {source.fingerprint[:8]}") if made else source


def _ingest(
    store: Store,
    source: Source,
    counter: RecordCounter,
    reading: Reading,
    say: Say,
    confirm_appended: Callable[[GrownError], bool] | None,
) -> int:
    """Reads one source into the store; how many of its records were new."""
    skip = bool(store.skips_system(source)) if reading.skip_system is None else reading.skip_system

    def again(skip_system: bool) -> Iterator[Conversation | Reject]:
        return read(source, skip_system=skip_system, say=say)

    def take(appended: bool) -> int:
        records = counter.count(again(skip))
        return store.ingest(
            source, records, limit=reading.limit, again=again, appended=appended, skip_system=skip
        )

    if reading.strict:  # to the end, before anything of it is kept
        for _ in strictly(source.path, islice(again(skip), reading.limit)):
            pass
    try:
        return take(bool(reading.appended))
    except GrownError as grown:
        if reading.appended is None and confirm_appended and confirm_appended(grown):
            return take(True)
        raise
