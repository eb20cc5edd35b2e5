"""Finished rows as files to train on: what is left out, the files, and the card."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sysgen_local.core.errors import UsageError
from sysgen_local.core.extras import needs
from sysgen_local.core.files import write
from sysgen_local.exporting import (
    STDOUT,
    Exported,
    ExportOptions,
    card,
    check_output,
    generators,
    omitted_reasoning,
    permit,
    require_checks,
)
from sysgen_local.exporting import export as write_rows
from sysgen_local.store import OUTSIDE, Selection, Store
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
    """Writes the finished rows in the order of the input: .jsonl or .parquet by `path`'s ending.

    `options` are the fields of `exporting.ExportOptions`: format ("messages", "sharegpt", "alpaca",
    "prompt-completion", "dpo"), variant, splits, where, checks, dedupe, ... `card` writes a
    dataset card beside it, which calls the data `name`. `say` is given what was left out.

    Raises UsageError for a path, condition or option value that will not do and for licences that
    `permissive_only` refuses, SysgenError where writing fails, TypeError for an option that there
    is not.
    """
    for name_ in ("sources", "exclude"):
        if isinstance(options.get(name_), str | Path):
            options[name_] = (options[name_],)
    given = Given(options)
    wanted = given.take(ExportOptions)
    given.end("export")
    path = Path(path).expanduser()
    check_output(path)
    wanted = replace(
        wanted, sources=tuple(wanted.sources), exclude=tuple(map(Path, wanted.exclude))
    )
    sources = store.sources(wanted.sources) if wanted.sources else []
    with store.narrowed(sources):
        files, text, notes = _written(store, path, wanted, name or path.stem, say)
    beside = path.with_suffix(".card.md") if card and path != STDOUT else None
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
    store: Store, path: Path, options: ExportOptions, name: str, say: Say
) -> tuple[list[Exported], str, list[str]]:
    """Writes the files; they, the text of the card, and the notes."""
    if options.checks:
        require_checks(store, options)
    stats = store.stats()
    selection = options.selection()
    without, notes = _left_out(store, options, selection)
    selection = replace(selection, without=without)
    lineage = store.lineage(options.format, selection)
    if options.permissive_only:
        permit(lineage, generators(stats))
    for note in notes:
        say(note)
    files = write_rows(store, path, options, without)
    if skipped := sum(of.skipped for of in files):
        outside = OUTSIDE[options.format]
        notes.append(f"{skipped:,} rows have no place in {options.format}: {outside}")
        say(notes[-1])
    for of in files:
        if of.late:
            say(f"{of.path}: {_late(of.late)}")
    if thoughts := omitted_reasoning(store, options, selection):
        notes.append(thoughts.says)
        say(str(thoughts))
    if options.variant == "full" and (stale := stats["reviews"]["stale"]):
        notes.append(f"{stale:,} rows were answered before a person edited their system message")
        say(f"{notes[-1]} (`sysgen respond --edited` answers them anew)")
    if options.sources:
        notes.append(f"only rows of {', '.join(options.sources)}")
    if options.where:
        notes.append(f"only rows that meet {options.where}")
    if least := options.min_p_good:
        notes.append(f"only rows all of whose phrases have a p(good) of at least {least}")
    text = card(
        stats, files, lineage, name=name, layout=options.format, variant=options.variant,
        notes=notes,
    )  # fmt: skip
    return files, text, notes


def _late(columns: Sequence[str]) -> str:
    return (
        f"the first 10 MB have nothing in {' and '.join(columns)}, and some readers learn a "
        "column's type from there: name the types (`load_dataset(..., features=...)`), or write "
        ".parquet"
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
        notes.append(f"{len(found):,} rows left out that resemble a prompt of {path.name}")
        out.update(found)
    if options.dedupe:
        rows = ((row, text) for row, text in store.instructions(*of) if row not in out)
        found = near_duplicates.duplicates(rows)
        notes.append(f"{len(found):,} near-duplicates of earlier rows left out")
        out.update(found)
    return tuple(sorted(out)), notes
