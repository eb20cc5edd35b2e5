"""What a user is told of thoughts that original answers came with and that are not written."""

from __future__ import annotations

from typing import NamedTuple

from sysgen_local.export.write import Wish
from sysgen_local.store import Selection, Store


class LeftOut(NamedTuple):
    """A sentence about the rows, and the way to have what they lack."""

    says: str
    way: str

    def __str__(self) -> str:
        return f"{self.says} ({self.way})"


def left_out(store: Store, wish: Wish, selection: Selection, command: str = "") -> LeftOut | None:
    """None where nothing is left out. `command`: what the way's options belong to, where that is
    not the command at hand."""
    found = store.thoughts(wish.format, wish.variant, selection)
    rows = found.came - found.all_stay if wish.reasoning else found.came
    if not rows:
        return None
    what = "some of the reasoning" if wish.reasoning and found.stay else "the reasoning"
    way = _way(wish, command, some=found.stay > 0, whole=found.all_stay == found.came)
    return LeftOut(f"{rows:,} rows without {what} that they came with", way)


def _way(wish: Wish, command: str, *, some: bool, whole: bool) -> str:
    def options(words: str) -> str:
        return f"`{command} {words}`" if command else words

    if wish.format == "dpo":
        return "dpo has no place for it"
    if whole:
        return f"{options('--reasoning keep')} writes it"
    old = f"{options('--variant system-only --reasoning keep')} writes the old ones with it"
    if wish.reasoning or not some:
        return f"new answers have none; {old}"
    return f"{options('--reasoning keep')} writes it where no answer is new; {old}"
