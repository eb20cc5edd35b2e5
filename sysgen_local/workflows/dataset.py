"""The main job: read inputs into a store, run phases over its rows, write the finished ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

from sysgen_local.core.advice import Finding
from sysgen_local.core.counted import counted
from sysgen_local.core.errors import SysgenError, UsageError
from sysgen_local.core.records import PHASES, Conversation, Phase, Reject, Source
from sysgen_local.core.settings import Reading, Settings
from sysgen_local.core.shard import Shard
from sysgen_local.engine.options import Options
from sysgen_local.exporting import Exported, ExportOptions, Output, refuse_input
from sysgen_local.report.bar import Bar
from sysgen_local.report.status import StatusFile
from sysgen_local.running import executor
from sysgen_local.running.progress import View
from sysgen_local.running.updates import Callback, Update
from sysgen_local.sources import RecordCounter, find, need_usable, parse_map, read, strictly
from sysgen_local.store import Counts, GrownError, Losses, Store
from sysgen_local.workflows import plan as planning
from sysgen_local.workflows import preview as previewing
from sysgen_local.workflows import recipe
from sysgen_local.workflows.export import write_with_card
from sysgen_local.workflows.options import Given, one_of
from sysgen_local.workflows.preview import OnRow, Outlook
from sysgen_local.workflows.redo import confirm_losses
from sysgen_local.workflows.run_speed import RunMeasurement
from sysgen_local.workflows.spool import Input, named

Say = Callable[[str], None]

DEMONSTRATION = (
    "model: builtin, a small demonstration model without knowledge "
    "(--model NAME for a real one; `sysgen models list`)"
)
"""Said where no model was named."""


AS_IS = Reading()
"""Without options."""


@dataclass(frozen=True, slots=True)
class RunResult:
    """What a run came to. `counts` are of the whole store. `finished` is False where it was
    interrupted: the same call takes it up again. `sources` are the numbers of the inputs that were
    named, `others` how many final rows the store holds beside theirs. `advice` says what is poor
    about the data; `written` is the file, where one was asked for, `card_path` the card beside it,
    `notes` say what the file does not hold, and why, and `shard` is that of the store (see
    `Store.shard_facts`)."""

    finished: bool
    counts: Counts
    sources: list[int]
    others: int
    advice: list[Finding]
    written: Exported | None
    card_path: Path | None = None
    notes: tuple[str, ...] = ()
    shard: Mapping[str, Any] | None = None


def run(
    store: Store,
    inputs: Input | Sequence[Input] = (),
    *,
    phases: Sequence[Phase] = PHASES,
    redo: Phase | None = None,
    retry_failed: bool = False,
    edited: bool = False,
    output: str | Path | None = None,
    card: bool = True,
    on_progress: Callable[[Update], None] | None = None,
    views: Sequence[View] | None = None,
    say: Say = lambda line: None,
    confirm: Callable[[Losses], bool] = lambda losses: True,
    confirm_appended: Callable[[GrownError], bool] | None = None,
    preview: int | Callable[[Counts], int] = 0,
    on_preview: OnRow = lambda row, origin: None,
    confirm_rest: Callable[[Outlook], bool] = lambda outlook: True,
    command: str = "",
    **options: Any,
) -> RunResult:
    """Reads the inputs into the store and takes every row through the phases.

    `phases` are done, in their order. `inputs`: paths, hf:// addresses, dicts, a
    `datasets.Dataset`, a table of pandas, polars or Arrow. What the store holds already is not
    read again; without inputs the run goes on with that.

    `redo` forgets what this phase and all later ones did, once `confirm` has agreed to what is
    lost. `retry_failed` asks again where something went wrong with a request; `edited` answers
    rows anew whose system message a person edited, but not where the answer was edited too.
    `output` (.jsonl or .parquet, or a folder: see `workflows.export.export`) gets the finished rows
    of these inputs, and `card` writes a dataset card beside it.

    `on_progress` is called about once a second, in a thread of its own; without it a progress bar
    is shown, or what `views` are given. `say` is given lines of text about inputs, model and
    memory; `confirm_appended` is asked whether to read the new rows of a file that grew. `command`
    is noted in the store as what was run.

    `preview` rows, drawn at random, are done before the others (a function gets the counts of
    the store and returns how many). `on_preview` is called with each of them, and
    `confirm_rest` with what the rest will take. Where it says no, DeclinedError is raised and no
    result is kept.

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
    if output is not None:
        Output.named(output).check(card=card)  # now rather than after hours of work
    tasks = planning.plan(settings, store, phases, redo, context=machine.context)
    if settings.model is None and any(t.model and t.model.name == "builtin" for t in tasks):
        say(DEMONSTRATION)
    for line in planning.missing_prompts(tasks):
        say(line)
    recipe.planned_recipes(tasks, store, redo=redo, check=settings.check)  # before anything is read
    executor.require_cluster(tasks, machine)
    sources = ingest(store, inputs, reading, say=say, confirm_appended=confirm_appended)
    planning.require_rows(store)
    if output is not None:
        refuse_input(store, Output.named(output))
    recipes = recipe.planned_recipes(tasks, store, redo=redo, check=settings.check)
    if redo:
        executor.require_models(tasks, machine)
        # Nothing is left that could refuse the command: only now is anything deleted.
        confirm_losses(store, redo, confirm)
    store.prepare(recipes, redo=redo)
    if retry_failed:
        say(f"tried again: {counted(store.forget_failed(phases), 'row')} that failed")
    if edited:
        _reopen(store, say)
    for line in _waiting_elsewhere(store, phases):
        say(line)
    shown = _views(views, on_progress)
    status = StatusFile(store.path, store.shard_facts())
    some = preview(store.counts()) if callable(preview) else preview
    finished = not some or previewing.run(
        store, tasks, some, settings.seed or 0, [status, *shown],
        replace(machine, context=None), on_row=on_preview, confirm_rest=confirm_rest, announce=say,
    )  # fmt: skip
    speed = RunMeasurement(tasks, store.counts())  # of the rows behind the preview
    watching: list[View] = [status, speed, *shown]
    finished = finished and _worked(store, speed.watched, settings, machine, watching, say, command)
    counts, advice = store.counts(), store.advice()
    _note(speed, counts, say)
    notes: list[str] = []
    written = None
    with store.narrowed(sources):
        if output is not None:
            written = write_with_card(
                store, output, ExportOptions(), card=card, say=notes.append,
                command=f"sysgen export --db {store.path} -o FILE",
            )  # fmt: skip
        others = counts.final - store.counts().final
        declined = store.count_declined()
    others -= store.count_declined() - declined  # no export writes them
    return RunResult(
        finished, counts, sources, others, advice,
        written.files[0] if written else None, written.card_path if written else None,
        tuple(notes), store.shard_facts(),
    )  # fmt: skip


