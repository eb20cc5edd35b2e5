"""What an export tells the user about reasoning of original answers that it does not write."""

from __future__ import annotations

from typing import NamedTuple

from sysgen_local.core.counted import counted
from sysgen_local.exporting.write import ExportOptions
from sysgen_local.store import PAIR_FORMATS, Selection, Store


class OmittedReasoning(NamedTuple):
    """A sentence about the rows, and which options write what is missing."""

    says: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.says} ({self.remedy})"


def omitted_reasoning(
    store: Store, options: ExportOptions, selection: Selection, command: str = ""
) -> OmittedReasoning | None:
    """None if nothing is left out. `command` is the command that the remedy's options belong to,
    "" for the one that runs."""
    found = store.thoughts(options.format, options.variant, selection)
    rows = found.came - found.all_stay if options.reasoning else found.came
    if not rows:
        return None
    what = "some of the reasoning" if options.reasoning and found.stay else "the reasoning"
    remedy = _remedy(options, command, some=found.stay > 0, whole=found.all_stay == found.came)
    return OmittedReasoning(f"{counted(rows, 'row')} without {what} that they came with", remedy)


def _remedy(options: ExportOptions, command: str, *, some: bool, whole: bool) -> str:
    def quoted(words: str) -> str:
        return f"`{command} {words}`" if command else words

    if options.format in PAIR_FORMATS:
        return f"{options.format} has no place for it"
    if whole:
        return f"{quoted('--reasoning keep')} writes it"
    old = f"{quoted('--variant system-only --reasoning keep')} writes the old ones with it"
    if options.reasoning or not some:
        return f"new answers have none; {old}"
    return f"{quoted('--reasoning keep')} writes it where no answer is new; {old}"
