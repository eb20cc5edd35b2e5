"""Exports a dataset: applies all options, writes the files, and makes the card."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from sysgen_local.export import near_duplicates
from sysgen_local.export.card import card, generators
from sysgen_local.export.licences import permit
from sysgen_local.export.reasoning import omitted_reasoning
from sysgen_local.export.write import (
    Exported,
    ExportOptions,
    check_output,
    export,
    require_checks,
)
from sysgen_local.store import OUTSIDE, Selection, Store

Say = Callable[[str], None]


def export_dataset(
    store: Store, output: Path, options: ExportOptions, say: Say, name: str | None = None
) -> tuple[list[Exported], str]:
    """Writes the files. Returns them and the text of the card.

    `say` gets a sentence for everything that the user should know about the rows. `name` is the
    name of the dataset; None takes that of the file. Raises as `export`, and UsageError for a
    licence that the options do not permit.
    """
    check_output(output)
    if options.sources:
        store.narrow(store.sources(options.sources))
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
    written = export(store, output, options, without)
    if skipped := sum(of.skipped for of in written):
        outside = OUTSIDE[options.format]
        notes.append(f"{skipped:,} rows have no place in {options.format}: {outside}")
        say(notes[-1])
    for of in written:
        if of.late:
            say(f"{of.path}: {_late(of.late)}")
    if thoughts := omitted_reasoning(store, options, selection):
        notes.append(thoughts.says)
        say(str(thoughts))
    if options.variant == "full" and (stale := stats["reviews"]["stale"]):
        note = f"{stale:,} rows were answered before a person edited their system message"
        say(f"{note} (`sysgen respond --edited` answers them anew)")
        notes.append(note)
    if options.sources:
        notes.append(f"only rows of {', '.join(options.sources)}")
    if options.where:
        notes.append(f"only rows that meet {options.where}")
    if least := options.min_p_good:
        notes.append(f"only rows all of whose phrases have a p(good) of at least {least}")
    return written, card(
        stats,
        written,
        lineage,
        name=name or output.stem,
        layout=options.format,
        variant=options.variant,
        notes=notes,
    )


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