def _reopen(store: Store, say: Say) -> None:
    """Deletes the answers of rows with an edited system message, and reports how many."""
    say(f"answered anew: {counted(store.reopen(), 'row')} with an edited system message")
    if kept := store.kept_answers():
        say(f"not answered anew: {counted(kept, 'row')} whose answer a person edited too")


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


def _waiting_elsewhere(store: Store, phases: Sequence[Phase]) -> Iterator[str]:
    """A sentence where no row is due for these phases, for each other phase that rows wait for."""
    counts = store.counts().phases
    if any(phase in phases and of.pending for phase, of in counts.items()):
        return
    for phase, of in counts.items():
        if of.pending:
            yield (
                f"no row waits for {' or '.join(phases)}: {of.pending:,} wait for {phase} "
                f"(`sysgen {phase} --db {store.path}`, or `sysgen run` for all phases)"
            )


def _note(speed: RunMeasurement, counts: Counts, say: Say) -> None:
    """Notes the speed of the run. Where that fails, the rows are done all the same."""
    try:
        speed.note(counts)
    except SysgenError as error:
        say(str(error))


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
            tasks, store, views, replace(machine, context=None),
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

    Raises UsageError for what cannot be read, where no row can be used, and where `reading.shard`
    is not the shard of the store.
    """
    if reading.shard is not None:
        store.choose_shard(Shard.parse(reading.shard))
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
            say(f"{source.path}: {counted(counter.usable, 'row')}{more}{rejected}")
    if counters:
        need_usable(counters)
    if sources and not store.inputs().records:
        raise UsageError(f"{sources[0].path} is empty: there is no row in it")
    if counters and (shard := store.shard):
        held, every = store.counts().input, store.inputs().records
        say(f"{shard} holds {held:,} of {counted(every, 'row')}")
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
