"""Finished rows as files to train on: what is left out, the files, and the card."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sysgen_local.core.counted import counted
from sysgen_local.core.errors import UsageError
from sysgen_local.core.extras import needs
from sysgen_local.core.files import write
from sysgen_local.exporting import (
    Exported,
    ExportOptions,
    Output,
    card,
    generators,
    omitted_reasoning,
    permit,
    public_condition,
    public_name,
    require_results,
    source_names,
)
from sysgen_local.exporting import export as write_rows
from sysgen_local.store import PAIR_FORMATS, RowQuery, Selection, Store
from sysgen_local.workflows.options import Given

if TYPE_CHECKING:
    from datasets import Dataset

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class ExportResult:
    """`files` are what was written, several where rows were split. `card` is the dataset card's
    text, `card_path` where it was written. `notes` say what was left out, and why."""

    files: list[Exported]
    card: str
    card_path: Path | None
    notes: list[str]

    @property
    def rows(self) -> int:
        return sum(of.rows for of in self.files)


def export(
    store: Store,
    path: str | Path,
    *,
    card: bool = True,
    name: str | None = None,
    say: Say = lambda line: None,
    **options: Any,
) -> ExportResult:
    """Writes the finished rows in the order of the input: .jsonl or .parquet by `path`'s ending. A
    `path` that ends with a slash, or is a folder that exists, gets SPLIT.jsonl for each of `splits`
    (by default train.jsonl).

    `options` are the fields of `exporting.ExportOptions`: format ("messages", "sharegpt", "alpaca",
    "prompt-completion", "dpo", "kto"), variant, prefer, pairs, splits, where, checks, dedupe, ...
    `card` writes a dataset card beside it, in a folder README.md, which calls the data `name`.
    `say` is given what was left out.

    Raises UsageError for a path, condition or option value that will not do, for checks or pairs
    that the store does not have, and for licences that `permissive_only` refuses, SysgenError where
    writing fails, TypeError for an option that there is not.
    """
    for name_ in ("sources", "exclude"):
        if isinstance(options.get(name_), str | Path):
            options[name_] = (options[name_],)
    given = Given(options)
    wanted = given.take(ExportOptions)
    given.end("export")
    Output.named(path).check(wanted.splits or (), card=card)
    wanted = replace(
        wanted, sources=tuple(wanted.sources), exclude=tuple(map(Path, wanted.exclude))
    )
    sources = store.sources(wanted.sources) if wanted.sources else []
    with store.narrowed(sources):
        return write_with_card(store, path, wanted, card=card, name=name, say=say)


def write_with_card(
    store: Store,
    path: str | Path,
    options: ExportOptions,
    *,
    card: bool = True,
    name: str | None = None,
    say: Say = lambda line: None,
    command: str = "",
) -> ExportResult:
    """Writes the files, and the card beside them unless they go to standard output. `command` is
    the command that a remedy's options belong to, "" for the one that runs; the other arguments and
    errors are those of `export`."""
    output = Output.named(path)
    files, text, notes = _written(store, path, options, name or output.name, say, command)
    beside = output.card if card and not output.to_stdout else None
    if beside is not None:
        write(beside, text)
    return ExportResult(files, text, beside, notes)


def to_dataset(store: Store, **options: Any) -> Dataset:
    """The finished rows as a `datasets.Dataset` in memory; options and errors as `export`. Raises
    UsageError where the library `datasets` is missing."""
    if options.get("splits"):
        raise UsageError(
            "to_dataset makes one Dataset", hint="use `train_test_split` of the Dataset"
        )
    with needs("datasets", "a Dataset"):
        from datasets import Dataset
        from pyarrow import parquet
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "rows.parquet")
        export(store, file, card=False, **options)
        return Dataset(parquet.read_table(file))


def _written(
    store: Store, path: str | Path, options: ExportOptions, name: str, say: Say, command: str
) -> tuple[list[Exported], str, list[str]]:
    """Writes the files; they, the text of the card, and the notes."""
    require_results(store, options)
    if options.pairs is None:
        return _written_rows(store, path, options, name, say, command)
    from sysgen_local.phases.pairs import pair_of

    rule = options.pairs
    with store.paired(options.selection(), lambda row: pair_of(row, rule)):
        return _written_rows(store, path, options, name, say, command)


def _written_rows(
    store: Store, path: str | Path, options: ExportOptions, name: str, say: Say, command: str
) -> tuple[list[Exported], str, list[str]]:
    """See `_written`; pairs of rules were made."""
    stats = store.stats()
    selection = options.selection()
    without, notes = _left_out(store, options, selection)
    selection = replace(selection, without=without)
    lineage = store.lineage(options.format, selection)
    judged = options.prefer == "judged"
    judges = [of["facts"] for of in store.judgements() if of["pairs"]] if judged else []
    if options.permissive_only:
        permit(lineage, generators(stats, judges))
    for note in notes:
        say(note)
    files = write_rows(store, path, options, without)
    left_out: Counter[str] = sum((Counter(of.left_out) for of in files), Counter())
    lacks = (
        "no pair from" if options.format in PAIR_FORMATS else f"no place in {options.format} for"
    )
    for why, rows in left_out.items():
        notes.append(f"{lacks} {counted(rows, 'row')}: {why}")
        say(notes[-1])
    for of in files:
        if of.late:
            say(f"{of.path}: {_late(of.late, parquet=options.tools == 'text')}")
    if thoughts := omitted_reasoning(store, options, selection, command):
        notes.append(thoughts.says)
        say(str(thoughts))
    if declined := store.count_declined(options.where):
        notes.append(f"left out as declined by a person: {counted(declined, 'row')}")
        say(notes[-1])
    edited = options.variant == "full" and stats["reviews"]["stale"]
    if edited and (stale := _stale(store, options)):
        notes.append(f"answered before a person edited the system message: {counted(stale, 'row')}")
        say(f"{notes[-1]} (`sysgen respond --edited` answers them anew)")
    every = store.files()
    names = source_names(every)
    if shard := store.shard:
        notes.append(f"only the rows of {shard}")
    if options.sources:
        notes.append(f"only rows of {', '.join(_public(options.sources, names))}")
    if options.where:
        notes.append(f"only rows that meet {public_condition(options.where, names)}")
    if least := options.min_p_good:
        notes.append(f"only rows all of whose phrases have a p(good) of at least {least}")
    text = card(
        stats, files, lineage, every, name=name, layout=options.format, variant=options.variant,
        prefer=options.pairs or options.prefer, judges=judges, notes=notes,
    )  # fmt: skip
    return files, text, notes


def _stale(store: Store, options: ExportOptions) -> int:
    """How many of the selected rows have another system message than they were answered under."""
    where = "stale AND review IS DISTINCT FROM 'rejected'"
    where += f" AND (\n{options.where}\n)" if options.where else ""
    return len(store.queue(RowQuery("final", where=where, limit=None)))


def _public(sources: Sequence[str], names: Mapping[str, str]) -> list[str]:
    """The names of inputs as the card has them: a path is without its folders."""
    return [names.get(source, public_name(source)) for source in sources]


def _late(columns: Sequence[str], *, parquet: bool) -> str:
    """The note on such columns. `parquet`: whether a Parquet file can hold the rows."""
    return (
        f"the first 10 MB have nothing in {' and '.join(columns)}, and some readers learn a "
        "column's type from there: name the types (`load_dataset(..., features=...)`)"
        f"{', or write .parquet' if parquet else ''}"
    )


def _left_out(
    store: Store, options: ExportOptions, selection: Selection
) -> tuple[tuple[int, ...], list[str]]:
    """The numbers of the selected rows to leave out, ascending, and a sentence for each reason."""
    from sysgen_local.exporting import near_duplicates

    of = options.format, options.variant, selection
    out: set[int] = set()
    notes = []
    for path in options.exclude:
        prompts = near_duplicates.prompts_of(path)
        found = near_duplicates.contaminated(store.questions(*of), prompts)
        notes.append(f"left out as like a prompt of {path.name}: {counted(len(found), 'row')}")
        out.update(found)
    if options.dedupe:
        rows = ((row, text) for row, text in store.instructions(*of) if row not in out)
        found = near_duplicates.duplicates(rows)
        notes.append(f"{counted(len(found), 'near-duplicate')} of earlier rows left out")
        out.update(found)
    return tuple(sorted(out)), notes
